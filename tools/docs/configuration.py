"""The page of the configuration, from the JSON Schema of its model."""

from collections.abc import Iterator

from gateway.config import DEFAULT_PATH, Settings
from tools.docs.markup import page as put_together
from tools.docs.options import Words, options, sections

SOURCE = "the models of gateway/config"
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
# What a pattern of the schema means to people, by how it begins or what is in it.
PATTERNS = (
    ("(ms|", "duration"),
    ("(B|", "size"),
    ("(Hz|", "frequency"),
    ("^(file:", "reference"),
)

WORDS = Words(COMPUTED, PATTERNS, "tools/docs/configuration.py, COMPUTED")


def page() -> str:
    """Return the page."""
    return put_together("Configuration", SOURCE, _parts())


def _parts() -> Iterator[str]:
    schema = Settings.model_json_schema(mode="serialization")
    known = schema["$defs"]
    yield INTRODUCTION
    yield "## The file"
    yield options("", schema, known, WORDS)
    for path, section in sections("", schema, known):
        yield f"## {path}"
        yield section["description"]
        yield options(path, section, known, WORDS)
