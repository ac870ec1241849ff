"""What `ugw backlog` shows: figures, observations, what was set aside.

Pure: from what the store or the agent say to rows and to data for programs.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.backlog.inspection import SetAside, Stats
from gateway.cli.local_agent import Status
from gateway.cli.readings import labelled, size, span, value_text
from gateway.cli.terminal import Cell
from gateway.clock import Clock, ClockState
from gateway.core import wire
from gateway.model import Bundle, Moment
from gateway.report import age_s

OBSERVATIONS: Final = ("class", "number", "when", "device", "values")
ASIDES: Final = ("id", "when", "class", "observations", "size", "reason")

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000

Json = dict[str, Any]


def of_agent(answer: Status) -> Json:
    """Return the figures of a running agent."""
    backlog, aside = answer.status.backlog, answer.status.set_aside
    return {
        "from": "the running agent",
        "bundles": backlog.bundles,
        "observations": backlog.observations,
        "bytes": backlog.bytes,
        "oldestAgeS": backlog.oldest_age_s,
        "level": answer.status.level,
        "setAside": {"bundles": aside.bundles, "bytes": aside.bytes},
    }


def of_store(found: Stats, clock: Clock) -> Json:
    """Return the figures of a store without an agent."""
    return {
        "from": "the store",
        "bundles": found.bundles,
        "observations": found.observations,
        "bytes": found.bytes_used,
        "oldestAgeS": age_s(found.oldest, clock),
        "newestAgeS": age_s(found.newest, clock),
        "fileBytes": found.file_bytes,
        "setAside": {"bundles": found.asides, "bytes": found.aside_bytes},
        "classes": {
            klass: {"bundles": bundles, "observations": observations}
            for klass, (bundles, observations) in found.classes.items()
        },
        "streams": dict(found.streams),
        "losses": [
            {"stream": loss.stream, "from": loss.first, "to": loss.last, "reason": loss.reason}
            for loss in found.losses
        ],
        "quarantined": list(found.quarantined),
        "unclean": found.unclean,
    }


def lines(figures: Json) -> Iterator[tuple[str, Cell]]:
    """Yield the figures for people."""
    yield "asked", figures["from"]
    waiting = f"{figures['observations']} observations in {figures['bundles']} bundles"
    yield "waiting", f"{waiting}, {size(figures['bytes'])}"
    for klass, counted in figures.get("classes", {}).items():
        yield "", f"{klass}: {counted['observations']} in {counted['bundles']} bundles"
    if (oldest := figures["oldestAgeS"]) is not None:
        newest = figures.get("newestAgeS")
        to = "" if newest is None else f", the newest {span(newest)} ago"
        yield "heard", f"the oldest {span(oldest)} ago{to}"
    if "level" in figures:
        yield "level", figures["level"]
    aside = figures["setAside"]
    if aside["bundles"]:
        yield "set aside", f"{aside['bundles']} bundles, {size(aside['bytes'])}"
    for number, loss in enumerate(figures.get("losses", ())):
        told = f"{loss['stream']} {loss['from']} to {loss['to']}: {loss['reason']}"
        yield "" if number else "given up", f"{told}; the platform will be told"
    for number, path in enumerate(figures.get("quarantined", ())):
        yield "" if number else "damaged", path
    if figures.get("unclean"):
        yield "last run", "did not end in order"


# ------------------------------------------------------------------------------------ observations
def decoded(message: bytes) -> Json:
    """Return a message as data."""
    data: Json = msgspec.json.decode(message)
    return data


def observations(messages: Iterable[Json]) -> Iterator[tuple[str, ...]]:
    """Yield a row per observation of bundle messages."""
    for message in messages:
        for observation in message["observations"]:
            yield (
                message["class"],
                str(observation["seq"]),
                observation.get("phenomenonTime") or _uptime(observation),
                observation["device"],
                ", ".join(_result(result) for result in observation["results"]),
            )


def _uptime(observation: Json) -> str:
    return f"{span(observation['uptimeMs'] / 1000)} after boot {observation['boot'][:8]}"


def _result(result: Json) -> str:
    value = result["result"]
    if value is None:
        shown = "no value"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    else:
        shown = value if isinstance(value, str) else value_text(f"{value:.10g}", result["unit"])
    channel, quality = result.get("channel", ""), result.get("quality", "")
    return labelled(result["observedProperty"], channel, shown, quality)


# --------------------------------------------------------------------------------------- set aside
def aside_row(each: SetAside, clock: Clock) -> tuple[str, ...]:
    """Return what was set aside as the columns of ASIDES."""
    bundle: Bundle = each.aside.bundle
    when = _when(each.at, clock)
    count = str(len(bundle.entries))
    return str(each.id), when, bundle.klass, count, size(bundle.size), each.aside.reason


def aside_data(each: SetAside, clock: Clock) -> Json:
    """Return what was set aside for programs."""
    bundle: Bundle = each.aside.bundle
    return {
        "id": each.id,
        "reason": each.aside.reason,
        "at": _dated(each.at, clock),
        "class": bundle.klass,
        "stream": bundle.stream,
        "firstSeq": bundle.first_seq,
        "observations": len(bundle.entries),
        "bytes": bundle.size,
    }


def _dated(at: Moment, clock: Clock) -> str | None:
    """Return a moment as RFC 3339, None where nobody knows its date."""
    offset_ns = at.wall_offset_ns
    if offset_ns is None and at.boot == clock.boot_id:
        believed = clock.reading().state is not ClockState.UNSYNCED
        offset_ns = clock.wall_ns() - clock.boot_ns() if believed else None
    return None if offset_ns is None else wire.rfc3339_ms((at.at_ns + offset_ns) // _NS_PER_MS)


def _when(at: Moment, clock: Clock) -> str:
    dated = _dated(at, clock)
    return dated or f"{span(at.at_ns / _NS_PER_S)} after boot {at.boot[:8]}"
