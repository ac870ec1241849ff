"""`ugw flash esp32`: a board, from its configuration to its READY.

What goes wrong ends as a UgwError with its remedy. Nothing is written to a board that is the
wrong one or is locked.
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli.terminal import note
from gateway.errors import UgwError
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.row import Row, claim_of, order_of
from ugw_flash.commands.answers import answer, answering, leaving, pause, talk
from ugw_flash.commands.options import (
    SOFTWARE,
    DryRunOption,
    EsptoolOption,
    JsonOption,
    NameOption,
    NumberOption,
    gateway_id,
)
from ugw_flash.esp32 import esptool as tools
from ugw_flash.esp32 import firmware as firmwares
from ugw_flash.esp32.board_work import (
    WAIT_S,
    Bench,
    BoardOrder,
    BoardResult,
    NotReadyError,
    check_material,
    make_board,
    plan_of,
    prepare,
)
from ugw_flash.esp32.chip import restart
from ugw_flash.esp32.ports import boards, next_port
from ugw_flash.esp32.site import read_site
from ugw_flash.profile import open_profile
from ugw_flash.progress import watching

PortOption = Annotated[
    str | None,
    typer.Option(metavar="PORT", help="By default the one that is plugged in when asked for."),
]

_MB: Final = 1_000_000


def esp32(  # noqa: PLR0913 - options of a command
    *,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", "-p", metavar="FILE", help="What such boards have in common."),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="With --profile: which gateway it becomes.", callback=gateway_id
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Without: the configuration of one."),
    ] = None,
    firmware: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --config: MicroPython's firmware, as published."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", metavar="HEX", help="What its SHA-256 has to be.")
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="With --config: the firmware has the agent in it.")
    ] = False,
    port: PortOption = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase all of it first, also what nobody reads.")
    ] = False,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for READY; 0: not.")
    ] = WAIT_S,
    baud: Annotated[
        int, typer.Option(min=9600, max=2_000_000, help="Speed of the line.")
    ] = tools.BAUD,
    esptool: EsptoolOption = None,
    number: NumberOption = None,
    name: NameOption = SOFTWARE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a board: firmware, agent, configuration and secrets, verified, until it says READY.

    The board is asked first: its chip, its flash, whether it is locked. Then everything is
    written, each piece verified by its digest, and the board started. READY means that the broker
    has acknowledged a message of it. A board whose writing is cut short does not start.

    With --dry-run the images are made and nothing is written; with --port the board is asked too.

    [bold]Examples[/bold]

        ugw flash esp32 --profile boards --gateway gw-17

        ugw flash esp32 --config gw-17.yaml --firmware ESP32.bin --sha256 HEX --port /dev/ttyUSB0
    """
    with answering(as_json=as_json):
        single = (config, firmware, sha256)
        if profile is not None and gateway is not None and single == (None, None, None):
            order = _of_profile(profile, gateway, rehearsal=dry_run)
        elif profile is None and config is not None and firmware is not None and sha256:
            order = _of_config(config, firmware, sha256, frozen=frozen)
        else:
            message = "say --profile and --gateway, or --config, --firmware and --sha256"
            raise typer.BadParameter(message)
        order = order._replace(
            number=number or order.number, software=name, erase=erase or order.erase
        )
        for text in order.board.notes:
            note(text)
        if dry_run:
            _rehearse(order, port, esptool, as_json=as_json)
            return
        tool = tools.find(esptool)._replace(baud=baud)
        with leaving(lambda: "Nothing was written."):
            there = port or _plugged_in(as_json=as_json)
        bench = Bench(there, tool, wait)
        _make(order, bench, as_json=as_json)


def _of_profile(profile: Path, gateway: str, *, rehearsal: bool) -> BoardOrder:
    opened = open_profile(profile)
    desk = Desk.here(rehearsal=rehearsal)
    return order_of(Row(gateway=gateway), opened, claim_of(opened, desk), desk)


def _of_config(config: Path, firmware: Path, sha256: str, *, frozen: bool) -> BoardOrder:
    now_s = int(time.time())
    board = read_site(config, made_ms=now_s * 1000, frozen=frozen)
    return BoardOrder(firmware, sha256, board, frozen, now_s)


def _plugged_in(*, as_json: bool) -> str:
    if not sys.stdin.isatty():
        cause = "no port is named, and there is no terminal to ask for a board at"
        raise UgwError(cause, "name it with --port: ugw flash list shows them")
    before = [each.path for each in boards()]
    return next_port(before, talk(as_json=as_json), pause).path


def _make(order: BoardOrder, bench: Bench, *, as_json: bool) -> None:
    try:
        with watching(as_json=as_json, about=order.board.gateway) as watcher:
            result = make_board(order, bench, watcher)
    except NotReadyError as error:
        if not as_json:
            raise
        why = {"error": str(error), "remedy": error.remedy, "exitCode": int(error.exit_code)}
        facts = {**msgspec.to_builtins(error.result), **why, "ok": False}
        answer(facts, as_json=True, text="")
        raise typer.Exit(error.exit_code) from None
    answer(msgspec.to_builtins(result), as_json=as_json, text=_sentence(result))


def _sentence(result: BoardResult) -> str:
    end = "it delivers" if result.ready else "nobody waited for its READY"
    return (
        f"{result.gateway}: the board {result.mac} ({result.chip}) is written and verified in "
        f"{result.seconds:g} s, and {end}."
    )


def _rehearse(order: BoardOrder, port: str | None, given: Path | None, *, as_json: bool) -> None:
    """Do everything but write."""
    read = firmwares.read(order.firmware, order.sha256)
    check_material(order, read)
    mac = None
    with watching(as_json=as_json, about=order.board.gateway) as watcher:
        if port is None:
            plan = plan_of(order, read, read.flash_bytes)
        else:
            bench = Bench(port, tools.find(given))
            chip, plan = prepare(order, read, bench, watcher)
            mac = chip.mac
            restart(bench.esptool, port)
    size = sum(len(piece.content) for piece in plan.pieces)
    facts = {
        "dryRun": True,
        "gateway": order.board.gateway,
        "mac": mac,
        "firmware": read.version,
        "firmwareSha256": read.sha256,
        "software": order.software,
        "bytes": size,
        "freeBytes": plan.free_bytes,
    }
    where = f"the board {mac}" if mac else f"an {read.chip}"
    text = (
        f"{order.board.gateway}: {size / _MB:.1f} MB would be written to {where}: MicroPython "
        f"{read.version}, {order.software}. Nothing was written."
    )
    answer(facts, as_json=as_json, text=text)
