"""The radios: by the word of the agent that has them, or by a look at what it will need."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.doctor.language import halves
from gateway.cli.local_agent import Radio, Status
from gateway.cli.preflight import State, Verdict
from gateway.config import Settings

_UP, _DEAF = "up", "deaf"
_BLUETOOTH: Final = "ble:"


def look(
    settings: Settings | None, verdicts: Mapping[str, Verdict], agent: Status | None
) -> Iterator[Finding]:
    """Say how each is, Bluetooth first; of a kind that is not configured, that it is not."""
    if agent is None and settings is None:  # then nobody knows what is configured
        for link in (Link.BLUETOOTH, Link.LORA):
            yield Finding(link=link, light=Light.UNKNOWN, id="chain.not_tried")
        return
    found = _told(agent.transports) if agent else _tried(settings, verdicts)
    radios = sorted(found, key=lambda each: each.link is not Link.BLUETOOTH)
    there = {each.link for each in radios}
    if Link.BLUETOOTH not in there:
        yield Finding(link=Link.BLUETOOTH, light=Light.UNKNOWN, id="radio.no_bluetooth")
    yield from radios
    if Link.LORA not in there:
        yield Finding(link=Link.LORA, light=Light.UNKNOWN, id="radio.no_lora")


def _told(radios: list[Radio]) -> list[Finding]:
    """Judge by the agent: where others hear, one that is down is not the end."""
    worst = Light.YELLOW if any(radio.state == _UP for radio in radios) else Light.RED
    return [_of(radio, worst) for radio in radios]


def _of(radio: Radio, worst: Light) -> Finding:
    cause, remedy = halves(radio.cause)
    values: dict[str, Value] = {"since_s": int(radio.since_s), "cause": cause, "remedy": remedy}
    if radio.state != _UP:
        which = "radio.deaf" if radio.state == _DEAF else "radio.down"
        return _finding(radio.name, worst, which, values)
    which = "radio.remark" if radio.cause else "radio.up"
    return _finding(radio.name, Light.GREEN, which, values)


def _tried(settings: Settings | None, verdicts: Mapping[str, Verdict]) -> list[Finding]:
    sources = settings.transports if settings else []
    tried = [verdict for source in sources if (verdict := verdicts.get(source.name))]
    worst = Light.YELLOW if any(verdict.state is State.OK for verdict in tried) else Light.RED
    return [_visited(verdict, worst) for verdict in tried]


def _visited(verdict: Verdict, worst: Light) -> Finding:
    if verdict.state is State.OK:
        return _finding(verdict.name, Light.GREEN, "radio.ready", {"found": verdict.text})
    if verdict.state is State.SKIPPED:
        return _finding(verdict.name, Light.UNKNOWN, "chain.not_tried", {})
    said: dict[str, Value] = {"cause": verdict.text, "remedy": verdict.remedy}
    return _finding(verdict.name, worst, "radio.unusable", said)


def _finding(name: str, light: Light, which: str, values: Mapping[str, Value]) -> Finding:
    link = Link.BLUETOOTH if name.startswith(_BLUETOOTH) else Link.LORA
    return Finding(link=link, light=light, id=which, about=name, values=values)
