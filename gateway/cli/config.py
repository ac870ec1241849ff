"""`ugw config`: the configuration in force, and what could be in it."""

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import typer
from rich.text import Text
from ruamel.yaml import YAML

from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, load_settings, notes
from gateway.cli.replacement import replace
from gateway.cli.terminal import note, print_json, show, table
from gateway.config import (
    InvalidConfigError,
    Settings,
    difference,
    load_model,
    migration,
    read_file,
    schema_text,
)
from gateway.config.changes import concern
from gateway.config.difference import Change
from gateway.config.findings import printable
from gateway.exit_codes import ExitCode

app = typer.Typer(
    name="config",
    help="Show, check, compare and renew configurations.",
    no_args_is_help=True,
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The configuration.")]


@app.command("show")
def show_(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
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


@app.command()
def validate(file: FileArgument = DEFAULT, *, as_json: JsonOption = False) -> None:
    """Check a configuration, and nothing around it.

    Every error is shown at once, with its place. Ends with 0 if the configuration can be used,
    with 3 if not. `ugw check` also tries what the agent will need.

    [bold]Examples[/bold]

      ugw config validate
      ugw config validate new.yaml --json | jq '.findings'
    """
    try:
        settings, registry = load_settings(file)
    except InvalidConfigError as error:
        if not as_json:
            raise
        findings = msgspec.to_builtins(error.findings)
        print_json({"file": str(file), "ok": False, "findings": findings, "notes": []})
        raise typer.Exit(ExitCode.CONFIGURATION) from None
    remarks = list(notes(settings, registry))
    if as_json:
        print_json({"file": str(file), "ok": True, "findings": [], "notes": remarks})
        return
    print(f"{file}: ok")
    for remark in remarks:
        note(remark)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="FILE", help="A configuration.")] = DEFAULT,
    new: Annotated[
        Path | None,
        typer.Argument(metavar="NEW", help="What to compare it with; else with the defaults."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show which settings differ, and which of the changes need a restart.

    The settings are compared as they are in force, so it makes no difference how they are
    written. Secrets are shown as their references.

    [bold]Examples[/bold]

      ugw config diff
      ugw config diff /etc/ugw/gateway.yaml new.yaml
      ugw config diff /etc/ugw/gateway.yaml new.yaml --json | jq '.restart'
    """
    before, _ = load_settings(old)
    if new is None:
        found = difference.deviations(before)
        if as_json:
            print_json({"file": str(old), "changes": [_plain(change) for change in found]})
        else:
            _print_changes(found, ("", "setting", "default", "here"), None)
        return
    after, _ = load_settings(new)
    found = difference.changes(before, after)
    restart = _needs_restart(found)
    if as_json:
        told = [{**_plain(each), "restart": each.path in restart} for each in found]
        print_json({"old": str(old), "new": str(new), "changes": told, "restart": bool(restart)})
        return
    _print_changes(found, ("", "setting", "before", "after"), restart)


@app.command()
def migrate(
    file: FileArgument = DEFAULT,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; write nothing.")
    ] = False,
) -> None:
    """Rewrite a configuration of an earlier format for this version.

    Comments, order and layout stay. The old file is kept beside the new one. Version 0, without
    config_version, are the first drafts of the format.

    [bold]Examples[/bold]

      ugw config migrate --dry-run
      ugw config migrate old.yaml
    """
    text = read_file(file)
    migrated = migration.migrate(text, str(file))
    if not migrated.changed:
        print(f"{file}: version {migrated.version} already")
        return
    if dry_run:
        show(_unified(text, migrated.text, str(file)))
        note(_promise(migrated.text, str(file)))
        return
    kept = replace(file, migrated.text, backup=f"v{migrated.version}")
    print(f"{file}: version {migrated.version} to {migration.VERSION}; the old one is {kept}")
    note(f"see what it says now: ugw config validate {file}")


def _promise(text: str, name: str) -> str:
    """Say whether a migrated text would do; names of drivers are looked at by `validate`."""
    try:
        load_model(text, name, Settings)
    except InvalidConfigError as error:
        return f"the result would not be valid yet:\n{error}"
    return "the result would be valid"


# ---------------------------------------------------------------------------------- what they show
def _needs_restart(changes: Iterable[Change]) -> set[str]:
    """Return the paths of changes that a running agent does not take up."""
    # The agent's own word on it brings the whole agent, and the other commands need not wait.
    from gateway.reload import FIXED  # noqa: PLC0415

    return {change.path for change in changes if concern((change.key,), *FIXED)}


def _print_changes(
    changes: Sequence[Change], headings: Sequence[str], restart: set[str] | None
) -> None:
    if not changes:
        print("no difference")
        return
    if restart is None:
        show(table(headings, map(_row, changes)))
        return
    effects = ("restart" if change.path in restart else "reload" for change in changes)
    rows = ((*_row(change), effect) for change, effect in zip(changes, effects, strict=True))
    show(table((*headings, "takes effect"), rows))
    print()
    print(f"To apply it: systemctl {'restart' if restart else 'reload'} ugw")


def _row(change: Change) -> tuple[str, str, str, str]:
    sign = "~"
    if change.before is None:
        sign = "+"
    elif change.after is None:
        sign = "-"
    return sign, change.path, _flow(change.before), _flow(change.after)


def _flow(value: object) -> str:
    """Write a value on one line, as YAML's flow style has it."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in pairs)}}}"
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(change: Change) -> dict[str, Any]:
    return {"path": change.path, "before": change.before, "after": change.after}


def _unified(before: str, after: str, name: str) -> Text:
    """Show a change as diff does."""
    old, new = before.splitlines(), after.splitlines()
    shown = Text()
    for line in difflib.unified_diff(old, new, name, name, lineterm=""):
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[0], "")
        shown.append(printable(line.replace("\t", "    ")) + "\n", style)
    return shown


def _in_force(settings: Settings) -> dict[str, Any]:
    """Return the settings as they would be written, without what is not set."""
    shown = settings.model_dump_json(by_alias=True, exclude_none=True, warnings="error")
    data: dict[str, Any] = json.loads(shown)
    data["mqtt"] |= {"client_id": settings.client_id, "topic_root": settings.topic_root}
    return data
