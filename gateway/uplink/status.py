"""The status message: what the agent is and holds, as `ugw.status/1`.

It tells what is known and leaves out what is not: no wall time from a clock nobody synchronises,
no number from a function that does not run.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gateway.clock import ClockReading, ClockState
from gateway.core import wire
from gateway.core.wire import Fields, Items
from gateway.health import Health
from gateway.model import ObservationClass, PreviousStream, TransportState

SCHEMA: Final = "ugw.status/1"
LOSS_RANGES: Final = 32  # told; all of them went out as events

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000

StoreState = Literal["ok", "memory-only", "quarantined"]
Guarantee = Literal["full", "reduced"]
Pair = tuple[str, object]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks: two slugs and the software with its version, e.g. "ugw 0.1.0"."""

    org: str
    gateway: str
    software: str


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of this run; below `settled_below` every number is settled or declared lost."""

    id: str
    klass: ObservationClass
    next_seq: int
    settled_below: int


class LossRange(msgspec.Struct, frozen=True, kw_only=True):
    """Sequence numbers `first` to `last`, both included, that will never come."""

    stream: str
    first: int
    last: int
    reason: str
    at_ms: int | None = None  # Unix time, where it was known


class BacklogStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on the medium."""

    bundles: int = 0
    observations: int = 0
    bytes_used: int = 0
    oldest_age_s: int | None = None


class TransportStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source of frames, its state and for how long."""

    name: str
    kind: str
    state: TransportState
    since_s: int
    cause: str = ""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """What status tells of one moment. `wall_ns` counts only where `clock` believes it."""

    boot: str
    boot_ns: int
    wall_ns: int
    clock: ClockReading
    clock_source: str = "kernel"
    streams: tuple[StreamStatus, ...] = ()
    previous: tuple[PreviousStream, ...] = ()
    dropped: tuple[LossRange, ...] = ()  # oldest first
    store_state: StoreState = "ok"
    backlog: BacklogStatus = BacklogStatus()
    transports: tuple[TransportStatus, ...] = ()
    counters: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])


StatusSource = Callable[[], StatusReport]


class Standing(msgspec.Struct, frozen=True):
    """What the uplink adds to a report: its connection's number, and what that one promises."""

    session: int
    guarantee: Guarantee


# ----------------------------------------------------------------------------------- out of health
def transports(health: Health) -> tuple[TransportStatus, ...]:
    """Return the state of each source of frames, in the order they were made."""
    now_ns = health.clock.boot_ns()
    return tuple(
        TransportStatus(
            name=record.name,
            kind=record.kind,
            state=record.state,
            since_s=(now_ns - record.since_ns) // _NS_PER_S,
            cause=record.cause,
        )
        for record in health.transports.values()
    )


def counters(health: Health) -> dict[str, int]:
    """Return the terms of both laws and `unheard`, under the schema's names."""
    frames, observations = health.frames, health.observations
    return {
        "heard": frames.heard,
        "unlisted": frames.unlisted,
        "duplicate": frames.duplicate,
        "limited": frames.limited,
        "coalesced": frames.coalesced,
        "thinned": frames.thinned,
        "unknown": frames.unknown,
        **{f"refused.{reason}": frames.refused[reason] for reason in sorted(frames.refused)},
        "empty": frames.empty,
        "waiting": health.waiting(),
        "decoded": frames.decoded,
        "recovered": observations.recovered,
        "observed": observations.observed,
        "delivered": observations.delivered,
        "setAside": observations.set_aside,
        "dropped": observations.dropped,
        "inMemory": health.in_memory(),
        "inBacklog": health.in_backlog(),
        "unheard": observations.unheard,
    }


# ------------------------------------------------------------------------------------ the messages
def online(identity: Identity, standing: Standing, report: StatusReport) -> bytes:
    """Render birth and heartbeat."""
    return _whole(identity, standing, report, ("state", "online"))


def offline(identity: Identity, standing: Standing, report: StatusReport) -> bytes:
    """Render the farewell of an orderly stop."""
    return _whole(identity, standing, report, ("state", "offline"), ("clean", True))


def will(identity: Identity, session: int) -> bytes:
    """Render what the broker says when we are gone: no more than will still be true then."""
    pairs = (*_head(identity, session), ("state", "offline"), ("clean", False))
    return wire.document(pairs).encode()


def _whole(identity: Identity, standing: Standing, report: StatusReport, *state: Pair) -> bytes:
    head = _head(identity, standing.session)
    body = _body(report, standing.guarantee)
    return wire.document((*head, *_sent(report), *state, *body)).encode()


def _head(identity: Identity, session: int) -> tuple[Pair, ...]:
    return (
        ("schema", SCHEMA),
        ("org", identity.org),
        ("gateway", identity.gateway),
        ("session", session),
        ("software", identity.software),
    )


def _sent(report: StatusReport) -> tuple[Pair, ...]:
    if report.clock.state is ClockState.UNSYNCED:
        return ()
    return (("sentTime", wire.rfc3339_ms(report.wall_ns // _NS_PER_MS)),)


def _body(report: StatusReport, guarantee: Guarantee) -> tuple[Pair, ...]:
    return (
        ("boot", report.boot),
        ("uptimeMs", report.boot_ns // _NS_PER_MS),
        ("clock", _clock(report)),
        ("streams", Items(*map(_stream, report.streams))),
        ("previous", Items(*map(_previous, report.previous))),
        ("dropped", Items(*map(_loss, report.dropped[-LOSS_RANGES:]))),
        ("storeState", report.store_state),
        ("guarantee", guarantee),
        ("backlog", _backlog(report.backlog)),
        ("transports", Items(*map(_transport, report.transports))),
        ("counters", Fields(*report.counters.items())),
    )


def _clock(report: StatusReport) -> Fields:
    reading = report.clock
    pairs: list[Pair] = [("state", reading.state.value), ("source", report.clock_source)]
    if reading.max_error_ms is not None:
        pairs.append(("maxErrorMs", reading.max_error_ms))
    if reading.state is not ClockState.UNSYNCED:
        pairs.append(("bootTimeMs", (report.wall_ns - report.boot_ns) // _NS_PER_MS))
    return Fields(*pairs)


def _stream(stream: StreamStatus) -> Fields:
    return Fields(
        ("stream", stream.id),
        ("class", stream.klass),
        ("nextSeq", stream.next_seq),
        ("settledBelow", stream.settled_below),
    )


def _previous(stream: PreviousStream) -> Fields:
    return Fields(
        ("stream", stream.id),
        ("class", stream.klass),
        ("end", "clean" if stream.clean else "unclean"),
        ("nextSeq", stream.next_seq),
    )


def _loss(loss: LossRange) -> Fields:
    pairs: list[Pair] = [
        ("stream", loss.stream),
        ("from", loss.first),
        ("to", loss.last),
        ("reason", loss.reason),
    ]
    if loss.at_ms is not None:
        pairs.append(("at", wire.rfc3339_ms(loss.at_ms)))
    return Fields(*pairs)


def _backlog(backlog: BacklogStatus) -> Fields:
    pairs: list[Pair] = [
        ("bundles", backlog.bundles),
        ("observations", backlog.observations),
        ("bytes", backlog.bytes_used),
    ]
    if backlog.oldest_age_s is not None:
        pairs.append(("oldestAgeS", backlog.oldest_age_s))
    return Fields(*pairs)


def _transport(transport: TransportStatus) -> Fields:
    pairs: list[Pair] = [
        ("name", transport.name),
        ("kind", transport.kind),
        ("state", transport.state.value),
        ("sinceS", transport.since_s),
    ]
    if transport.cause:
        pairs.append(("cause", transport.cause))
    return Fields(*pairs)
