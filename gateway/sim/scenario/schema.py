"""The JSON Schema of scenarios (2020-12), generated from the model for editors."""

import json

from gateway.config.schema import WithoutTitles
from gateway.sim.scenario.model import Scenario


def schema_text() -> str:
    """Return the schema as it stands in config/schema/scenario.schema.json."""
    schema = Scenario.model_json_schema(mode="serialization", schema_generator=WithoutTitles)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ugw simulator scenario",
    }
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
