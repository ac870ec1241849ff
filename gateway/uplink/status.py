"""The status message: what the agent is and holds, as `ugw.status/1`.

It tells what is known and leaves out what is not: no wall time from a clock nobody synchronises,
no number from a function that does not run.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gateway.clock import ClockReading, ClockState
from gateway.core import document, wire
from gateway.core.document import Fields, Items
from gateway.health import Health
from gateway.model import Level, Loss, ObservationClass, PreviousStream, TransportState

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


class BacklogStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on the medium."""

    bundles: int = 0
    observations: int = 0
    bytes_used: int = 0
    oldest_age_s: int | None = None


class SetAsideStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker will never take, put where people can look into it."""

    bundles: int = 0
    bytes_used: int = 0


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
    dropped: tuple[Loss, ...] = ()  # oldest first
    level: Level = Level.NORMAL
    store_state: StoreState = "ok"
    backlog: BacklogStatus = BacklogStatus()
    set_aside: SetAsideStatus = SetAsideStatus()
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
    return document.render(pairs).encode()


def previous_stream(stream: PreviousStream) -> Fields:
    """Return how a stream of an earlier run ended; the event `agent.start` says it too."""
    return Fields(
        ("stream", stream.id),
        ("class", stream.klass),
        ("end", "clean" if stream.clean else "unclean"),
        ("nextSeq", stream.next_seq),
    )


def _whole(identity: Identity, standing: Standing, report: StatusReport, *state: Pair) -> bytes:
    head = _head(identity, standing.session, *_sent(report))
    body = _body(report, standing.guarantee)
    return document.render((*head, *state, *body)).encode()


def _head(identity: Identity, session: int, *sent: Pair) -> tuple[Pair, ...]:
    return (
        ("schema", SCHEMA),
        ("org", identity.org),
        ("gateway", identity.gateway),
        ("session", session),
        *sent,
        ("software", identity.software),
    )


def _sent(report: StatusReport) -> tuple[Pair, ...]:
    if not _believed(report):
        return ()
    return (("sentTime", wire.rfc3339_ms(report.wall_ns // _NS_PER_MS)),)


def _believed(report: StatusReport) -> bool:
    return report.clock.state is not ClockState.UNSYNCED


def _body(report: StatusReport, guarantee: Guarantee) -> tuple[Pair, ...]:
    return (
        ("boot", report.boot),
        ("uptimeMs", report.boot_ns // _NS_PER_MS),
        ("clock", _clock(report)),
        ("streams", Items(*map(_stream, report.streams))),
        ("previous", Items(*map(previous_stream, report.previous))),
        ("dropped", Items(*[_loss(loss, report) for loss in report.dropped[-LOSS_RANGES:]])),
        ("level", report.level.value),
        ("storeState", report.store_state),
        ("guarantee", guarantee),
        ("backlog", _backlog(report.backlog)),
        ("setAside", _set_aside(report.set_aside)),
        ("transports", Items(*map(_transport, report.transports))),
        ("counters", Fields(*report.counters.items())),
    )


def _clock(report: StatusReport) -> Fields:
    reading = report.clock
    pairs: list[Pair] = [("state", reading.state.value), ("source", report.clock_source)]
    if reading.max_error_ms is not None:
        pairs.append(("maxErrorMs", reading.max_error_ms))
    if _believed(report):
        pairs.append(("bootTimeMs", (report.wall_ns - report.boot_ns) // _NS_PER_MS))
    return Fields(*pairs)


def _stream(stream: StreamStatus) -> Fields:
    return Fields(
        ("stream", stream.id),
        ("class", stream.klass),
        ("nextSeq", stream.next_seq),
        ("settledBelow", stream.settled_below),
    )


def _loss(loss: Loss, report: StatusReport) -> Fields:
    pairs: list[Pair] = [
        ("stream", loss.stream),
        ("from", loss.first),
        ("to", loss.last),
        ("reason", loss.reason),
    ]
    offset_ns = loss.at.wall_offset_ns
    if offset_ns is None and loss.at.boot == report.boot and _believed(report):
        offset_ns = report.wall_ns - report.boot_ns
    if offset_ns is not None:
        pairs.append(("at", wire.rfc3339_ms((loss.at.at_ns + offset_ns) // _NS_PER_MS)))
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


def _set_aside(aside: SetAsideStatus) -> Fields:
    return Fields(("bundles", aside.bundles), ("bytes", aside.bytes_used))


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
