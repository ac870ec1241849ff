"""The page of the schema says what the gateway sends.

Each of its examples is read back and rendered anew by the code that renders messages: it must come
out byte for byte. Its tables list the fields of the strict schema, in their order, and nothing
else; what they call always present is what the schema requires.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.docs.as_sent import as_sent
from tests.schema.examples import MESSAGES, unbroken
from tests.schema.published import OPEN, STRICT, Json, schema, schema_faults
from tests.schema.validator import Validator, read

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/reference/schema.md"
TEXT: Final = PAGE.read_text(encoding="utf-8")
EXAMPLE: Final = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW: Final = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
ROW_OF_KIND: Final = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
# Heading of a field table: the message it belongs to, and where in it.
TABLES: Final = {
    "The bundle": ("observations", ""),
    "The observation": ("observations", "observations[]."),
    "The result": ("observations", "observations[].results[]."),
    "The link": ("observations", "observations[].link."),
    "The status": ("status", ""),
    "The event": ("event", ""),
    "The announcement of a gateway": ("gateway", ""),
    "The announcement of a device": ("device", ""),
    "The state": ("state", ""),
}
WHOLE: Final = {"counters", "parameters"}  # their keys stand elsewhere
NOT_YET: Final = "not yet"
WILL: Final = {"schema", "org", "gateway", "session", "software", "state", "clean"}
LEVELS: Final = {
    "urn:dev:mac:c0ffeefffe000001": "mac-c0ffeefffe000001",
    "ugw:kiel:bin-07": "bin-07",
}
TOPICS: Final = {
    "observations": "obs/live",
    "status": "status",
    "event": "event",
    "gateway": "meta",
    "device": "meta/{}",
    "state": "state/{}",
}


# --------------------------------------------------------------------------------------- examples
def examples(page: str) -> list[str]:
    """Return the messages shown, without the breaks that are there for reading."""
    return [unbroken(block) for block in EXAMPLE.findall(page)]


def message_of(body: Json) -> str:
    """Return which message it is."""
    name, _, _ = body.get("schema", "ugw.state/1").removeprefix("ugw.").partition("/")
    return str(name)


def findings(page: str) -> Iterator[str]:
    """Yield what is wrong with the examples of a page."""
    validator = Validator()
    for text in examples(page):
        body = read(text)
        message = message_of(body)
        level = LEVELS.get(body.get("device"), "unknown")
        topic = f"ugw/v1/kiel/gw-kiel-0042/{TOPICS[message].format(level)}"
        wrong = validator.faults(topic, text.encode())
        yield from wrong
        yield from schema_faults(OPEN, message, body)
        if message == "status" and "counters" in body:
            yield from _does_not_add_up(body)
        if not wrong and as_sent(body) != text:
            yield f"not what is rendered:\n{text}\n{as_sent(body)}"


def _does_not_add_up(body: Json) -> Iterator[str]:
    c = body["counters"]
    refused = sum(count for name, count in c.items() if name.startswith("refused."))
    early = c["unlisted"] + c["duplicate"] + c["limited"] + c["coalesced"] + c["thinned"]
    if c["heard"] != early + c["unknown"] + refused + c["empty"] + c["waiting"] + c["decoded"]:
        yield "the law of frames does not hold"
    ended = c["delivered"] + c["setAside"] + c["dropped"]
    if c["recovered"] + c["observed"] != ended + c["inMemory"] + c["inBacklog"]:
        yield "the law of observations does not hold"
    if c["observed"] != sum(stream["nextSeq"] for stream in body["streams"]):
        yield "streams and counters do not agree"
    if c["dropped"] != sum(loss["to"] - loss["from"] + 1 for loss in body["dropped"]):
        yield "loss ranges and counters do not agree"
    if c["inBacklog"] != body["backlog"]["observations"]:
        yield "backlog and counters do not agree"


def test_the_page_shows_every_kind_of_message() -> None:
    shown = [read(text) for text in examples(TEXT)]
    assert {message_of(body) for body in shown} == set(MESSAGES)
    assert {body.get("clean") for body in shown} == {None, False}


def test_the_examples_are_what_the_gateway_would_send() -> None:
    assert not list(findings(TEXT))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"unit":"Cel"', '"unit":"C"'),
        ('"result":21.34', '"result":21.340'),
        ('"result":21.34', '"result":61'),
        ('"result":1900', '"result":19'),
        ('"result":0.034', '"result":true'),
        ('"result":null', '"result":3'),
        ('"seq":48212', '"seq":48213'),
        ('"medium":"ble","rssi":-71', '"rssi":-71,"medium":"ble"'),
        ('"class":"event"', '"class":"event","extra":1'),
        ("urn:dev:mac:c0ffeefffe000002", "C0:FF:EE:00:00:02"),
        ("02:40:00.123Z", "02:40:00.1230Z"),
        ('"bootTimeMs":1795228800000', '"bootTimeMs":1795228800001'),
        ('"heard":1840', '"heard":1841'),
        ('"delivered":396', '"delivered":397'),
        ('"nextSeq":120', '"nextSeq":121'),
        ('"settledBelow":2}', '"settledBelow":3}'),
        ('"to":43', '"to":44'),
        ('"backlog":{"bundles":1,"observations":20', '"backlog":{"bundles":1,"observations":21'),
        ('"clean":false', '"clean":false,"extra":1'),
        ('"gapS":912', '"gapS":912.5'),
        ('"sensor.silent"', '"sensor.mute"'),
        ('"devices":23', '"devices":[]'),
        ('"metaRev":', '"metaRev":1'),
        ('"expectedIntervalS":3600', '"expectedIntervalS":3601'),
        (
            '"acceleration.x":-0.02,"air_temperature":21.34',
            '"air_temperature":21.34,"acceleration.x":-0.02',
        ),
    ],
)
def test_a_wrong_example_is_found(right: str, wrong: str) -> None:
    assert right in TEXT
    assert list(findings(TEXT.replace(right, wrong)))


# ----------------------------------------------------------------------------------------- tables
Rows = dict[str, str]  # path of a field -> when it is present, in order


def tables(page: str, message: str) -> Iterator[Rows]:
    """Yield what each part of the page says of a message; fields of a kind are `kind:field`."""
    parts = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)[1:]
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        of_message, prefix = TABLES.get(heading, ("", ""))
        if of_message == message:
            rows = [row for row in ROW.findall(text) if not row[1].startswith("`")]
            of_kinds = {f"{kind}:{name}": when for kind, name, when in ROW_OF_KIND.findall(text)}
            yield {prefix + name: when for name, when in rows} | of_kinds


def documented(page: str, message: str) -> Rows:
    """Return what all tables of a message say."""
    return {path: when for table in tables(page, message) for path, when in table.items()}


def described(node: Json, path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the fields of a schema, as the tables write them, and whether they are required."""
    for name, field in node["properties"].items():
        here, inner = f"{path}{name}", field
        if field.get("type") == "array" and "properties" in field["items"]:
            here, inner = f"{here}[]", field["items"]
        if "properties" in inner and name not in WHOLE:
            yield from described(inner, f"{here}.")
        else:
            yield here.removesuffix("[]"), name in node["required"]


def described_message(message: str) -> dict[str, bool]:
    """Return the fields of a message; those of a kind of event as `kind:field`."""
    node = schema(STRICT, message)
    fields = dict(described(node))
    if message == "event":
        for rule in node["allOf"]:
            (kind,) = rule["if"]["properties"]["kind"]["enum"]
            own = rule["then"]
            fields |= {f"{kind}:{name}": name in own["required"] for name in own["properties"]}
    return fields


def without_containers(paths: Iterable[str]) -> list[str]:
    """Return the paths that lead to values."""
    known = list(paths)
    return [p for p in known if not any(o.startswith((f"{p}.", f"{p}[]")) for o in known)]


@pytest.mark.parametrize("message", MESSAGES)
def test_the_tables_list_the_fields_of_the_schema_and_nothing_else(message: str) -> None:
    rows = without_containers(documented(TEXT, message))
    assert sorted(rows) == sorted(described_message(message))


@pytest.mark.parametrize("message", MESSAGES)
def test_the_tables_have_the_order_of_the_messages(message: str) -> None:
    fields = described_message(message)
    for table in tables(TEXT, message):
        rows = [path for path in table if path in fields]
        assert rows == [path for path in fields if path in rows]


@pytest.mark.parametrize("message", MESSAGES)
def test_what_the_tables_call_always_present_is(message: str) -> None:
    rows, required = documented(TEXT, message), described_message(message)
    for path in without_containers(rows):
        if rows[path] == "always":
            assert required[path], path
        elif not re.search(r"\[\]\.", path):  # of a list that may be empty: said in other words
            assert not required[path] or "." in path, path


def test_what_is_not_yet_sent_is_in_no_example_and_all_else_is() -> None:
    # What the gateway renders shows here; a field that nobody renders must say so.
    shown: set[str] = set()
    for text in examples(TEXT):
        body = read(text)
        prefix = f"{body['kind']}:" if "kind" in body else ""
        shown |= {f"{message_of(body)} {path}" for path in paths(body, prefix=prefix)}
    for message in MESSAGES:
        rows = documented(TEXT, message)
        for path in without_containers(rows):
            is_shown = f"{message} {path}" in shown
            assert is_shown != (rows[path] == NOT_YET) or ":" in path, path


def paths(value: Json, path: str = "", *, prefix: str = "") -> Iterator[str]:
    """Yield the paths of a message, as the tables write them; with those of its kind."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{path}.{key}".lstrip(".")
            yield here
            yield f"{prefix}{here}"
            yield from paths(inner, here)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, f"{path}[]")
