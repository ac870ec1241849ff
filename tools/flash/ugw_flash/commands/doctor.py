"""`ugw flash doctor`: whether this desk can make cards and boards. Changes nothing."""

from collections.abc import Sequence
from typing import Final

import msgspec
import typer
from rich.text import Text

from gateway.cli.terminal import Cell, show, table
from gateway.exit_codes import ExitCode
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.options import JsonOption
from ugw_flash.desk import Check, Desk, State, examine

_COLOURS: Final = {State.GOOD: "green", State.WARNING: "yellow", State.BAD: "bold red"}


def doctor(*, as_json: JsonOption = False) -> None:
    """Check this desk: disks, rights, esptool, libraries, space, clock; with a remedy for each.

    Ends with 1 if something is missing that is needed; a warning alone ends with 0. On a gateway
    it is `ugw doctor` that says how it is doing.
    """
    with answering(as_json=as_json):
        checks = list(examine(Desk()))
        fine = all(check.state is not State.BAD for check in checks)
        if as_json:
            answer({"ok": fine, "checks": msgspec.to_builtins(checks)}, as_json=True, text="")
        else:
            show(table(("CHECK", "STATE", "WHAT"), _rows(checks)))
    if not fine:
        raise typer.Exit(ExitCode.FAILED)


def _rows(checks: Sequence[Check]) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for check in checks:
        rows.append((check.name, Text(check.state, _COLOURS[check.state]), check.says))
        if check.remedy:
            rows.append(("", "", f"-> {check.remedy}"))
    return rows
