"""What `ugw status` shows: first how it is, then what is the matter and what to do about it.

Pure: from what the agent answered to something rich can print.
"""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.cli.local_agent import Radio, Status
from gateway.cli.readings import size, span
from gateway.cli.signs import law, light
from gateway.cli.terminal import Cell, facts, plain
from gateway.config.findings import printable

_UP, _OK = "up", "ok"
_WORDS: Final = {"setAside": "set aside", "inMemory": "in memory", "inBacklog": "in backlog"}


_MOODS: Final = {
    "green": ("bold green", "is well"),
    "yellow": ("bold yellow", "works, but"),
    "red": ("bold red", "is in trouble"),
}


def page(known: Status) -> RenderableType:
    """Lay out what is known of an agent."""
    style, words = _MOODS[known.light]
    told = known.status
    head = Text.assemble(("● ", style), (f"{told.org}/{told.gateway} ", "bold"), (words, style))
    return Group(head, *_troubles(known), Text(""), facts(_lines(known)))


def _troubles(known: Status) -> Iterator[Text]:
    for trouble in known.troubles:
        style, _ = _MOODS.get(trouble.colour, _MOODS["red"])
        lines = trouble.cause.splitlines()  # a refused reload has one for each finding
        yield from (Text(f"  {printable(line)}", style) for line in lines)
        if trouble.remedy:
            yield Text(f"    {printable(trouble.remedy)}")


# --------------------------------------------------------------------------------------- the lines
def _lines(known: Status) -> Iterator[tuple[str, Cell]]:
    yield from _broker(known)
    yield from _store(known)
    for number, radio in enumerate(known.transports):
        yield "" if number else "radios", _radio(radio)
    yield from _laws(known)
    yield from _agent(known)


def _broker(known: Status) -> Iterator[tuple[str, Cell]]:
    uplink = known.uplink
    where = f"{uplink.host}:{uplink.port}"
    since = "" if uplink.since_s is None else f" for {span(uplink.since_s)}"
    if not uplink.connected:
        yield "broker", light(up=False).append(f"not connected to {where}{since}", "bold red")
        yield from (("", plain(said)) for said in (uplink.cause, uplink.remedy) if said)
        return
    how = f"{'TLS' if uplink.tls else 'in clear'}, MQTT {uplink.version}"
    yield "broker", light(up=True).append(f"connected to {where}{since}; {how}")
    acknowledged = f"in flight {uplink.in_flight} of {uplink.window}"
    if uplink.last_ack_ago_s is not None:
        acknowledged += f"; the last acknowledgement came {span(uplink.last_ack_ago_s)} ago"
    yield "", acknowledged


def _store(known: Status) -> Iterator[tuple[str, Cell]]:
    told, backlog = known.status, known.status.backlog
    well = told.store_state == _OK
    yield "store", light(up=well).append(f"{told.store_state}, level {told.level}")
    if backlog.observations:
        waiting = f"{backlog.observations} observations in {backlog.bundles} bundles wait"
        age = (
            ""
            if backlog.oldest_age_s is None
            else f", the oldest for {span(backlog.oldest_age_s)}"
        )
        yield "backlog", Text(f"{waiting}{age}; {size(backlog.bytes)}", "yellow")
    else:
        yield "backlog", "empty"
    if aside := told.set_aside.bundles:
        yield "set aside", Text(f"{aside} bundles, {size(told.set_aside.bytes)}", "yellow")
    if told.dropped:
        when = "is told" if known.uplink.connected else "will be told"
        lost = f"{len(told.dropped)} loss ranges; the platform {when}"
        yield "given up", Text(lost, "yellow")


def _radio(radio: Radio) -> Text:
    cause = f": {radio.cause}" if radio.cause else ""
    return light(up=radio.state == _UP).append(
        f"{radio.name} {radio.state} for {span(radio.since_s)}{cause}"
    )


def _laws(known: Status) -> Iterator[tuple[str, Cell]]:
    """Write both laws out; the counters stand in their order in the status."""
    counters = dict(known.status.counters)
    heard = counters.pop("heard", 0)
    observed, recovered = counters.pop("observed", 0), counters.pop("recovered", 0)
    counters.pop("unheard", None)  # beside the law
    names = list(counters)
    split = names.index("decoded") + 1 if "decoded" in names else 0
    frames = {name: counters[name] for name in names[:split]}
    places = {_WORDS.get(name, name): counters[name] for name in names[split:]}
    begun = f"recovered {recovered} + " if recovered else ""
    yield "frames", law(f"heard {heard}", frames, known.laws.frames)
    yield "observations", law(f"{begun}observed {observed}", places, known.laws.observations)


def _agent(known: Status) -> Iterator[tuple[str, Cell]]:
    told, process, configuration = known.status, known.process, known.configuration
    yield "clock", told.clock.state
    reload = configuration.last_reload
    since = f", in force for {span(configuration.loaded_ago_s)}"
    yield "configured", f"{configuration.path}{since}"
    if reload is not None and not reload.ok:
        yield "", Text(f"the last reload was refused, {span(reload.ago_s)} ago", "bold red")
    memory = size(process.memory_bytes)
    started = f"{told.software}, pid {process.pid}, for {span(process.started_ago_s)}, {memory}"
    yield "agent", started
