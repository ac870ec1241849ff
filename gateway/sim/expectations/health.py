"""Expectations about how the agent is: its accounts, its words, its secrets, its recovery."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from gateway.config import Section, Size
from gateway.config.section import Whole
from gateway.sim.expectations.delivery import first
from gateway.sim.expectations.expectation import (
    FINE,
    PROCESS,
    Expectation,
    NoMore,
    Waits,
    Wrong,
    expectation,
)
from gateway.sim.expectations.judge import Judge
from gateway.sim.expectations.leaks import Addresses

_SHOWN: Final = 10
_ENDS: Final = (None, 0, -9, -15)  # it runs; in order; by us, with a signal
_CRASHES: Final = ("Traceback (most recent call last)", "CRITICAL")
_SHORTEST_SECRET: Final = 8  # characters: what is shorter stands somewhere by chance


class Says(Waits):
    """What the newest status is to say; what is not given is not asked for."""

    state: Literal["online", "offline"] | None = None
    """The gateway's."""
    clean: bool | None = None
    """Of an end: whether it was in order."""
    store: Literal["ok", "memory-only", "quarantined"] | None = None
    """The store of the backlog."""
    level: Literal["normal", "elevated", "critical", "full"] | None = None
    """How full the backlog is."""
    clock: Literal["synced", "holdover", "unsynced"] | None = None
    """The gateway's clock."""
    guarantee: Literal["full", "reduced"] | None = None
    """What an acknowledgement is worth."""
    transports: dict[str, Literal["up", "down", "deaf", "starting"]] = Field(
        default_factory=dict[str, Literal["up", "down", "deaf", "starting"]], max_length=16
    )
    """States of transports, by their names: ble:hci0."""


class Logged(Waits):
    """A text that is logged."""

    text: str = Field(min_length=1, max_length=1000)
    """The text, as it stands."""
    times: Whole = Field(default=1, ge=1)
    """At least how often."""


class NotLogged(Section):
    """A text that is not logged."""

    text: str = Field(min_length=1, max_length=1000)
    """The text, as it stands."""


class SchemaValid(Section):
    """How thorough it is to be."""

    most: Whole = Field(default=2000, ge=1)
    """How many messages are judged, at most."""


class RssBelow(Section):
    """A bound of memory."""

    below_bytes: Annotated[int, Size("1MB", "64GB")] = Field(alias="below")
    """The bound."""


def _laws(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that both laws hold in every status: each frame, each observation is counted once.

    Also what is said to be settled has arrived or was declared lost before, and every message can
    be read.
    """
    if judge.last is None:
        return Wrong("no status has come: nothing can be said")
    broken = first(judge, "law", "the accounts of a status are wrong")
    return broken if broken.why else first(judge, "message", "not a message of ours")


def _recovers(judge: Judge, _: Waits, since_s: float) -> Wrong:
    """Expect that the agent runs, and what is sent from then on arrives, by each radio."""
    if not judge.bench.gateway.running:
        return Wrong("the agent does not run")
    silent = [medium for medium, heard_s in judge.heard_s.items() if heard_s <= since_s]
    if judge.heard_s and not silent:
        return FINE
    what = f"of {', '.join(sorted(silent))} " if silent else ""
    return Wrong(f"nothing {what}that was sent after {judge.shown_s(since_s):.1f} s has arrived")


def _backlog_empty(judge: Judge, _: Waits, since_s: float) -> Wrong:
    """Expect that nothing waits in the store, by a status of since then."""
    if judge.last is None or judge.status_at_s < since_s:
        return Wrong(f"no status has come since {judge.shown_s(since_s):.1f} s")
    if count := judge.counter("inBacklog"):
        return Wrong(f"{count} observations wait in the store")
    rows = judge.last.get("backlog", {}).get("bundles", 0)
    return Wrong(f"{rows} rows stand in the store, all of them acknowledged") if rows else FINE


def _status_says(judge: Judge, arguments: Says, _: float) -> Wrong:
    """Expect that the newest status says so."""
    status = judge.last
    if status is None:
        return Wrong("no status has come")
    found = dict(_status_values(status))
    wanted: dict[str, Any] = arguments.model_dump(
        include={"state", "clean", "store", "level", "clock", "guarantee"}, exclude_none=True
    )
    wanted |= {f"transport {name}": state for name, state in arguments.transports.items()}
    wrong = [
        f"{name} is {found.get(name, 'not said')}, not {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]
    return Wrong("; ".join(wrong))


def _farewell(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that the last word of the agent was its farewell: it ended, and in order."""
    status = judge.last
    if status is None:
        return Wrong("no status has come")
    if status["state"] == "online":
        return Wrong("the last status says that it is online")
    return FINE if status["clean"] else Wrong("the will was said, and no farewell")


def _status_values(status: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a message's
    yield from ((name, status.get(name)) for name in ("state", "clean", "level", "guarantee"))
    yield "store", status.get("storeState")
    yield "clock", status.get("clock", {}).get("state")
    yield from ((f"transport {one['name']}", one["state"]) for one in status.get("transports", ()))


# -------------------------------------------------------------------------------------- its words
def _schema_valid(judge: Judge, arguments: SchemaValid, _: float) -> Wrong:
    """Expect that every message is true to the strict schema of config/schema.

    Of very many messages some are judged, evenly over the time: each takes a millisecond.
    """
    from gateway.sim.expectations.validator import (  # noqa: PLC0415 - an optional library
        Validator,
    )

    validator = Validator()
    wrong: list[str] = []
    for message in judge.own[:: 1 + len(judge.own) // arguments.most]:
        faults = validator.faults(message.topic, message.payload, retain=message.retain)
        if faults:
            wrong.append(f"{message.topic}: {'; '.join(faults)}: {message.payload!r:.300}")
    why = f"{len(wrong)} messages break the schema: {wrong[0]:.300}" if wrong else ""
    return Wrong(why, tuple(wrong[:_SHOWN]))


def _no_address(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that no address of a stranger stands in a message, in the log or in the store."""
    addresses = Addresses(judge.bench.air.ledger.strangers)
    found = {
        f"{address} in a message on {message.topic}"
        for message in judge.own
        for address in addresses.in_text(message.topic.encode() + b" " + message.payload)
    }
    log = judge.bench.gateway.log.encode()
    found |= {f"{address} in the log" for address in addresses.in_text(log)}
    for name, content in judge.bench.gateway.files().items():
        found |= {f"{address} in {name}" for address in addresses.in_bytes(content)}
    told = tuple(sorted(found))
    return Wrong(f"{len(told)} addresses of strangers leaked: {told[0]}", told) if told else FINE


def _no_secret(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that no key or password stands in the log or in a message."""
    secrets: dict[bytes, str] = {}
    for secret, owner in _secrets(judge):
        secrets.setdefault(secret, owner)
    places = [("the log", judge.bench.gateway.log.encode())]
    places += [(message.topic, message.payload) for message in judge.own]
    told = tuple(
        f"the secret of {secrets[text]} in {place}"
        for place, content in places
        for text in secrets
        if text in content
    )
    return (
        Wrong(f"{len(told)} secrets stand where they must not: {told[0]}", told) if told else FINE
    )


def _secrets(judge: Judge) -> Iterator[tuple[bytes, str]]:
    """Yield all secrets, in each form in which they might be written, and whose they are."""
    for sensor in judge.bench.options.sensors:
        if sensor.key:
            for text in (sensor.key.hex(), sensor.key.hex().upper()):
                yield text.encode(), sensor.address
            yield base64.b64encode(sensor.key), sensor.address
    for path in sorted((judge.bench.config.parent / "keys").glob("*")):
        content = path.read_bytes().strip()
        if len(content) >= _SHORTEST_SECRET:
            yield content, path.name


def _log_contains(judge: Judge, arguments: Logged, _: float) -> Wrong:
    """Expect that the agent logs a text."""
    count = judge.bench.gateway.log.count(arguments.text)
    if count >= arguments.times:
        return FINE
    return Wrong(f"{arguments.text!r} was logged {count} times, not {arguments.times}")


def _log_lacks(judge: Judge, arguments: NotLogged, _: float) -> Wrong:
    """Expect that the agent does not log a text."""
    lines = [one for one in judge.bench.gateway.log.splitlines() if arguments.text in one]
    return Wrong(f"logged: {lines[0]}", tuple(lines[:_SHOWN])) if lines else FINE


def _no_crash(judge: Judge, _: NoMore, __: float) -> Wrong:
    """Expect that the agent has not ended by itself, and logged nothing critical, no traceback."""
    gateway = judge.bench.gateway
    if gateway.code not in _ENDS:
        return Wrong(f"the agent ended with code {gateway.code}", tuple(_tail(gateway.log)))
    lines = [one for one in gateway.log.splitlines() if any(text in one for text in _CRASHES)]
    return Wrong(f"logged: {lines[0]}", tuple(lines[:_SHOWN])) if lines else FINE


def _tail(log: str) -> list[str]:
    return log.splitlines()[-_SHOWN:]


def _rss_below(judge: Judge, arguments: RssBelow, _: float) -> Wrong:
    """Expect that the agent has never had more memory than that."""
    pid: int | None = getattr(judge.bench.gateway, "pid", None)
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return Wrong("the agent does not run: its memory cannot be read")
    peak = next(line for line in text.splitlines() if line.startswith("VmHWM:"))
    most_bytes = int(peak.split()[1]) * 1024  # proc(5): in kB
    if most_bytes < arguments.below_bytes:
        return FINE
    return Wrong(f"it had {most_bytes / 1e6:.1f} MB; less than {arguments.below_bytes / 1e6:g} MB")


EXPECTATIONS: Final[tuple[Expectation, ...]] = (
    expectation("laws_hold", NoMore, _laws),
    expectation("recovers", Waits, _recovers),
    expectation("backlog_empty", Waits, _backlog_empty),
    expectation("status_says", Says, _status_says),
    expectation("schema_valid", SchemaValid, _schema_valid, needs="jsonschema"),
    expectation("no_address_leaked", NoMore, _no_address),
    expectation("no_secret_logged", NoMore, _no_secret),
    expectation("log_contains", Logged, _log_contains),
    expectation("farewell_said", NoMore, _farewell),
    expectation("log_lacks", NotLogged, _log_lacks),
    expectation("no_crash", NoMore, _no_crash),
    expectation("rss_below", RssBelow, _rss_below, levels=PROCESS),
)
