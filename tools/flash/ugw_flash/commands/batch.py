"""`ugw flash batch`: many gateways in one run, from a sheet.

Every row is tried before the first card is asked for. What goes wrong with one row stops no other;
what became of each stands in a file beside the sheet.
"""

import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from gateway.cli.terminal import show, table
from gateway.errors import UgwError
from ugw_flash.batch.boards import BoardMaker, Tools, ports_of
from ugw_flash.batch.cards import TRIES, Asking, CardMaker, Targets, card_order_of, into, reader
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import alone
from ugw_flash.batch.planning import Choice, Job, chosen, jobs_of, rehearse
from ugw_flash.batch.results import Result, Results
from ugw_flash.batch.row import claim_of, order_of
from ugw_flash.batch.run import Books, Maker, Surface, Tally, run
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.card.journal import users_journal
from ugw_flash.card.work import rehearse as rehearse_card
from ugw_flash.commands.answers import answer, answering, asking, pause, talk
from ugw_flash.commands.bundle import check_bundle
from ugw_flash.commands.options import (
    AllowDiskOption,
    DryRunOption,
    EsptoolOption,
    IKnowOption,
    JsonOption,
    SignedByOption,
    YesOption,
)
from ugw_flash.disks.choice import Wanted
from ugw_flash.disks.find import source
from ugw_flash.esp32 import esptool as tools
from ugw_flash.esp32 import firmware
from ugw_flash.esp32.board_work import WAIT_S, check_material, plan_of
from ugw_flash.progress import Watcher, watching

SheetArgument = Annotated[
    Path, typer.Argument(metavar="SHEET", help="A CSV file with a row for each gateway.")
]
SheetProfileOption = Annotated[
    Path | None,
    typer.Option("--profile", "-p", metavar="FILE", help="For rows that name no profile."),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GATEWAY", help="Only this one; may be given several times."),
]

_CARD: Final = "pi"
_BOARD: Final = "esp32"


class _How(NamedTuple):
    """What the command line says of how gateways are made."""

    wanted: Wanted
    yes: bool
    overwrite: bool
    ports: tuple[str, ...]
    esptool: Path | None
    baud: int
    wait_s: float
    as_json: bool


def batch(  # noqa: PLR0913 - options of a command
    sheet: SheetArgument,
    *,
    profile: SheetProfileOption = None,
    only: OnlyOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --only: made already; anew, with a new claim.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="FOLDER|DISK", help="Cards as files in a folder; or the first disk."),
    ] = None,
    allow_disk: AllowDiskOption = None,
    i_know: IKnowOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also cards that are gateways' of earlier runs.")
    ] = False,
    yes: YesOption = False,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT", help="Of the first board, and the next; else as plugged in."),
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for READY; 0: not.")
    ] = WAIT_S,
    baud: Annotated[
        int, typer.Option(min=9600, max=2_000_000, help="Speed of the boards' line.")
    ] = tools.BAUD,
    esptool: EsptoolOption = None,
    signed_by: SignedByOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make all gateways of a sheet, one after the other: cards in a reader, boards at a port.

    Every row is tried before the first card is asked for, and all that is wrong is told at once.
    The first card is confirmed; each later one has to appear in the same reader. A row that fails
    stops no other. What became of each stands in SHEET's .result.csv beside it: a row that was
    made is not made again, and after Ctrl-C the same command goes on with the rest.

    Exit code 9: some are made and some are not.

    [bold]Examples[/bold]

        ugw flash batch sites.csv --profile kiel

        ugw flash batch sites.csv --profile kiel --only gw-17 --again
    """
    with answering(as_json=as_json):
        read = read_sheet(sheet)
        check_bundle(read.path.parent, signed_by, as_json=as_json)
        # From here on: what another run makes meanwhile would not be in the books that were read.
        with nullcontext() if dry_run else alone(read.path):
            books = Books(Results.beside(read), Claims.beside(read))
            jobs = chosen(jobs_of(read, profile), books.results, Choice(only or (), again))
            desk = Desk.here()
            rehearse(jobs, desk.now_s, desk.environ)
            if dry_run:
                _tell_plan(jobs, as_json=as_json)
                return
            wanted = Wanted(to, allow_disk, i_know)
            how = _How(wanted, yes, overwrite, tuple(port or ()), esptool, baud, wait, as_json)
            tally = _run(jobs, books, how)
        _tell_result(read, tally, as_json=as_json)
        raise typer.Exit(tally.code)


def _run(jobs: Sequence[Job], books: Books, how: _How) -> Tally:
    makers: dict[str, Maker] = {}
    if any(job.kind == _CARD for job in jobs):
        makers[_CARD] = _card_maker(how)
    if any(job.kind == _BOARD for job in jobs):
        makers[_BOARD] = _board_maker(how, books.results)
    watcher = talk(as_json=how.as_json)
    return run(jobs, makers, books, Surface(Desk.here, watcher.say))


def _card_maker(how: _How) -> CardMaker:
    watch = partial(_watching, as_json=how.as_json)
    journal = users_journal(time.time())
    path = how.wanted.path
    if path is not None and Path(path).is_dir():
        return CardMaker(into(Path(path)), watch, tries=1, journal=journal)
    questions = Asking(asking(yes=how.yes), pause, talk(as_json=how.as_json))
    targets: Targets = reader(source(), how.wanted, questions)
    # Where a disk was named, no other is waited for when that one is refused.
    tries = 1 if path or how.wanted.allow_disk else TRIES
    return CardMaker(targets, watch, tries=tries, journal=journal, overwrite=how.overwrite)


def _board_maker(how: _How, results: Results) -> BoardMaker:
    if not how.ports and not sys.stdin.isatty():
        cause = "no port is named, and there is no terminal to ask for boards at"
        raise UgwError(cause, "name them with --port: ugw flash list shows them")
    esptool = tools.find(how.esptool)._replace(baud=how.baud)
    ports = ports_of(how.ports, talk(as_json=how.as_json), pause)
    made_with = Tools(esptool, how.wait_s, int(time.time()))
    return BoardMaker(ports, made_with, results, partial(_watching, as_json=how.as_json))


@contextmanager
def _watching(gateway: str, *, as_json: bool) -> Generator[Watcher]:
    with watching(as_json=as_json, about=gateway) as watcher:
        yield watcher


def _tell_plan(jobs: Sequence[Job], *, as_json: bool) -> None:
    """Look at what each kind is made of, and say what would be made."""
    first = {str(job.opened.path): job for job in reversed(jobs)}
    with watching(as_json=as_json) as watcher:
        for job in first.values():
            _check_material(job, watcher)
    rows = [
        {
            "gateway": job.gateway,
            "kind": job.kind,
            "shortCode": job.short_code,
            "profile": str(job.opened.path),
        }
        for job in jobs
    ]
    if as_json:
        answer({"dryRun": True, "rows": rows}, as_json=True, text="")
        return
    show(table(("gateway", "kind", "label", "profile"), [list(row.values()) for row in rows]))
    print(f"{len(jobs)} would be made. Nothing was written.")


def _check_material(job: Job, watcher: Watcher) -> None:
    desk = Desk.here(rehearsal=True)
    claim = claim_of(job.opened, desk)
    if job.kind == _CARD:
        rehearse_card(card_order_of(job, claim, desk), watcher)
        return
    order = order_of(job.row, job.opened, claim, desk)
    read = firmware.read(order.firmware, order.sha256)
    check_material(order, read)
    plan_of(order, read, read.flash_bytes)


def _tell_result(sheet: Sheet, tally: Tally, *, as_json: bool) -> None:
    path = sheet.path.with_suffix(".result.csv")
    sentences = [_count(len(tally.made), "made")]
    which = ", ".join(each.gateway for each in tally.failed)  # their lines have scrolled away
    sentences += [f"{_count(len(tally.failed), 'failed')} ({which})"] if tally.failed else []
    sentences += [_count(len(tally.left), "not begun")] if tally.left else []
    text = f"{', '.join(sentences)}. {path} says what became of each."
    if tally.failed or tally.left:
        text += "\nThe same command goes on with those that are not made."
    facts = {
        "ok": not (tally.failed or tally.left),
        "made": [_facts(each) for each in tally.made],
        "failed": [_facts(each) for each in tally.failed],
        "left": list(tally.left),
        "results": str(path),
        "exitCode": int(tally.code),
    }
    answer(facts, as_json=as_json, text=text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}"


def _facts(result: Result) -> dict[str, str]:
    return {camel(name): text for name, text in result._asdict().items() if text}


def camel(name: str) -> str:
    """Return a field's name as JSON has it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
