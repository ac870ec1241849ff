"""The published schemas: current, sound, and true to the promises of version 1.

The examples of config/schema/examples were published with the version. They are never edited and
never removed; a new one may be added. Each must validate for as long as there is a version 1.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.schema import mutations
from tests.schema.examples import EXAMPLES, MESSAGES, Example
from tests.schema.published import OPEN, SCHEMAS, STRICT, Json, schema, schema_faults
from tests.schema.validator import Validator, read
from tools.schema.documents import DOCUMENTS, stale

FORMS = (OPEN, STRICT)
BOTH = [(form, message) for form in FORMS for message in MESSAGES]


# --------------------------------------------------------------------------------------- documents
def test_the_published_files_are_current() -> None:
    assert stale(SCHEMAS) == [], ".venv/bin/python -m tools.schema"


def test_a_stale_and_a_missing_file_are_found(tmp_path: Path) -> None:
    for name, write in DOCUMENTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(write(), encoding="utf-8")
    assert stale(tmp_path) == []

    (tmp_path / "open/status-1.json").unlink()
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 3.0.0\n")

    assert stale(tmp_path) == ["open/status-1.json", "asyncapi.yaml"]


@pytest.mark.parametrize(("form", "message"), BOTH)
def test_each_is_a_json_schema_of_2020_12(form: str, message: str) -> None:
    document = schema(form, message)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(document)


@pytest.mark.parametrize(("form", "message"), BOTH)
def test_every_field_says_what_it_means(form: str, message: str) -> None:
    silent = [
        f"{path}.{name}"
        for path, record in _records(schema(form, message))
        for name, field in record["properties"].items()
        if not field.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("message", MESSAGES)
def test_strict_closes_every_record_and_open_none(message: str) -> None:
    closed = {False, "unevaluated"}
    for _, record in _records(schema(STRICT, message)):
        shut = "unevaluated" if record.get("unevaluatedProperties") is False else None
        assert record.get("additionalProperties", shut) in closed
    for _, record in _records(schema(OPEN, message)):
        assert record.get("additionalProperties", True) is not False
        assert record.get("unevaluatedProperties", True)


def _records(node: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the objects a schema describes; not the rules about them."""
    if node.get("type") == "object" and "properties" in node:
        yield path, node
        for name, field in node["properties"].items():
            yield from _records(field, f"{path}.{name}".lstrip("."))
    elif node.get("type") == "array":
        yield from _records(node["items"], f"{path}[]")


# --------------------------------------------------------------------------------------- evolution
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_every_published_example_is_valid_for_ever(example: Example) -> None:
    message = read(example.text)
    assert not list(schema_faults(OPEN, example.message, message))
    assert not list(schema_faults(STRICT, example.message, message))
    assert not Validator().faults(example.topic, example.payload)


def test_there_is_an_example_of_every_message_and_every_kind_of_event() -> None:
    shown = [read(example.text) for example in EXAMPLES]
    kinds = schema(STRICT, "event")["properties"]["kind"]["enum"]
    assert {example.message for example in EXAMPLES} == set(MESSAGES)
    assert {message["kind"] for message in shown if "kind" in message} == set(kinds)


def test_the_examples_show_every_field_there_is() -> None:
    for message in MESSAGES:
        shown = {
            mutations.name_of(path)
            for example in EXAMPLES
            if example.message == message
            for path, _ in mutations.values(read(example.text))
        }
        there_is = {
            f"{path}.{name}".lstrip(".").replace("[]", "")
            for path, record in _records(schema(STRICT, message))
            for name in record["properties"]
        }
        assert there_is - shown == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_open_takes_what_a_minor_version_may_add(example: Example) -> None:
    for later in mutations.with_more(read(example.text)):
        assert not list(schema_faults(OPEN, example.message, later.message)), later
        assert list(schema_faults(STRICT, example.message, later.message)), later


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_open_takes_words_that_nobody_knows_yet(example: Example) -> None:
    message = read(example.text)
    lists = dict(_records(schema(STRICT, example.message)))
    for path, value in mutations.values(message):
        place, _, name = mutations.name_of(path).rpartition(".")
        record = lists.get(place) or lists.get(f"{place}[]") or {"properties": {}}
        if isinstance(value, str) and "enum" in record["properties"].get(name, {}):
            later = mutations.replaced(message, path, "of_tomorrow")
            assert list(schema_faults(STRICT, example.message, later)), path
            assert not list(schema_faults(OPEN, example.message, later)), path


def test_open_takes_a_property_that_nobody_knows_yet_and_no_other_unit_of_a_known_one() -> None:
    text = next(each for each in EXAMPLES if each.name == "observations-live").text
    new = text.replace(
        '"distance","channel":"2","result":0.034,"unit":"m"', '"radon","result":7,"unit":"Bq/m3"'
    )
    other = text.replace('"unit":"Cel"', '"unit":"[degF]"')
    assert text not in {new, other}

    assert not list(schema_faults(OPEN, "observations", read(new)))
    assert list(schema_faults(OPEN, "observations", read(other)))


# ------------------------------------------------------------------------------------------- speed
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "routine", "unknown", "good", "x_a", "Cel", "pm2_5", "loss"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "unit", "state", "clean"]), inner, max_size=3)
    ),
    max_leaves=4,
)

CHANGES = st.integers(0, 2)


@given(st.data())
def test_what_makes_it_fast_changes_no_verdict(data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(EXAMPLES))
    form = data.draw(st.sampled_from(FORMS))
    message = read(example.text)
    for _ in range(data.draw(CHANGES)):
        places = [path for path, _ in mutations.values(message)]
        path = places[data.draw(st.integers(0, len(places) - 1))]
        taken_away = data.draw(st.booleans())
        if path and taken_away:
            message = mutations.without(message, path)
        else:
            message = mutations.replaced(message, path, data.draw(ANYTHING))

    standard = Draft202012Validator(schema(form, example.message))
    # Formats apart: the standard's own checks none.
    fast = [
        fault
        for fault in schema_faults(form, example.message, message)
        if "is not a 'date-time'" not in fault
    ]
    assert bool(fast) != standard.is_valid(message)
