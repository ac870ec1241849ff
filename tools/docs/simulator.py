"""The page of the simulator: scenarios, faults, expectations, sensor models, fixtures."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway.config import Section
from gateway.sim import pytest_plugin
from gateway.sim.bench import Level
from gateway.sim.expectations import EXPECTATIONS
from gateway.sim.fixtures.reference import FIXTURES, Fixture
from gateway.sim.models import MODELS
from gateway.sim.scenario import Scenario
from gateway.sim.verbs import VERBS, Verb
from tools.docs.markup import code, table
from tools.docs.markup import page as put_together
from tools.docs.options import Words, options, sections

SOURCE: Final = "gateway/sim: its models, verbs, expectations and fixtures"
INTRODUCTION: Final = """\
What the hardware simulator has. [The tutorial](../tutorial/broken-world.md) shows how it is used;
`ugw simulate list models|faults|expectations|scenarios` prints the same on a terminal.

A gateway stands on a **bench**, on one of two levels. **inside**: the agent in the test's own
process, on virtual time; a month takes seconds, and the same seed gives the same bytes.
**process**: the real `ugw run` with real bleak on a simulated BlueZ, real ptys, a real broker's
socket and real SQLite, in real time. One scenario plays on both, but for what one level cannot do,
which is refused when the file is read. What simulated Bluetooth does and does not do like BlueZ is
[listed](simulated-bluez.md)."""
ON_SCENARIOS: Final = """\
A scenario is a YAML file; all its errors are told at once, with line and column. Durations have a
unit (`500ms`, `90s`, `15min`, `24h`, `30d`); times count from the start. `ugw simulate FILE` plays
it, and judges it by what stands under `expect`. [How to write one](../how-to/write-a-scenario.md)
explains one that comes with ugw. What `settings` may say stands in
[the configuration](configuration.md)."""
ON_FAULTS: Final = """\
An entry of `faults` says `do` (the name), `at` (when), where it lasts `for` how long, and what the
fault takes. `gateway` names the one it happens to; without it, it happens to all. `every` lets it
come again, from `at` on and as long as `until` says; `chance`, from 0 to 1, says how likely it is
each time, and the seed decides. In a test: `sim.fault("broker.down", for_="2h")`, or
`with sim.fault("broker.down"):` for as long as the block."""
ON_EXPECTATIONS: Final = """\
An entry of `expect` says `that` (the name) and what it takes; where it takes nothing, the name
alone will do. It is judged at the end, of each gateway; or from a time on (`at`), or each time
when a fault of a name is over (`after`), or of one gateway (`gateway`). One that may take its time
has `within`. In a test: `sim.expect("laws_hold")`."""
ON_MODELS: Final = """\
Every driver has a model that can send it, written from the format's description and not from the
driver: what one wrote wrong, the other does not read right. A package adds models of its own with
entry points of the group `gateway.sensor_models`: a name, and a `gateway.sim.models.Model`
([a tutorial does](../tutorial/broken-world.md#1-the-driver-as-a-package))."""
ON_FIXTURES: Final = """\
`pip install 'urban-gateway[sim]'`, and pytest finds them by itself. Each test has a bus, ports,
a broker and a folder of its own, and nothing outlives it; tests run beside each other
(pytest-xdist). No root, no Docker, no network beyond loopback."""
# Told below, a section each; and in configuration.md.
ELSEWHERE: Final = ("faults[]", "expect[]", "settings.")
COMPUTED: Final = {
    "sensors[].values": "none",
    "status_says.transports": "none",
}
PATTERNS: Final = (("(ms|", "duration"), ("(B|", "size"), ("(Hz|", "frequency"))
WORDS: Final = Words(COMPUTED, PATTERNS, "tools/docs/simulator.py, COMPUTED")


def page() -> str:
    """Return the page."""
    return put_together("The simulator", SOURCE, _parts())


def _parts() -> Iterator[str]:
    return filter(None, _all_parts())


def _all_parts() -> Iterator[str]:
    yield INTRODUCTION
    yield "## Scenarios"
    yield ON_SCENARIOS
    yield from _scenario()
    yield "## Faults"
    yield ON_FAULTS
    for verb in VERBS.values():
        yield from _verb(verb)
    yield "## Expectations"
    yield ON_EXPECTATIONS
    for each in EXPECTATIONS.values():
        yield f"### {each.name}"
        yield _said(each.title, each.doc)
        yield _levels(sorted(each.levels))
        yield from _arguments(each.name, each.Arguments)
    yield "## Sensor models"
    yield ON_MODELS
    yield table(("model", "by", "measures", "what"), _models())
    yield "## Fixtures"
    yield ON_FIXTURES
    for fixture in FIXTURES.values():
        yield from _fixture(fixture)
    yield "### Marks and options"
    yield from _marks()


def _scenario() -> Iterator[str]:
    schema = Scenario.model_json_schema(mode="serialization")
    known = schema.get("$defs", {})
    yield "### The file"
    yield options("", schema, known, WORDS)
    for path, section in sections("", schema, known):
        if path.startswith(ELSEWHERE):
            continue
        yield f"### {path}"
        yield section["description"]
        yield options(path, section, known, WORDS)


def _verb(verb: Verb) -> Iterator[str]:
    yield f"### {verb.name}"
    yield _said(verb.title, verb.doc)
    lasts = f"Lasts {verb.usual_s:g} s unless `for` says otherwise." if verb.lasting else ""
    scripted = "The scripted broker's doing; mosquitto cannot." if verb.scripted else ""
    yield " ".join(filter(None, (_levels(sorted(verb.levels)), lasts, scripted)))
    yield from _arguments(verb.name, verb.Arguments)


def _said(title: str, doc: str) -> str:
    """Return a docstring as paragraphs."""
    rest = doc.partition("\n\n")[2]
    return "\n\n".join(
        [title, *(" ".join(each.split()) for each in rest.split("\n\n") if each.strip())]
    )


def _levels(levels: Sequence[Level]) -> str:
    return "" if len(levels) > 1 else f"Level {levels[0]} only."


def _arguments(name: str, arguments: type[Section]) -> Iterator[str]:
    schema: dict[str, Any] = arguments.model_json_schema(mode="serialization")
    if schema.get("properties"):
        yield options(name, schema, schema.get("$defs", {}), WORDS)


def _models() -> Iterator[Sequence[str]]:
    for name, model in sorted(MODELS.items()):
        by = {"lora": "LoRa", "gatt": "Bluetooth LE, polled"}.get(model.medium, "Bluetooth LE")
        measures = ", ".join(f"`{each}`" for each in model.measures)
        yield f"`{name}`", by, measures, model.title


def _fixture(fixture: Fixture) -> Iterator[str]:
    yield f"### {fixture.name}"
    yield fixture.title
    if fixture.text:
        yield fixture.text
    if fixture.example:
        yield code(fixture.example, "python")


def _marks() -> Iterator[str]:
    rows = [(f"`{name}`", text) for name, text in pytest_plugin.REFERENCE.items()]
    yield table(("what", "meaning"), rows)
