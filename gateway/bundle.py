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
        self._reading = ClockReading(ClockState.UNSYNCED)

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
        return self._entries[0].heard_at_ns

    @property
    def first_seq(self) -> int:
        """Its first sequence number; only of a bundle that is not empty."""
        return self._first_seq

    def fits(self, entry: Entry, max_bytes: int) -> bool:
        """Whether `entry` may join: size, count, and the clock in the state of the first one."""
        if not self._entries:
            return True
        room = len(self._entries) < MAX_OBSERVATIONS and self._size + weight(entry) <= max_bytes
        return room and self._clock.reading().state is self._reading.state

    def add(self, observation: Observation, entry: Entry) -> None:
        """Append one observation; its number follows the one before."""
        if not self._entries:
            self._reading = self._clock.reading()
            self._first_seq, self._stream = observation.seq, observation.stream
            self._size = HEADROOM_BYTES
        self._entries.append(entry)
        self._size += weight(entry)

    def seal(self) -> Bundle:
        """Return the bundle and start empty again."""
        synced = self._reading.state is not ClockState.UNSYNCED
        offset_ns = self._clock.wall_ns() - self._clock.boot_ns() if synced else None
        quality = "exact" if self._reading.state is ClockState.SYNCED else "holdover"
        bundle = Bundle(
            stream=self._stream,
            klass=self.klass,
            first_seq=self._first_seq,
            boot=self._clock.boot_id,
            wall_offset_ns=offset_ns,
            quality=quality if synced else "",
            entries=tuple(self._entries),
            size=self._size,
        )
        self._entries = []
        self._size = 0
        return bundle


def pack(observation: Observation) -> Entry:
    """Render everything of an observation but its time."""
    link = observation.link
    text = wire.link(link.medium, link.rssi_dbm, link.snr_db, link.frame_counter, link.copies)
    head = wire.observation_head(observation.seq, observation.device)
    tail = wire.observation_tail(observation.results, text)
    return Entry(observation.heard_at_ns, head, tail)


def weight(entry: Entry) -> int:
    """Bytes an entry takes in a message, at most."""
    tail = entry.tail
    encoded = len(tail) if tail.isascii() else len(tail.encode())
    return len(entry.head) + encoded + _TIME_BYTES


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
            synchronised_now=reading.state is ClockState.SYNCED,
        )
        if bundle.wall_offset_ns is not None:
            return bundle.wall_offset_ns, quality
        if quality == "unknown":
            return None, quality
        return self._clock.wall_ns() - self._clock.boot_ns(), quality
