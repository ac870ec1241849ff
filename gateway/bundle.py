"""Observations packed into bundles, and bundles rendered into messages.

A bundle is packed once and rendered at each send, because what is known of the time may have
improved in between (docs/explanation/time.md). Rendering never changes a result: two sends of one
bundle differ in their time fields at most.
"""

from typing import Final

import msgspec

from gateway.clock import Clock, ClockReading, ClockState
from gateway.core import policy, wire
from gateway.model import Bundle, Entry, Observation, ObservationClass

MAX_OBSERVATIONS: Final = 100
MAX_BYTES: Final = 16_384
HEADROOM_BYTES: Final = 512  # a bundle's head, topic and MQTT header, generously
_TIME_BYTES: Final = 100  # the longest time part of one observation, and its comma
_STEADY_NS: Final = 10_000_000  # two offsets this far apart had a step of the clock between them


class Identity(msgspec.Struct, frozen=True):
    """Who speaks: the two topic levels that every message repeats."""

    org: str
    gateway: str


class Packer:
    """The open bundle of one class: takes observations in sequence until it is sealed."""

    def __init__(self, klass: ObservationClass, clock: Clock) -> None:
        self.klass: Final = klass
        self._clock = clock
        self._entries: list[Entry] = []
        self._first_seq = 0
        self._stream = ""
        self._size = 0
        self._heard_at_ns = 0
        self._offset_ns: int | None = None
        self._quality = ""

    def __len__(self) -> int:
        """Observations in it."""
        return len(self._entries)

    @property
    def size(self) -> int:
        """Rendered bytes at most."""
        return self._size

    @property
    def heard_at_ns(self) -> int:
        """When its oldest observation was heard; only of a bundle that is not empty."""
        return self._heard_at_ns

    @property
    def first_seq(self) -> int:
        """Its first sequence number; only of a bundle that is not empty."""
        return self._first_seq

    def fits(self, entry: Entry, max_bytes: int) -> bool:
        """Whether `entry` may join: size, count, and its time as good as that of the first."""
        if not self._entries:
            return True
        room = len(self._entries) < MAX_OBSERVATIONS and self._size + weight(entry) <= max_bytes
        return room and self._shares_time(entry.heard_at_ns)

    def _shares_time(self, heard_at_ns: int) -> bool:
        """Whether one offset dates it and the first, or none: no step, no change between them."""
        offset_ns, quality = _known(self._clock.reading(), heard_at_ns)
        if quality != self._quality:
            return False
        if offset_ns is None or self._offset_ns is None:
            return True
        return abs(offset_ns - self._offset_ns) < _STEADY_NS

    def add(self, observation: Observation, entry: Entry) -> None:
        """Append one observation; its number follows the one before."""
        if not self._entries:
            reading = self._clock.reading()
            self._offset_ns, self._quality = _known(reading, observation.heard_at_ns)
            self._first_seq, self._stream = observation.seq, observation.stream
            self._size = HEADROOM_BYTES
            self._heard_at_ns = entry.heard_at_ns
        elif entry.heard_at_ns < self._heard_at_ns:  # frames wait for different times
            self._heard_at_ns = entry.heard_at_ns
        self._entries.append(entry)
        self._size += weight(entry)

    def seal(self) -> Bundle:
        """Return the bundle and start empty again."""
        bundle = Bundle(
            stream=self._stream,
            klass=self.klass,
            first_seq=self._first_seq,
            boot=self._clock.boot_id,
            wall_offset_ns=self._offset_ns,
            quality=self._quality,
            entries=tuple(self._entries),
            size=self._size,
        )
        self._entries = []
        self._size = 0
        return bundle


def _known(reading: ClockReading, heard_at_ns: int) -> tuple[int | None, str]:
    """Return offset and quality of what was heard then; none if it was before the clock's state.

    It waited while that changed: what the clock says now was not so when it was heard.
    """
    if reading.offset_ns is None or heard_at_ns < reading.since_ns:
        return None, ""
    return reading.offset_ns, "exact" if reading.state is ClockState.SYNCED else "holdover"


def pack(observation: Observation) -> Entry:
    """Render everything of an observation but its time."""
    link = observation.link
    text = wire.link(
        link.medium,
        link.rssi_dbm,
        link.snr_db,
        link.frame_counter,
        link.copies,
        link.spreading_factor,
        link.frequency_hz,
    )
    head = wire.observation_head(observation.seq, observation.device)
    tail = wire.observation_tail(observation.results, text)
    return Entry(observation.heard_at_ns, head, tail)


def weight(entry: Entry) -> int:
    """Bytes an entry takes in a message, at most."""
    tail = entry.tail
    encoded = len(tail) if tail.isascii() else len(tail.encode())
    return len(entry.head) + encoded + _TIME_BYTES


def split(bundle: Bundle, max_bytes: int) -> list[Bundle]:
    """Return a bundle as parts of `max_bytes` at most, or of one observation; at least two.

    The observations are the same, in the same order. A bundle of one is returned as it is.
    """
    weights = [weight(entry) for entry in bundle.entries]
    most = min(max_bytes, HEADROOM_BYTES + (sum(weights) + 1) // 2)
    parts: list[Bundle] = []
    start, size = 0, HEADROOM_BYTES
    for index, taken in enumerate(weights):
        if index > start and size + taken > most:
            parts.append(_part(bundle, start, index, size))
            start, size = index, HEADROOM_BYTES
        size += taken
    return [*parts, _part(bundle, start, len(weights), size)]


def _part(bundle: Bundle, start: int, end: int, size: int) -> Bundle:
    first_seq = bundle.first_seq + start
    entries = bundle.entries[start:end]
    return msgspec.structs.replace(bundle, first_seq=first_seq, entries=entries, size=size)


class Renderer:
    """Bundle -> the bytes of one message, with what is known of the time now."""

    def __init__(self, identity: Identity, clock: Clock) -> None:
        self._identity = identity
        self._clock = clock

    def render(self, bundle: Bundle) -> bytes:
        """Return the canonical JSON of a bundle (docs/reference/schema.md, The bundle)."""
        reading = self._clock.reading()
        head = wire.bundle_head(
            self._identity.org,
            self._identity.gateway,
            bundle.stream,
            bundle.klass,
            reading.state.value,
            reading.max_error_ms,
        )
        offset_ns, quality = self._time(bundle, reading)
        if offset_ns is None:
            boot = bundle.boot
            parts = [
                e.head + wire.time_unknown(boot, e.heard_at_ns // 1_000_000) + e.tail
                for e in bundle.entries
            ]
        else:
            parts = [
                e.head
                + wire.time_exact((e.heard_at_ns + offset_ns) // 1_000_000, quality)
                + e.tail
                for e in bundle.entries
            ]
        return wire.bundle(head, parts).encode()

    def _time(self, bundle: Bundle, reading: ClockReading) -> tuple[int | None, str]:
        quality = policy.time_quality(
            bundle.quality,
            same_boot=bundle.boot == self._clock.boot_id,
            synchronised_since=reading.offset_ns is not None,
        )
        if bundle.wall_offset_ns is not None:
            return bundle.wall_offset_ns, quality
        return None if quality == policy.UNKNOWN else reading.offset_ns, quality
