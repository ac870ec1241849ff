"""`ugw config`: the configuration in force, and what could be in it."""

import json
import sys
from typing import Any

import typer
from ruamel.yaml import YAML

from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, load_settings
from gateway.cli.terminal import print_json
from gateway.config import Settings, schema_text

app = typer.Typer(
    name="config",
    help="Show the configuration in force, or its schema.",
    no_args_is_help=True,
)


@app.command()
def show(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """Print the configuration in force.

    It is made of the file, the environment and the defaults. Secrets are shown as their
    references. What is printed is itself a valid configuration.

    [bold]Examples[/bold]

      ugw config show
      ugw config show --json | jq .mqtt.host
    """
    settings, _ = load_settings(config)
    if as_json:
        print_json(_in_force(settings))
        return
    yaml: Any = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(_in_force(settings), sys.stdout)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration.

    Editors complete and check a file that names it in its first line, as the example does:
    # yaml-language-server: $schema=gateway.schema.json

    [bold]Examples[/bold]

      ugw config schema > gateway.schema.json
      ugw config schema | jq .properties.store
    """
    print(schema_text(), end="")


def _in_force(settings: Settings) -> dict[str, Any]:
    """Return the settings as they would be written, without what is not set."""
    shown = settings.model_dump_json(by_alias=True, exclude_none=True, warnings="error")
    data: dict[str, Any] = json.loads(shown)
    data["mqtt"] |= {"client_id": settings.client_id, "topic_root": settings.topic_root}
    return data
