"""Parcels in flight: two lanes through one window, each PUBLISH with its own deadline.

Sends, waits, judges the PUBACK. It keeps nothing: whatever ends, well or not, is handed back at
once, so a parcel that was not acknowledged is where it was before.
"""

import asyncio
import logging
from functools import partial
from typing import Final, Protocol

import msgspec

from gateway.books import Parcel
from gateway.bundle import HEADROOM_BYTES, MAX_BYTES, Renderer
from gateway.core import policy
from gateway.health import Health
from gateway.model import Lane, Outcome
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000


class SendLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of docs/explanation/delivery.md that concern sending."""

    window: int = 8
    ack_timeout_ns: int = 10 * NS
    min_rate: int = 500  # bytes per second that an acknowledgement is given time for


class Owner(Protocol):
    """Whose parcels they are."""

    def ended(self, parcel: Parcel, *, acknowledged: bool) -> None:
        """Take a parcel back that is no longer in flight."""
        ...

    def pump(self) -> None:
        """Send what may be sent: a slot or a lane has become free."""
        ...


class _LaneState:
    """One lane's parcels in flight, and its back-off after a refusal."""

    __slots__ = ("blocked_until_ns", "in_flight", "refusals")

    def __init__(self) -> None:
        self.in_flight = 0
        self.refusals = 0
        self.blocked_until_ns = 0


class Sender:
    """The in-flight window."""

    def __init__(
        self,
        limits: SendLimits,
        *,
        rim: Rim,
        renderer: Renderer,
        health: Health,
    ) -> None:
        self._limits = limits
        self._clock = rim.clock
        self._uplink = rim.uplink
        self._renderer = renderer
        self._health = health
        self._backoff_s = rim.backoff_s
        self._in_flight: dict[int, Parcel] = {}
        self._bytes = 0
        self._numbers = 0
        self._lanes = {lane: _LaneState() for lane in Lane}
        self._window = limits.window
        self._last_lane = Lane.REPLAY
        self._alarm: asyncio.TimerHandle | None = None
        self.max_bundle_bytes = MAX_BYTES
        self.owner: Owner

    @property
    def in_flight(self) -> int:
        """PUBLISHes without a PUBACK."""
        return len(self._in_flight)

    @property
    def window(self) -> int:
        """How many there may be."""
        return self._window

    def opened(self) -> None:
        """Take over what the broker of a new connection allows."""
        self._window = max(1, min(self._limits.window, self._uplink.receive_maximum))
        most = self._uplink.max_packet_bytes - HEADROOM_BYTES
        self.max_bundle_bytes = max(HEADROOM_BYTES, min(MAX_BYTES, most))
        for state in self._lanes.values():
            state.refusals, state.blocked_until_ns = 0, 0

    def may_send(self, lane: Lane, *, live_waiting: bool) -> bool:
        """Whether the lane has a slot now."""
        if not self._uplink.connected or len(self._in_flight) >= self._window:
            return False
        state = self._lanes[lane]
        if self._blocked(state):
            return False
        if lane is Lane.LIVE:
            return True
        live = self._lanes[Lane.LIVE].in_flight
        return policy.replay_slots(self._window, live, state.in_flight, live_waiting) > 0

    def replays_turn(self) -> bool:
        """Whether the last free slot is for replay, which has none in flight, after a live one.

        So live traffic that could fill the window does not starve replay; at window 1 they take
        turns.
        """
        state = self._lanes[Lane.REPLAY]
        last_slot = len(self._in_flight) == self._window - 1
        after_live = self._last_lane is Lane.LIVE and not state.in_flight
        return last_slot and after_live and not self._blocked(state)

    def _blocked(self, state: _LaneState) -> bool:
        return self._clock.boot_ns() < state.blocked_until_ns

    def send(self, parcel: Parcel, lane: Lane) -> None:
        """Publish a parcel; its owner hears of the end."""
        payload = self._renderer.render(parcel.bundle)
        size = len(payload)
        self._numbers += 1
        number = self._numbers
        now = self._clock.boot_ns()
        if parcel.attempts:
            self._health.observations.resent += parcel.count
        parcel.attempts += 1
        parcel.in_flight = True
        self._bytes += size
        parcel.deadline_ns = policy.acknowledgement_deadline_ns(
            now, self._limits.ack_timeout_ns, self._bytes, self._limits.min_rate
        )
        self._in_flight[number] = parcel
        self._lanes[lane].in_flight += 1
        self._last_lane = lane
        if self._alarm is None:
            self._arm(now)
        self._uplink.publish(lane, payload, partial(self._done, number, lane, size))

    def close(self) -> None:
        """Stop watching deadlines."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # ------------------------------------------------------------------------------------ outcomes
    def _done(self, number: int, lane: Lane, size: int, outcome: Outcome) -> None:
        parcel = self._in_flight.pop(number)
        parcel.in_flight = False
        self._bytes -= size
        self._lanes[lane].in_flight -= 1
        verdict = policy.KEEP
        if outcome.reason_code is not None:
            verdict = policy.verdict(outcome.reason_code)
            self._judge(lane, parcel, verdict, outcome.reason_code)
        self.owner.ended(parcel, acknowledged=verdict != policy.KEEP)
        self.owner.pump()

    def _judge(self, lane: Lane, parcel: Parcel, verdict: str, code: int) -> None:
        state = self._lanes[lane]
        if verdict == policy.KEEP:
            self._refused(lane, state, code)
            return
        if state.refusals:
            log.info("lane accepted again lane=%s after_refusals=%d", lane.value, state.refusals)
            state.refusals = 0
        if verdict == policy.SETTLE_UNHEARD:
            self._health.observations.unheard += parcel.count

    def _refused(self, lane: Lane, state: _LaneState, code: int) -> None:
        """Back off on this lane alone; others in flight with the refused one count once."""
        self._health.refusals[code] = self._health.refusals.get(code, 0) + 1
        now = self._clock.boot_ns()
        if now < state.blocked_until_ns:
            return
        if not state.refusals:
            log.warning("lane refused lane=%s reason_code=0x%02x", lane.value, code)
        wait_s = self._backoff_s(state.refusals)
        state.refusals += 1
        state.blocked_until_ns = now + int(wait_s * NS)
        asyncio.get_running_loop().call_later(wait_s, self.owner.pump)

    # ----------------------------------------------------------------------------------- deadlines
    def _arm(self, now: int) -> None:
        if not self._in_flight:
            return
        due = min(parcel.deadline_ns for parcel in self._in_flight.values())
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(max(0, due - now) / NS, self.expire)

    def expire(self) -> None:
        """Give the connection up if a PUBACK is overdue."""
        self._alarm = None
        now = self._clock.boot_ns()
        overdue = sum(parcel.deadline_ns <= now for parcel in self._in_flight.values())
        if overdue:
            # Whatever TCP says, this connection is dead (docs/explanation/delivery.md).
            self._uplink.drop(f"{overdue} of {self.in_flight} messages not acknowledged in time")
        self._arm(now)
