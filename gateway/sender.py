"""Parcels in flight: two lanes through one window, each PUBLISH with its own deadline.

Sends, waits, judges the PUBACK. It keeps nothing: whatever ends, well or not, is handed back at
once with what it means for the parcel.
"""

import asyncio
import logging
from collections import OrderedDict
from functools import partial
from typing import Final, Protocol

import msgspec

from gateway.books import Parcel
from gateway.bundle import Renderer
from gateway.core import policy, puback
from gateway.health import Health
from gateway.model import Lane, Outcome
from gateway.refusals import Key, Refusals
from gateway.rim import Rim
from gateway.throttle import Throttle

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000
LOST: Final = "lost"  # the verdict on what the connection took with it: it is sent again
_SUSPECTS_REMEMBERED: Final = 64
_SURE: Final = 2  # times a broker has disconnected over one observation, and it is set aside


class SendLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of docs/explanation/delivery.md that concern sending."""

    window: int = 8
    ack_timeout_ns: int = 10 * NS
    min_rate: int = 500  # bytes per second that an acknowledgement is given time for
    require_subscriber: bool = False  # keep what the broker has nobody for
    probe_bytes: int = 12_000  # under way while the replay lane has not shown how fast the link is


class Ending(msgspec.Struct, frozen=True):
    """How a transmission ended: a verdict of policy or LOST, and the broker's word if it spoke."""

    lane: Lane
    verdict: str
    reason_code: int | None


class Owner(Protocol):
    """Whose parcels they are."""

    def ended(self, parcel: Parcel, ending: Ending) -> None:
        """Take a parcel back that is no longer in flight."""
        ...

    def pump(self) -> None:
        """Send what may be sent: a slot or a lane has become free."""
        ...


class _Flight:
    """One PUBLISH."""

    __slots__ = ("deadline_ns", "lane", "parcel", "sent_ns", "size")

    def __init__(self, parcel: Parcel, lane: Lane, size: int) -> None:
        self.parcel = parcel
        self.lane = lane
        self.size = size
        self.sent_ns = 0
        self.deadline_ns = 0


class _LaneState:
    """One lane's parcels in flight, and its refusals."""

    __slots__ = ("in_flight", "proven", "refusals")

    def __init__(self, refusals: Refusals) -> None:
        self.in_flight = 0
        self.proven = False  # something of it was acknowledged on this connection
        self.refusals = refusals


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
        self._flights: set[_Flight] = set()
        self._bytes = 0
        self._lanes = {
            lane: _LaneState(Refusals(lane, rim=rim, health=health, wake=self._wake))
            for lane in Lane
        }
        self._throttle = Throttle(limits.window)
        self._last_lane = Lane.REPLAY
        self._alarm: asyncio.TimerHandle | None = None
        self._suspects: OrderedDict[Key, int] = OrderedDict()  # found too large, so many times
        self._blamed = False  # a packet, for the end of this connection
        self._looked = False  # how long it had kept us waiting at its end
        self.owner: Owner

    @property
    def in_flight(self) -> int:
        """PUBLISHes without a PUBACK."""
        return len(self._flights)

    @property
    def window(self) -> int:
        """How many there may be."""
        return self._throttle.window

    @property
    def max_bundle_bytes(self) -> int:
        """How large a bundle may be that is sealed or sent now."""
        return self._throttle.max_bundle_bytes

    def retune(self, limits: SendLimits) -> None:
        """Go on with other limits."""
        self._limits = limits
        self._throttle.retune(limits.window)

    def opened(self) -> None:
        """Take over what the broker of a new connection allows."""
        self._throttle.opened(self._uplink.receive_maximum, self._uplink.max_packet_bytes)
        self._blamed = self._looked = False
        for state in self._lanes.values():
            state.refusals.opened()
            state.proven = False

    # ----------------------------------------------------------------------------------- questions
    def is_blocked(self, lane: Lane) -> bool:
        """Whether a lane is left alone after a refusal."""
        return self._lanes[lane].refusals.is_blocked

    @property
    def has_slot(self) -> bool:
        """Whether the window has room, and there is a connection."""
        return len(self._flights) < self._throttle.window and self._uplink.connected

    def may_send(self, lane: Lane, *, live_waiting: bool) -> bool:
        """Whether the lane has a slot now."""
        if not self.has_slot:
            return False
        state = self._lanes[lane]
        if state.refusals.is_blocked:
            return False
        if lane is Lane.LIVE:
            return True
        if self._bytes > self._limits.probe_bytes and not state.proven:
            return False  # what is fresh would wait behind it all
        live = self._lanes[Lane.LIVE].in_flight
        window = self._throttle.window
        return policy.replay_slots(window, live, state.in_flight, live_waiting) > 0

    def replays_turn(self) -> bool:
        """Whether the last free slot is for replay, which has none in flight, after a live one.

        So live traffic that could fill the window does not starve replay; at window 1 they take
        turns.
        """
        state = self._lanes[Lane.REPLAY]
        last_slot = len(self._flights) == self._throttle.window - 1
        after_live = self._last_lane is Lane.LIVE and not state.in_flight
        return last_slot and after_live and not state.refusals.is_blocked

    def is_too_large(self, parcel: Parcel) -> bool:
        """Whether a parcel has to be sent in parts."""
        if parcel.count == 1:
            return False
        if parcel.bundle.size > self._throttle.max_bundle_bytes:
            return True
        return bool(self._suspects) and _key(parcel) in self._suspects

    # ---------------------------------------------------------------------------------------- send
    def send(self, parcel: Parcel, lane: Lane) -> bool:
        """Publish a parcel; its owner hears of the end. False: the broker would never take it."""
        payload = self._renderer.render(parcel.bundle)
        if not self._throttle.allows(len(payload)):
            return False
        flight = _Flight(parcel, lane, len(payload))
        now = self._clock.boot_ns()
        if parcel.attempts:
            self._health.observations.resent += parcel.count
        parcel.attempts += 1
        parcel.in_flight = True
        self._bytes += flight.size
        flight.sent_ns = now
        # It comes behind all else on this connection, status and states too.
        under_way = max(self._bytes, self._uplink.outstanding_bytes + flight.size)
        flight.deadline_ns = now + self.patience_ns(under_way)
        self._flights.add(flight)
        self._lanes[lane].in_flight += 1
        self._last_lane = lane
        if self._alarm is None:
            self._arm(now)
        self._uplink.publish(lane, payload, partial(self._done, flight))
        return True

    def patience_ns(self, under_way: int) -> int:
        """Return how long the last of so many bytes that are on their way is waited for."""
        limits = self._limits
        return policy.acknowledgement_deadline_ns(
            0, limits.ack_timeout_ns, under_way, limits.min_rate
        )

    def close(self) -> None:
        """Stop watching deadlines."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wake(self) -> None:
        self.owner.pump()

    # ------------------------------------------------------------------------------------ outcomes
    def _done(self, flight: _Flight, outcome: Outcome) -> None:
        code = outcome.reason_code
        if code is None:
            self._look_at_the_end(outcome)
            verdict = self._cut_off(flight)
        else:
            verdict = self._judge(flight, code)
        parcel = flight.parcel
        self._flights.remove(flight)
        parcel.in_flight = False
        self._bytes -= flight.size
        self._lanes[flight.lane].in_flight -= 1
        self.owner.ended(parcel, Ending(flight.lane, verdict, code))
        self.owner.pump()

    def _judge(self, flight: _Flight, code: int) -> str:
        parcel, refusals = flight.parcel, self._lanes[flight.lane].refusals
        verdict = puback.verdict(code, require_subscriber=self._limits.require_subscriber)
        if verdict in {puback.SETTLE, puback.SETTLE_UNHEARD}:
            unheard = verdict == puback.SETTLE_UNHEARD
            if unheard and not parcel.over:
                self._health.observations.unheard += parcel.count
            refusals.taken(unheard=unheard)
            self._throttle.acknowledged(flight.sent_ns, self._clock.boot_ns())
            self._lanes[flight.lane].proven = True
            return verdict
        refusals.count(code)
        if verdict == puback.KEEP:
            # That nobody listens is no bundle's fault: the order stays.
            parcel.refusals += code != puback.NO_MATCHING_SUBSCRIBERS
            return refusals.refused(_key(parcel), code)
        if verdict == puback.SPLIT:
            self._suspect(flight)
            return puback.SET_ASIDE if parcel.count == 1 else puback.SPLIT
        return verdict

    def _look_at_the_end(self, outcome: Outcome) -> None:
        """Learn from how a connection ended, once: its parcels hear of it one by one."""
        if outcome.ended_with == puback.PACKET_TOO_LARGE and not self._blamed:
            self._blamed = True
            largest = max(self._flights, key=lambda flight: flight.size)
            self._lanes[largest.lane].refusals.count(puback.PACKET_TOO_LARGE)
            self._suspect(largest)
        if self._looked:
            return
        self._looked = True
        oldest_ns = min(flight.sent_ns for flight in self._flights)
        if self._clock.boot_ns() - oldest_ns > self._limits.ack_timeout_ns:
            self._throttle.timed_out()
            line = "link slow window=%d bundle_bytes=%d"
            log.warning(line, self._throttle.window, self._throttle.max_bundle_bytes)

    def _suspect(self, flight: _Flight) -> None:
        key = _key(flight.parcel)
        self._suspects[key] = self._suspects.pop(key, 0) + 1
        if len(self._suspects) > _SUSPECTS_REMEMBERED:
            self._suspects.popitem(last=False)
        self._throttle.found_too_large(flight.size)

    def _cut_off(self, flight: _Flight) -> str:
        """Judge what the connection took with it.

        A broker that disconnects does not say over which: of a single observation it must have
        done so twice.
        """
        parcel = flight.parcel
        sure = parcel.count == 1 and self._suspects.get(_key(parcel), 0) >= _SURE
        return puback.SET_ASIDE if sure else LOST

    # ----------------------------------------------------------------------------------- deadlines
    def _arm(self, now: int) -> None:
        if not self._flights:
            return
        due = min(flight.deadline_ns for flight in self._flights)
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(max(0, due - now) / NS, self.expire)

    def expire(self) -> None:
        """Give the connection up if a PUBACK is overdue."""
        self._alarm = None
        now = self._clock.boot_ns()
        overdue = sum(flight.deadline_ns <= now for flight in self._flights)
        if overdue:
            # Whatever TCP says, this connection is dead (docs/explanation/delivery.md).
            self._uplink.drop(f"{overdue} of {self.in_flight} messages not acknowledged in time")
        self._arm(now)


def _key(parcel: Parcel) -> Key:
    return (*parcel.bundle.key, parcel.count)
