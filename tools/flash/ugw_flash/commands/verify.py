"""`ugw flash verify`: whether a card, a board or a bundle is what was made. Nothing is written."""

import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from ugw_flash.bundle.contents import MATERIALS, check, is_bundle, missing
from ugw_flash.card.target import to_read
from ugw_flash.card.work import CardFacts, verify_card
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.options import EsptoolOption, JsonOption, SignedByOption
from ugw_flash.disks.find import source
from ugw_flash.esp32 import esptool
from ugw_flash.esp32.ports import is_port
from ugw_flash.esp32.verify import verify_board
from ugw_flash.progress import watching

_MB: Final = 1_000_000


def verify(
    what: Annotated[
        str, typer.Argument(metavar="DISK|FILE|PORT|FOLDER", help="A card, a board, a bundle.")
    ],
    *,
    tool: EsptoolOption = None,
    signed_by: SignedByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a card, a board or a bundle, and say whether it is complete and unchanged.

    Of a card: its partition table, every byte outside of the boot partition, and every file of
    the seed, understood as the agent will. Once it has booted the system has changed it: then the
    seed alone is looked at, and it says how far the first boot came. Of a board: its firmware and
    files; it is interrupted for as long as that takes. Of a bundle: that it holds what was packed
    and nothing else, and has not expired; with --signed-by, that this very key has signed it.

    Exit codes 6 and 8: it must not be used as it is; with 8 it has no seed, or one that cannot be
    read.

    [bold]Examples[/bold]

        ugw flash verify /dev/sdb

        ugw flash verify kiel-north --signed-by update.key.pub
    """
    with answering(as_json=as_json):
        if is_bundle(Path(what)):
            _verify_bundle(Path(what), signed_by, as_json=as_json)
        elif signed_by is not None:
            cause = f"{what} is no bundle, and --signed-by is for one"
            raise typer.BadParameter(cause)
        elif is_port(what) and not Path(what).is_file():
            _verify_board(what, tool, as_json=as_json)
        else:
            with watching(as_json=as_json, about=what) as watcher, to_read(what, source()) as card:
                facts = verify_card(card, watcher)
            answer(_facts(facts), as_json=as_json, text=_sentence(what, facts))


def _verify_board(port: str, tool: Path | None, *, as_json: bool) -> None:
    with watching(as_json=as_json, about=port) as watcher:
        board = verify_board(port, esptool.find(tool), watcher)
    text = f"{board.gateway}: the board {board.mac} is what was written."
    answer(msgspec.to_builtins(board), as_json=as_json, text=text)


def _verify_bundle(folder: Path, signed_by: Path | None, *, as_json: bool) -> None:
    contents = check(folder, int(time.time()), signed_by)
    wanted = missing(folder, contents)
    text = f"{folder} is what was packed: {len(contents.gateways)} gateways."
    if signed_by is None:
        text += " Nobody says by whom (--signed-by does)."
    for each in wanted:
        text += f"\nput {each.name} into {folder / MATERIALS} (SHA-256 {each.sha256})"
    facts = {
        "gateways": contents.gateways,
        "expiresS": contents.expires_s,
        "signed": signed_by is not None,
        "missing": [each.name for each in wanted],
    }
    answer(facts, as_json=as_json, text=text)


def _facts(facts: CardFacts) -> dict[str, object]:
    planted = facts.planted
    boot = planted.first_boot
    return {
        "gateway": planted.gateway,
        "org": planted.org,
        "image": planted.image.name,
        "imageSha256": planted.image.sha256,
        "package": planted.package,
        "madeBy": planted.made_by,
        "madeAtS": planted.made_at_s,
        "compared": facts.compared,
        "firstBoot": boot and {"step": boot.step, "ok": boot.ok, "cause": boot.cause},
    }


def _sentence(what: str, facts: CardFacts) -> str:
    planted = facts.planted
    if facts.compared:
        size = f"{planted.image.size / _MB:,.0f} MB"
        return f"{planted.gateway}: {what} is complete, and {size} of it are what was written."
    since = planted.first_boot or "it was given after the card had booted"
    return f"{planted.gateway}: the seed on {what} is in order; {since}."
