"""The page of the configuration, from the JSON Schema of its model."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.config import DEFAULT_PATH, Settings
from tools.docs.markup import MissingWordsError, table
from tools.docs.markup import page as put_together

SOURCE = "the models of gateway/config"
COLUMNS = ("key", "value", "default", "meaning")
INTRODUCTION = f"""\
One YAML file, `{DEFAULT_PATH}` unless `--config` names another. `ugw check` tells every error
at once with its line and column; `ugw config show` prints what is in force; `ugw config schema`
prints a JSON Schema with which editors complete and check.

- **Unknown keys are errors**, and so is a key that stands there twice.
- **Quantities have a unit**: durations `ms`, `s`, `min`, `h`, `d`; sizes `B`, `kB` (1000),
  `KiB` (1024), `MB`, `MiB`, `GB`, `GiB`; frequencies `Hz`, `kHz`, `MHz`. A number without a
  unit is refused.
- **Secrets are references**: `file:/path` (a file that not everybody can read) or `env:NAME`.
  The secret itself never stands in the configuration, and is never shown.
- **The environment overrides the file**: `UGW__MQTT__HOST=broker.example` sets `mqtt.host`,
  `UGW__TRANSPORTS__0__ADAPTER=hci1` the adapter of the first transport.
- Keys that may be given and have no default do nothing when they are not."""

# What the model computes when it is loaded, so that no schema can show it.
COMPUTED = {
    "devices": "none",
    "devices[].codec.variables": "none",
    "devices[].payload": "`hex` for LoRa, none for LoRaWAN",
    "devices[].properties": "none",
    "esp32.drivers": "none",
    "esp32.uarts": "none",
    "http.allowed_hosts": "none",
    "mqtt.port": "8883 with `tls`, else 1883",
    "transports": "none",
    "transports[] of kind semtech-udp.allow": "none",
    **{
        f"transports[] of kind chirpstack or the-things-stack.{key}": default
        for key, default in (
            ("port", "8883 with `tls`, else 1883"),
            ("version", "`5`; of The Things Stack `3.1.1`"),
            ("topics", "`application/+/device/+/event/up`; `v3/+/devices/+/up`"),
        )
    },
}
TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "path": "absolute path",
}
# What a pattern of the schema means to people, by how it begins or what is in it.
PATTERNS = (
    ("(ms|", "duration"),
    ("(B|", "size"),
    ("(Hz|", "frequency"),
    ("^(file:", "reference"),
)

Schema = dict[str, Any]
Known = dict[str, Schema]  # sections by name


def page() -> str:
    """Return the page."""
    return put_together("Configuration", SOURCE, _parts())


def _parts() -> Iterator[str]:
    schema = Settings.model_json_schema(mode="serialization")
    known = schema["$defs"]
    yield INTRODUCTION
    yield "## The file"
    yield _options("", schema, known)
    for path, section in _sections("", schema, known):
        yield f"## {path}"
        yield section["description"]
        yield _options(path, section, known)


def _sections(path: str, section: Schema, known: Known) -> Iterator[tuple[str, Schema]]:
    """Yield the sections within a section, at any depth, with their paths."""
    for key, option in section["properties"].items():
        suffix = "[]" if "items" in option else ".*" if _is_map(option) else ""
        below = f"{path}.{key}".lstrip(".") + suffix
        for inner in _within(option, known):
            kind = inner["properties"].get("kind", {})
            kinds = " or ".join(kind.get("enum") or filter(None, (kind.get("const"),)))
            yield f"{below} of kind {kinds}" if kinds else below, inner
            yield from _sections(below, inner, known)


def _within(option: Schema, known: Known) -> Iterator[Schema]:
    """Yield the sections an option can be, or is a list of."""
    if "$ref" in option:
        yield known[option["$ref"].rpartition("/")[2]]
    if "items" in option:
        yield from _within(option["items"], known)
    if _is_map(option):
        yield from _within(option["additionalProperties"], known)
    for inner in (*option.get("anyOf", ()), *option.get("oneOf", ())):
        yield from _within(inner, known)


def _is_map(option: Schema) -> bool:
    """Whether its keys are for who writes it to choose."""
    return isinstance(option.get("additionalProperties"), dict)


def _options(path: str, section: Schema, known: Known) -> str:
    required = section.get("required", ())
    return table(
        COLUMNS,
        [
            (
                f"`{key}`",
                _value(option),
                "required" if key in required else _default(f"{path}.{key}".lstrip("."), option),
                _meaning(option, known),
            )
            for key, option in section["properties"].items()
        ],
    )


def _meaning(option: Schema, known: Known) -> str:
    # Where an option and its section say the same, the schema has it at the section only.
    words: str = option.get("description") or next(_within(option, known))["description"]
    return words


def _value(option: Schema) -> str:
    """Say what may be written."""
    given: Schema = next(k for k in option.get("anyOf", [option]) if k.get("type") != "null")
    kind = {**option, **given}  # limits stand beside the types, not in them
    if "$ref" in kind:
        return "section"
    if "items" in kind:
        return f"list, at most {kind['maxItems']}"
    if _is_map(kind):
        return f"keys and values, at most {kind['maxProperties']}"
    words = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
    if words:
        return " or ".join(f"`{word}`" for word in words)
    low, high = kind.get("examples") or (kind.get("minimum"), kind.get("maximum"))
    limits = "" if low is None else f", {low} to {high}"
    pattern = str(kind.get("pattern", ""))
    name = next((name for part, name in PATTERNS if part in pattern), None)
    return (name or TYPES[kind.get("format", kind["type"])]) + limits


def _default(path: str, option: Schema) -> str:
    if "default" not in option:
        if path not in COMPUTED:
            message = f"tools/docs/configuration.py, COMPUTED: say what {path} is by default"
            raise MissingWordsError(message)
        return COMPUTED[path]
    default = option["default"]
    if default is None or isinstance(default, dict):
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"
