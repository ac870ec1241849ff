"""Observation -> PUBACK on an ESP32: ring, live lane, replay lane, settle; as on the Pi.

An observation stays in its ring until the broker has acknowledged it or the store has it. A bundle
is made when it is sent. What was not acknowledged when a connection ended goes out on the next one
with DUP: the same observations under the same packet id. What concerns the store is in `backlog`,
which is in memory only while there is one.
"""

import gc

from gateway.core import policy, wire
from gateway.esp32.ring import Ring

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.esp32.backlog import Backlog
    from gateway.esp32.clock import Clock
    from gateway.esp32.pipeline import Counts
    from gateway.esp32.settings import Site
    from gateway.esp32.uplink import Uplink

_MS = 1000000  # in nanoseconds
_ROOM = 1290  # a packet of 1.5 kB, less topic and head of a bundle but for the names in them
_HEAD = 226  # the head's share of that
_ROUTINE_BYTES = 2048
_EVENT_BYTES = 1536
_BUSY_MS = 20
_IDLE_MS = 100
_OUTAGE_MS = 90000  # without a PUBACK; longer than from one heartbeat to the next
_SPARE_MS = 20000

# A flight is one PUBLISH without a PUBACK. A list: eight objects would take more than this code.
_PID = 0
_STREAM = 1
_FIRST = 2
_COUNT = 3  # 0: given up meanwhile
_BYTES = 4
_DUE = 5  # its PUBACK; 0: the connection took it along
_LANE = 6
_REF = 7  # where the store has it; None: it is in its ring


class Delivery:
    """Stops 5 to 8."""

    def __init__(
        self,
        site: "Site",
        clock: "Clock",
        counts: "Counts",
        uplink: "Uplink",
        streams: dict[str, str],
    ) -> None:
        self.site = site
        self.clock = clock
        self.counts = counts
        self.uplink = uplink
        self.limits = site.delivery
        self.rings = (  # events first, wherever both wait
            Ring("event", streams["event"], _EVENT_BYTES),
            Ring("routine", streams["routine"], _ROUTINE_BYTES),
        )
        self.flights: list[list] = []  # type: ignore[type-arg]
        self.store: Backlog | None = None
        self.store_state = "ok"
        self.level = policy.NORMAL
        self.last = policy.REPLAY  # the lane that had its turn last
        self.acknowledged_ms = clock.now()  # whatever it was
        self.on_loss: Callable[[str, int, int, str], None]  # stream, first, last, reason
        self.room = _ROOM - len(site.root) - len(site.org) - len(site.gateway)

    # ------------------------------------------------------------------------------------ 5 bundle
    @property
    def has_room(self) -> bool:
        """Whether another may be offered; while the store fails, the oldest make room for it."""
        event, routine = self.rings
        return self.store_state != "ok" or not (event.is_due(-1) or routine.is_due(-1))

    def offer(self, klass: str, urn: str, heard_ms: int, tail: str) -> None:
        """Take an observation over; DecodeError: it is larger than memory."""
        clock = self.clock
        quality = 1 if clock.state() == "synced" else 2
        if clock.offset_ms is None or heard_ms < clock.since_ms:
            quality = 0  # what the clock says now was not so when it was heard
        ring = self.ring(klass)
        while not ring.put(heard_ms, clock.offset_ms, quality, urn, tail):
            self.open().make_room(ring)
        self.pump()

    def ring(self, name: str) -> Ring:
        """Return the ring of a class or a stream of this run."""
        event, routine = self.rings
        return event if name in (event.klass, event.stream) else routine

    # -------------------------------------------------------------------------------------- 6 send
    def pump(self) -> None:
        """Send what may be sent: first, again, what a connection took along.

        Without memory for a packet nothing is sent and nothing changes: the next tick comes.
        """
        try:
            while self.uplink.can_send and ((self.store and self.store.resend()) or self._send()):
                pass
        except MemoryError:
            gc.collect()

    def _send(self) -> bool:
        """Send the next bundle: live first, but for the last slot, after a live one."""
        window = self.limits["window"]
        lives = replays = 0
        for flight in self.flights:
            if flight[_LANE] == policy.LIVE:
                lives += 1
            else:
                replays += 1
        if lives + replays >= window:
            return False
        live = self._next(policy.LIVE)
        if live and (replays or lives < window - 1 or self.last == policy.REPLAY):
            return self._fly(live)
        if policy.replay_slots(window, lives, replays, live is not None):
            replay = self._next(policy.REPLAY)
            if not replay and self.store:
                replay = self.store.next()
            if replay:
                return self._fly(replay)
        return live is not None and self._fly(live)

    def _next(self, lane: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
        """Return a flight of the first bundle in memory that may go on a lane now, if there is."""
        now = self.clock.now()
        for ring in self.rings:
            count, size, oldest_ms, closed = ring.pack(self.room)
            if (
                count
                and policy.lane(now - oldest_ms, self.limits["live_max_age_ms"]) == lane
                and (closed or lane == policy.REPLAY or now >= ring.paced_ms)
            ):
                return [0, ring.stream, ring.unsent, count, size, 0, lane, None]
        return None

    def _fly(self, flight: list) -> bool:  # type: ignore[type-arg]
        ref, ring = flight[_REF], self.ring(flight[_STREAM])
        self.flights.append(flight)
        try:
            self.publish(flight)
        except (MemoryError, OSError):
            self.flights.remove(flight)
            if ref is not None:
                self.store.put_back(flight)  # type: ignore[union-attr]
            return False
        if ref is None:
            ring.unsent += flight[_COUNT]
            ring.paced_ms = policy.next_publish_ns(self.clock.now(), self.limits["pace_ms"])
        self.last = flight[_LANE]
        return True

    def publish(self, flight: list) -> bool:  # type: ignore[type-arg]
        """Render a bundle into a packet, with what is known of the time now."""
        site, clock, uplink = self.site, self.clock, self.uplink
        if flight[_REF] is None:
            batch = self.ring(flight[_STREAM]).batch(flight[_FIRST], flight[_COUNT], clock.boot)
        else:
            batch = self.store.segments.read(flight[_REF])  # type: ignore[union-attr]
        klass, stream, _, boot, offset_ms, quality, entries = batch
        state = clock.state()
        quality = policy.time_quality(
            quality, same_boot=boot == clock.boot, synchronised_since=clock.offset_ms is not None
        )
        if offset_ms is None and quality != policy.UNKNOWN:
            offset_ms = clock.offset_ms
        size = flight[_BYTES] + _HEAD + len(site.org) + len(site.gateway)
        uplink.begin(site.root + "/obs/" + flight[_LANE], size)
        text = wire.bundle_head(site.org, site.gateway, stream, klass, state, clock.max_error_ms())
        for heard_ms, head, tail in entries:
            uplink.add(text)
            uplink.add(head)
            if offset_ms is None:
                text = wire.time_unknown(boot, heard_ms)
            else:
                text = wire.time_exact(heard_ms + offset_ms, quality)
            uplink.add(text)
            uplink.add(tail)
            text = ","
        uplink.add("]}")
        flight[_DUE] = self._deadline()
        flight[_PID] = uplink.send(False, flight[_PID])
        return True

    def _deadline(self) -> int:
        limits, outstanding = self.limits, 0
        for flight in self.flights:
            outstanding += flight[_BYTES]
        now, wait = self.clock.now() * _MS, limits["ack_timeout_ms"] * _MS
        rate = limits["min_rate"]
        return policy.acknowledgement_deadline_ns(now, wait, outstanding, rate) // _MS

    def on_up(self) -> None:
        """Hear that the broker is there."""
        self.pump()

    def on_down(self) -> None:
        """Hear that it is gone: what was on its way has to be sent again."""
        if self.flights:
            self.open().lost()

    # ------------------------------------------------------------------------- 7 keep and 8 settle
    def acknowledged(self, pid: int) -> bool:
        """Settle what the broker has acknowledged; False: it is not ours, or was settled."""
        self.acknowledged_ms = self.clock.now()
        for flight in self.flights:
            if flight[_PID] == pid:
                self.flights.remove(flight)
                count = flight[_COUNT]
                if flight[_REF] is None:
                    self.ring(flight[_STREAM]).release(flight[_FIRST], count)
                else:
                    count = self.store.settle(flight)  # type: ignore[union-attr]
                self.counts.delivered += count
                self.pump()
                return True
        return False

    def tick(self) -> int:
        """Do what has fallen due; return in how many milliseconds to call again.

        In an outage the store is written in larger pieces, or a year of outage wears the flash
        out: what is heard then is in memory alone, not accepted, for up to 20 s.
        """
        now = self.clock.now()
        is_outage = now - self.acknowledged_ms > _OUTAGE_MS
        patience_ms = _SPARE_MS if is_outage else self.limits["commit_after_ms"]
        for flight in self.flights:
            if 0 < flight[_DUE] <= now:
                self.uplink.drop("not acknowledged in time")  # whatever TCP says, it is dead
        self.pump()
        for ring in self.rings:
            if ring.is_due(now - patience_ms):
                self.open().keep()
        if self.store:
            self.store.tend()
        return _BUSY_MS if self.store or self.in_memory() else _IDLE_MS

    def open(self) -> "Backlog":
        """Return what deals with the store; it stays in memory until there is no use for it."""
        if not self.store:
            from gateway.esp32.backlog import Backlog

            self.store = Backlog(self)
        return self.store

    # --------------------------------------------------------------------------------------- books
    def in_memory(self) -> int:
        """Observations unsettled and not in the store."""
        event, routine = self.rings
        return event.held + routine.held

    def in_backlog(self) -> int:
        """Observations in the store and unsettled."""
        return self.backlog()[1]

    def backlog(self) -> "tuple[int, int, int, int | None]":
        """Return bundles, observations and bytes in the store, and the age in s of the oldest."""
        return self.store.stock() if self.store else (0, 0, 0, None)

    def congested(self) -> bool:
        """Whether observations wait: all else stands back behind them."""
        event, routine = self.rings
        return event.unsent + routine.unsent < event.next + routine.next

    def close(self) -> "Coroutine[object, object, bool]":
        """Wait a little for what is in flight and keep the rest; False: that cannot be."""
        return self.open().close()

    def next_seq(self, klass: str) -> int:
        """Return the next number of a class."""
        return self.ring(klass).next

    def settled_below(self, klass: str) -> int:
        """Return below which number all is settled, or was handed to `on_loss`."""
        ring = self.ring(klass)
        return self.store.floor(ring) if self.store else ring.first
