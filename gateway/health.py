"""Counters, gauges, and the two conservation laws that hold at every instant of a run.

Everything here is plain numbers without a bound to break: the stops count, status and the demo's
view read. Gauges are asked of their owners when they are read, never kept beside them, so that a
law that balances proves something.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.model import Lane, Level, TransportState
from gateway.vitals import Vitals

UNHEARD_NS: Final = 600 * 1_000_000_000  # so long a lane that reached nobody once is told of


class Frames(msgspec.Struct):
    """Where each heard frame ended. `refused` is by reason."""

    heard: int = 0
    unlisted: int = 0
    duplicate: int = 0
    limited: int = 0
    coalesced: int = 0
    thinned: int = 0
    unknown: int = 0
    empty: int = 0
    decoded: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    def refuse(self, reason: str) -> None:
        """Count one refusal."""
        self.refused[reason] = self.refused.get(reason, 0) + 1


class Observations(msgspec.Struct):
    """Where each observation ended; `unheard` and `resent` stand beside the law."""

    recovered: int = 0
    observed: int = 0
    delivered: int = 0
    set_aside: int = 0
    dropped: int = 0
    unheard: int = 0  # delivered, but the broker had no subscriber for them (PUBACK 0x10)
    resent: int = 0  # published again after the first attempt was not acknowledged


class TransportHealth(msgspec.Struct):
    """One source of frames: its state, since when, why, and what never became a frame."""

    name: str
    kind: str
    state: TransportState = TransportState.DOWN
    since_ns: int = 0
    cause: str = "starting"
    told_up: bool | None = None  # what the last event said of it; None: none has yet
    counters: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    def count(self, what: str, amount: int = 1) -> None:
        """Add to one of the transport's own counters (`garbage_bytes`, `restarts`, ...)."""
        self.counters[what] = self.counters.get(what, 0) + amount


class UplinkHealth(msgspec.Struct):
    """The way to the broker, which status over MQTT cannot tell of: open, or why not.

    `version` and `session` are those of the newest attempt. `certificate_until_s` is the Unix time
    at which our own certificate expires, None where there is none.
    """

    host: str = ""
    port: int = 0
    version: str = ""
    session: int = 0
    connected: bool = False
    since_ns: int = 0
    cause: str = "starting"  # why it is not connected, empty while it is
    remedy: str = ""
    certificate_until_s: int | None = None


class StoreHealth(msgspec.Struct, frozen=True):
    """Why the store fails, or gives up old rows for new ones; empty while it does neither."""

    cause: str = ""
    remedy: str = ""
    since_ns: int = 0


class Audience:
    """Which lanes reach nobody: the broker took their newest bundle, and had no subscriber."""

    def __init__(self) -> None:
        self._missed_at_ns: dict[Lane, int] = {}  # lanes whose newest bundle reached nobody
        self._reached_at_ns = -1

    def reached(self, lane: Lane, at_ns: int) -> None:
        """Hear that somebody got a bundle."""
        self._reached_at_ns = at_ns
        self._missed_at_ns.pop(lane, None)

    def missed(self, lane: Lane, at_ns: int) -> None:
        """Hear that nobody did."""
        self._missed_at_ns[lane] = at_ns

    def missing(self, now_ns: int) -> list[Lane]:
        """Return the lanes nobody hears, as far as is known.

        A lane that rests (replay, mostly) is believed mended when somebody hears the other one.
        """
        return [
            lane
            for lane, at_ns in sorted(self._missed_at_ns.items())
            if at_ns > self._reached_at_ns or now_ns - at_ns < UNHEARD_NS
        ]


class Notice(msgspec.Struct, frozen=True):
    """What city IT must hear about: a kind and fields of docs/reference/schema.md, The event."""

    kind: str
    fields: tuple[tuple[str, object], ...]
    at_ns: int


Gauge = Callable[[], int]


def _none() -> int:
    return 0


def _nothing() -> None:
    """Nobody has hung in yet."""


def _unnoticed(_notice: Notice) -> None:
    """Nobody has hung in yet."""


class Health:
    """The state of the agent as numbers. Owners hang their gauges in at start."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.vitals = Vitals(clock.boot_ns)
        self.frames = Frames()
        self.observations = Observations()
        self.refusals: dict[int, int] = {}  # PUBACK reason code -> how often
        self.acknowledged_at_ns: int | None = None  # when the broker last took observations
        self.transports: dict[str, TransportHealth] = {}
        self.unread: dict[str, str] = {}  # device that is polled -> why it cannot be read now
        self.audience = Audience()
        self.uplink = UplinkHealth(since_ns=clock.boot_ns())
        self.store = StoreHealth()
        self.level = Level.NORMAL  # of the backlog; delivery says it, the pipeline thins by it
        self.on_change: Callable[[], None] = _nothing  # of level or a state: worth a status
        self.on_notice: Callable[[Notice], None] = _unnoticed
        self.waiting: Gauge = _none  # frames in a pipeline queue or slot
        self.in_memory: Gauge = _none  # observations unsettled and not committed
        self.in_backlog: Gauge = _none  # observations committed and unsettled

    def notify(self, kind: str, *fields: tuple[str, object]) -> None:
        """Tell what city IT must hear about; it is published as soon as there is a broker."""
        self.on_notice(Notice(kind, fields, self.clock.boot_ns()))

    def enter(self, level: Level) -> None:
        """Note how full the backlog is."""
        if level is not self.level:
            self.level = level
            self.on_change()

    def transport(self, name: str, kind: str) -> TransportHealth:
        """Return the record of a transport, made at the first call."""
        if name not in self.transports:
            since = self.clock.boot_ns()
            self.transports[name] = TransportHealth(name=name, kind=kind, since_ns=since)
        return self.transports[name]

    def report(self, name: str, state: TransportState, cause: str = "") -> bool:
        """Note a transport's state; True when it changed (then it is worth a log line)."""
        record = self.transports[name]
        changed = (record.state, record.cause) != (state, cause)
        if record.state is not state:
            record.since_ns = self.clock.boot_ns()
        record.state, record.cause = state, cause
        if changed:
            self.on_change()
        self._tell(record)
        return changed

    def _tell(self, record: TransportHealth) -> None:
        """Say that a transport went or came; down and deaf are one to those who wait for data."""
        is_up = record.state is TransportState.UP
        if record.told_up is not is_up:
            record.told_up = is_up
            kind = "transport.up" if is_up else "transport.down"
            self.notify(kind, ("name", record.name), ("cause", record.cause))

    def frames_law(self) -> int:
        """Heard minus everywhere a frame can have ended: zero, always."""
        f = self.frames
        ended = f.unlisted + f.duplicate + f.limited + f.coalesced + f.thinned + f.unknown
        return f.heard - ended - sum(f.refused.values()) - f.empty - self.waiting() - f.decoded

    def observations_law(self) -> int:
        """Recovered and observed minus everywhere an observation can be: zero, always."""
        o = self.observations
        ended = o.delivered + o.set_aside + o.dropped
        return o.recovered + o.observed - ended - self.in_memory() - self.in_backlog()
