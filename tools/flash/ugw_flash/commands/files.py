"""`ugw flash files`: all that a new board is given, as files, for those who write it by hand."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ugw_flash.commands.options import (
    SOFTWARE,
    BoardConfigOption,
    NameOption,
    NumberOption,
    ReportOption,
)
from ugw_flash.esp32 import files as boards
from ugw_flash.esp32 import freezing
from ugw_flash.esp32.compile import size_report
from ugw_flash.esp32.site import read_site


def files(  # noqa: PLR0913 - options of a command
    directory: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the board's file system goes.")
    ],
    config: BoardConfigOption,
    *,
    frozen: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where sources to freeze into a firmware go."),
    ] = None,
    chip: Annotated[
        str, typer.Option(metavar="BOARD", help="MicroPython's name of the board to build for.")
    ] = "ESP32_GENERIC",
    number: NumberOption = None,
    name: NameOption = SOFTWARE,
    report: ReportOption = False,
) -> None:
    """Make the files of a new board from its configuration.

    FOLDER gets the board's file system, with the agent and the drivers its devices need, for
    boards with PSRAM and MicroPython's own firmware. FOLDER.secrets.csv beside it gets the secrets
    (mode 600), for the chip's own memory: delete it when they are there. Nothing is ever replaced.

    Boards without PSRAM have no room for the agent in memory: with --frozen its sources go into a
    second folder, to be built into a firmware by the command printed, and the file system holds
    the site alone. Such a board takes no updates over the air.

    [bold]Examples[/bold]

        ugw flash files gw-17 --config gw-17.yaml

        ugw flash files gw-18 --config gw-18.yaml --frozen firmware
    """
    board = read_site(config, made_ms=time.time_ns() // 1_000_000, frozen=frozen is not None)
    for note in board.notes:
        _say(f"note: {note}")
    secrets = boards.secrets_beside(directory)
    boards.refuse_taken(directory, secrets, frozen)
    if frozen is None:
        made, compiled = boards.version(board.drivers, number or int(time.time()), name)
        boards.write({**board.files, **made}, directory)
        if report:
            print(size_report(compiled), end="")
    else:
        boards.write(freezing.frozen(board.drivers), frozen)
        boards.write(board.files, directory)
        print(freezing.make_command(frozen, chip))
    if board.secrets:
        boards.write_secrets(board.secrets, secrets)
        _say(f"{secrets}: {len(board.secrets)} secrets, for NVS alone; delete it afterwards")
    _say(f"{directory}: the file system of {board.gateway}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
