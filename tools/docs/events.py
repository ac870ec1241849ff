"""The page of the events: each kind with its fields and an example, from the schema's source."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tools.docs.markup import MissingWordsError, code, explained, table
from tools.docs.markup import page as put_together
from tools.schema.event import EVENTS
from tools.schema.forms import Form

SOURCE = "tools/schema/event.py, config/schema/examples and tools/docs/events.py"
HERE = "tools/docs/events.py"
COLUMNS = ("field", "meaning")
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "config/schema/examples"
INTRODUCTION = """\
What the gateway publishes on `event`, below [its topic](schema.md#topics), when it happens: what
city IT must hear about. Each is told once the broker has acknowledged it; until then up to 256
wait in memory, loss ranges on disk. Every event has [a head](schema.md#the-event) with the
gateway, when it happened and when it was said. Of a kind you do not know, show the head."""

# What the platform's people do about each.
REMEDIES: Final[Mapping[str, str]] = {
    "loss": "Write it down: these numbers will never come. `full`: the broker was away for too "
    "long, or `store.max_size` is too small. `store`, `damaged`: the card. `aside`: see what was "
    "[set aside](../how-to/read-the-backlog.md#set-aside).",
    "sensor.silent": "Its battery, its place, its antenna: "
    "[a sensor is not heard](../how-to/sensor-not-heard.md). Told of devices that have an "
    "`expected_interval` only.",
    "sensor.back": "Nothing.",
    "transport.down": "Read the cause. If it lasts for minutes, somebody has to go there: all "
    "sensors of this radio are not heard.",
    "transport.up": "Nothing.",
    "clock.step": "Nothing, after a start. If it comes again and again, two programs set the "
    "clock.",
    "store": "`memory-only`: free space or exchange the card, soon. `quarantined`: it works; "
    "exchange the card when it happens again. `ok`: nothing, unless observations are given up: "
    "the cause says what is full and what helps; an event `loss` follows for what goes.",
    "refused": "`bad_mic`, `no_key`, `not_encrypted`, `replayed`: a wrong key, or somebody "
    "imitates the sensor. Others: [refused frames](counters.md#refused-frames).",
    "uplink.refused": "135 (0x87): allow the gateway to write below its topic. 16 (0x10): nobody "
    "subscribes; the platform's subscription is gone. 151 (0x97): the broker's quota.",
    "agent.start": "Nothing, when it was you. `unclean` in `previous`: power or a crash.",
    "agent.check": "Nothing: somebody ran `ugw check` there.",
}


def page() -> str:
    """Return the page. Raises MissingWordsError for a kind without words or without an example."""
    return put_together("Events", SOURCE, _parts())


def _parts() -> Iterator[str]:
    remedies = dict(explained(EVENTS, REMEDIES, f"{HERE}, REMEDIES"))
    yield INTRODUCTION
    for kind, event in EVENTS.items():
        yield f"## {kind}"
        yield _sentence(event.meaning)
        if event.fields:
            fields = ((f.name, f.schema(Form.STRICT).get("description", "")) for f in event.fields)
            yield table(COLUMNS, [(f"`{name}`", words) for name, words in fields])
        yield f"**What to do:** {remedies[f'`{kind}`']}"
        yield code(_example(kind), "json")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _example(kind: str) -> str:
    file = EXAMPLES / f"event-{kind.replace('.', '-')}.json"
    if not file.exists():
        message = f"config/schema/examples: {file.name} is missing, an example of {kind}"
        raise MissingWordsError(message)
    return file.read_text(encoding="utf-8").strip()
