"""What delivery does with the store; in memory only while there is a use for it.

What is not acknowledged in time is put into the store, in flight or not, and its room in memory is
free. That withdraws nothing: its PUBACK settles it in the store. The rest goes out from there, one
batch at a time, oldest first, events before routine. A full store gives up the oldest; while it
fails, memory does. What goes is declared.
"""

import asyncio
import gc
import sys
from os import urandom

from gateway.core import policy
from gateway.core.backoff import FIRST_S, MOST_S, delay_s

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.esp32.delivery import Delivery
    from gateway.esp32.ring import Ring
    from gateway.esp32.segments import Handle, Segments

# Of a flight, as in delivery.
_STREAM = 1
_FIRST = 2
_COUNT = 3
_DUE = 5
_REF = 7

_NO_SPACE = 28  # ENOSPC
_AROUND = 90  # bytes at most that are rendered around head and tail
_FULL_MS = 60000  # a store that had no room counts as full
_LINGER_MS = 10000
_SETTLE_MS = 2000
_GIVEN_UP = ()  # where a flight's observations are that were given up: nowhere


class _Nothing:
    """The store before there is memory and a file system for it."""

    observations = batches = bytes = 0


class Backlog:
    """One stay in memory: from what made it necessary until the store is empty."""

    def __init__(self, delivery: "Delivery", segments: "Segments | None" = None) -> None:
        self.segments: Segments = segments or _Nothing()  # type: ignore[assignment]
        self._delivery = delivery
        self._opened = False
        self._found: dict[str, int] = {}
        self._failures = 0  # in a row
        self._retry_ms = 0  # when it may be tried again
        self._misread = self._reread_ms = 0  # the same of reading
        self._full_until_ms = 0
        self._used_ms = -_LINGER_MS
        self._dry = True  # nothing in it waits to be leased
        self._ref: Handle | None = None  # leased, and not read yet
        self._floors: dict[str, int] = {}  # stream -> below it nothing in the store waits

    def recover(self) -> dict[str, int]:
        """Open the store, if it can be; return the last streams in it, and their next numbers."""
        self.keep()
        return self._found

    # ---------------------------------------------------------------------------------------- keep
    def keep(self) -> bool:
        """Put all that is in memory into the store; False: it cannot be used now."""
        delivery = self._delivery
        if delivery.clock.now() < self._retry_ms:
            return False
        try:
            if not self._opened:
                self._open()
            for ring in delivery.rings:
                self._spill(ring)
        except (OSError, MemoryError):
            self._failed()
            delivery.store_state = "memory-only"
            return False
        self._failures = 0
        delivery.store_state = "ok"
        return True

    def _open(self) -> None:
        delivery = self._delivery
        if isinstance(self.segments, _Nothing):
            from gateway.esp32.segments import Segments

            cap_bytes = delivery.limits["store_bytes"]
            self.segments = Segments(delivery.site.path, cap_bytes, delivery.clock)
        self._found = self.segments.open()
        self._opened = True
        self._dry = False
        delivery.counts.recovered += self.segments.observations

    def _failed(self) -> None:
        self._retry_ms = self._delivery.clock.now() + _wait_ms(self._failures)
        self._failures += 1

    def _unread(self) -> None:
        """Put reading off; that a batch cannot be read keeps nothing from being written."""
        self._reread_ms = self._delivery.clock.now() + _wait_ms(self._misread)
        self._misread += 1

    def _spill(self, ring: "Ring") -> None:
        for flight in self._delivery.flights:
            if flight[_STREAM] == ring.stream and flight[_REF] is None:
                flight[_REF] = self._append(ring, flight[_FIRST], flight[_COUNT])
        while ring.unsent < ring.next:
            first = ring.unsent
            count = ring.pack(self._delivery.room)[0]
            self.segments.give_back(self._append(ring, first, count))
            self._floors.setdefault(ring.stream, first)
            self._dry = False

    def _append(self, ring: "Ring", first: int, count: int) -> "Handle":
        while True:
            try:
                ref = self.segments.append(ring.batch(first, count, self._delivery.clock.boot))
            except OSError as error:
                if error.errno != _NO_SPACE or not self._drop():
                    raise
            else:
                ring.release(first, count)
                return ref

    def _drop(self) -> bool:
        """Give up the oldest in the store; False: there is nothing."""
        self._full_until_ms = self._delivery.clock.now() + _FULL_MS
        before = self.segments.observations
        losses = self.segments.drop_oldest()
        if self._ref and self._ref[0] not in self.segments.leased:
            self._ref = None  # it went with the rest of its segment
        for loss in losses:
            for flight in self._delivery.flights:
                if loss[0] == flight[_STREAM] and loss[1] <= flight[_FIRST] <= loss[2]:
                    _give_up(flight)
        self._tell(losses, before - self.segments.observations)
        return len(losses) > 0

    def _tell(self, losses: "Sequence[tuple]", count: int) -> None:  # type: ignore[type-arg]
        self._delivery.counts.dropped += count
        for loss in losses:
            self._delivery.on_loss(*loss[:4])

    def make_room(self, ring: "Ring") -> None:
        """Empty a ring into the store; if that fails, give up the oldest bundle in it."""
        if self.keep():
            return
        count, first = 1, ring.first
        for flight in self._delivery.flights:
            if flight[_STREAM] == ring.stream and flight[_FIRST] == first and flight[_COUNT]:
                count = flight[_COUNT]
                _give_up(flight)
        ring.release(first, count)
        self._tell([(ring.stream, first, first + count - 1, "store")], count)

    # -------------------------------------------------------------------------------------- replay
    def next(self) -> "list | None":  # type: ignore[type-arg]
        """Return a flight of the oldest batch that waits, if one does and can be read."""
        segments = self.segments
        if self._dry or self._delivery.clock.now() < self._reread_ms:
            return None
        before = segments.observations
        try:
            ref = self._ref = self._ref or segments.lease()
            self._tell(segments.lost, before - segments.observations)
            segments.lost = []
            if ref is None:
                self._dry = True
                self._floors.clear()
                return None
            _, stream, first, _, _, _, entries = segments.read(ref)
            count = size = 0
            for _, head, tail in entries:
                count += 1
                size += len(head) + len(tail.encode()) + _AROUND
        except (OSError, MemoryError):
            self._unread()
            return None
        self._ref, self._misread = None, 0
        if stream in self._floors:
            self._floors[stream] = first + count
        return [0, stream, first, count, size, 0, policy.REPLAY, ref]

    def put_back(self, flight: list) -> None:  # type: ignore[type-arg]
        """Take a batch back that could not be sent: it is the next to be read."""
        self._ref = flight[_REF]
        if flight[_STREAM] in self._floors:
            self._floors[flight[_STREAM]] = flight[_FIRST]
        self._unread()

    def lost(self) -> None:
        """Hear that the connection took all flights along."""
        delivery = self._delivery
        delivery.flights = [flight for flight in delivery.flights if flight[_COUNT]]
        for flight in delivery.flights:
            flight[_DUE] = 0

    def resend(self) -> bool:
        """Send the first again that a connection took along; False: there is none."""
        delivery = self._delivery
        for flight in delivery.flights:
            if flight[_DUE]:
                continue
            if not flight[_COUNT]:
                delivery.flights.remove(flight)
                return True
            if flight[_REF] is None or delivery.clock.now() >= self._reread_ms:
                try:
                    delivery.publish(flight)
                except (OSError, MemoryError):
                    self._unread()
                else:
                    delivery.counts.resent += flight[_COUNT]
                    return True
        return False

    def settle(self, flight: list) -> int:  # type: ignore[type-arg]
        """Settle what is in the store; return how many observations still were."""
        return self.segments.settle(flight[_REF]) if flight[_COUNT] else 0

    # --------------------------------------------------------------------------------------- books
    def tend(self) -> None:
        """Say how full it is; leave memory when there has been no use for it for a while."""
        delivery = self._delivery
        now = delivery.clock.now()
        if not self._opened:
            self.keep()
        delivery.level = self._level(now)
        used = self.segments.observations or delivery.store_state != "ok"
        for flight in delivery.flights:
            if not flight[_DUE] or flight[_REF] is not None:
                used = True
        if used or delivery.level != policy.NORMAL:
            self._used_ms = now
        elif now > self._used_ms + _LINGER_MS:
            delivery.store = None
            _forget("backlog")
            _forget("segments")
            gc.collect()

    def _level(self, now: int) -> str:
        delivery = self._delivery
        used, cap = self.segments.bytes, delivery.limits["store_bytes"]
        if delivery.store_state != "ok":
            for ring in delivery.rings:  # the fuller of the two counts
                if ring.used * cap > used * len(ring.buffer):
                    used, cap = ring.used, len(ring.buffer)
        return policy.level(used, cap, delivery.level, refused=now < self._full_until_ms)

    def floor(self, ring: "Ring") -> int:
        """Return below which number all of a ring's stream is settled or given up."""
        lowest = min(ring.first, self._floors.get(ring.stream, ring.first))
        for flight in self._delivery.flights:
            if flight[_STREAM] == ring.stream and flight[_COUNT]:
                lowest = min(lowest, flight[_FIRST])
        return lowest

    def stock(self) -> "tuple[int, int, int, int | None]":
        """Return batches, observations and bytes in the store, and how old the oldest is."""
        return self.segments.batches, self.segments.observations, self.segments.bytes, None

    # ----------------------------------------------------------------------------------------- end
    async def close(self) -> bool:
        """Wait a little for what is in flight and keep the rest; False: that could not be."""
        delivery = self._delivery
        self._dry = True
        until = delivery.clock.now() + _SETTLE_MS
        while delivery.uplink.up and (delivery.flights or delivery.in_memory()):
            if delivery.clock.now() >= until:
                break
            try:
                delivery.tick()
            except (OSError, MemoryError):
                break  # then it is kept
            await asyncio.sleep(0.02)
        if delivery.in_memory():
            self._retry_ms = 0
            self.keep()
        return delivery.in_memory() == 0


def _wait_ms(failures: int) -> int:
    return int(1000 * delay_s(failures, urandom(1)[0] / 256, first_s=FIRST_S, most_s=MOST_S))


def _forget(name: str) -> None:
    if sys.modules.pop("gateway.esp32." + name, None):
        delattr(sys.modules["gateway.esp32"], name)


def _give_up(flight: list) -> None:  # type: ignore[type-arg]
    flight[_COUNT] = 0
    flight[_REF] = _GIVEN_UP
