"""The published schema is the model's."""

import json
from pathlib import Path

from gateway.config import schema_text

PUBLISHED = Path(__file__).parents[2] / "config" / "schema" / "gateway.schema.json"


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text() == schema_text(), "ugw config schema > config/schema/..."


def test_every_key_is_described() -> None:
    schema = json.loads(schema_text())
    sections = {**schema["$defs"], "": schema}
    silent = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, option in section["properties"].items()
        if "description" not in option and "$ref" not in option
    ]
    assert silent == []


def test_the_schema_is_closed_and_of_the_draft_editors_know() -> None:
    schema = json.loads(schema_text())

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(not each["additionalProperties"] for each in [schema, *schema["$defs"].values()])


def test_defaults_are_shown_as_people_write_them() -> None:
    delivery = json.loads(schema_text())["$defs"]["DeliverySettings"]["properties"]

    assert delivery["pace"]["default"] == "20ms"
    assert delivery["memory"]["default"] == "4MB"
