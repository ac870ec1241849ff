"""`ugw simulate doctor`: whether this computer can run the simulator. Changes nothing."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer
from rich.text import Text

from gateway.cli.terminal import Cell, print_json, show, table
from gateway.exit_codes import ExitCode
from gateway.sim.fitness import Check, Place, State, examine

_COLOURS: Final = {State.GOOD: "green", State.WARNING: "yellow", State.BAD: "bold red"}


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check this computer: D-Bus, serial ports, brokers, limits; with a remedy for each.

    Ends with 1 if something is missing that scenarios need; what only some of them need is a
    warning.
    """
    checks = list(examine(Place()))
    if as_json:
        print_json(msgspec.to_builtins(checks))
    else:
        show(table(("CHECK", "STATE", "WHAT"), _rows(checks)))
    if any(check.state is State.BAD for check in checks):
        raise typer.Exit(ExitCode.FAILED)


def _rows(checks: Sequence[Check]) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for check in checks:
        rows.append((check.name, Text(check.state, _COLOURS[check.state]), check.says))
        if check.remedy:
            rows.append(("", "", f"-> {check.remedy}"))
    return rows
