"""Counters, gauges, and the two conservation laws that hold at every instant of a run.

Everything here is plain numbers without a bound to break: the stops count, status and the demo's
view read. Gauges are asked of their owners when they are read, never kept beside them, so that a
law that balances proves something.
"""

from collections.abc import Callable

import msgspec

from gateway.clock import Clock
from gateway.model import TransportState


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
    counters: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    def count(self, what: str, amount: int = 1) -> None:
        """Add to one of the transport's own counters (`garbage_bytes`, `restarts`, ...)."""
        self.counters[what] = self.counters.get(what, 0) + amount


Gauge = Callable[[], int]


def _none() -> int:
    return 0


def _nothing() -> None:
    """Nobody has hung in yet."""


class Health:
    """The state of the agent as numbers. Owners hang their gauges in at start."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.frames = Frames()
        self.observations = Observations()
        self.refusals: dict[int, int] = {}  # PUBACK reason code -> how often
        self.transports: dict[str, TransportHealth] = {}
        self.on_change: Callable[[], None] = _nothing  # a transport's state: worth a status
        self.waiting: Gauge = _none  # frames in a pipeline queue or slot
        self.in_memory: Gauge = _none  # observations unsettled and not committed
        self.in_backlog: Gauge = _none  # observations committed and unsettled

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
        return changed

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
