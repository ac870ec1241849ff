"""The entry of `ugw`: find the command, run it, turn what people can mend into messages.

Only the module of the command that is run is imported, so `ugw version` is quick and the agent
carries nothing of the other commands.
"""

import inspect
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from gateway.version import __version__

# In the order of the help. A module offers a function of its own name, or `app` when it has
# commands of its own; what needs something that is not installed is left out of the help.
COMMANDS = (
    "run",
    "demo",
    "check",
    "doctor",
    "status",
    "sensors",
    "radio",
    "drivers",
    "decode",
    "backlog",
    "config",
    "enrol",
    "simulate",
    "record",
    "replay",
    "version",
)
# Commands of other packages: an entry point names a module with an `app`, as those here have.
GROUP = "gateway.commands"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `ugw` with these arguments, by default those of the process; ends by SystemExit."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        application(_to_complete() or words)(words, prog_name="ugw")
    except UgwError as error:
        _report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _to_complete() -> list[str]:
    """Return what was typed behind `ugw`, if a shell asks how it could go on."""
    if "_UGW_COMPLETE" not in os.environ:
        return []
    # As typer's scripts hand it over: bash in the first, zsh and fish in the second.
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return typed.split()[1:]


def _report(error: UgwError) -> None:
    # Imported now, for it brings rich and the configuration's model.
    import_module("gateway.cli.terminal").report(error)


class _InOrder(TyperGroup):
    """The commands in the order of COMMANDS; typer puts those that have commands last."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer keeps its type private
        """Return the names as help and completion show them."""
        there = super().list_commands(ctx)
        ours = [name for name in COMMANDS if name in there]
        return ours + [name for name in there if name not in COMMANDS]


def application(words: Sequence[str]) -> typer.Typer:
    """Put the command together: with the module of the one that is called, or with all."""
    app = typer.Typer(
        name="ugw",
        cls=_InOrder,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,  # a traceback belongs into a bug report as it is
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_about)
    called = words[0] if words else ""
    if called in COMMANDS:
        _add(app, called)
        return app
    others = {each.name: each for each in entry_points(group=GROUP)}
    for name in [called] if called in others else [*COMMANDS, *others]:
        with suppress(UgwError) if name != called else nullcontext():  # not installed: no command
            _add(app, name, others.get(name))
    return app


def _add(app: typer.Typer, name: str, other: EntryPoint | None = None) -> None:
    try:
        module = import_module(f"gateway.cli.{name}") if other is None else other.load()
    except ModuleNotFoundError as error:
        cause = f"ugw {name} is not installed here: there is no Python module {error.name}"
        raise UgwError(cause) from error
    if hasattr(module, "app"):
        _let_flow(module.app)
        app.add_typer(module.app)
    else:
        command = getattr(module, name)
        app.command(name, help=flowing(inspect.getdoc(command)))(command)


def _let_flow(app: typer.Typer) -> None:
    """Have the help of all commands fill the terminal, whatever its width."""
    for each in app.registered_commands:
        each.help = each.help or flowing(inspect.getdoc(each.callback))


def flowing(text: str | None) -> str:
    """Return a text whose paragraphs are a line each; what is indented stays as it is laid out.

    Typer keeps the line breaks of a docstring, and where the terminal is narrower, breaks again.
    """
    paragraphs = (text or "").split("\n\n")
    return "\n\n".join(
        each if each.startswith(" ") else " ".join(each.split("\n")) for each in paragraphs
    )


def _say_version(value: bool) -> None:  # noqa: FBT001 - how typer calls an option's callback
    if value:
        print(__version__)
        raise typer.Exit


def _about(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    """Hear Bluetooth LE and LoRa sensors, and bring what they say to the city's platform."""
