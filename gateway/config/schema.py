"""The JSON Schema of the configuration (2020-12), generated from the model for editors."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from gateway.config.settings import Settings


class WithoutTitles(GenerateJsonSchema):
    """The keys are the titles."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - as in the base
        """Say that no field has one."""
        del schema
        return False


def schema_text() -> str:
    """Return the schema as it stands in config/schema/gateway.schema.json."""
    # Only in serialisation mode does pydantic show defaults as they are written: "20ms".
    schema = Settings.model_json_schema(mode="serialization", schema_generator=WithoutTitles)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ugw gateway configuration",
    }
    return json.dumps({**schema, **head}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
