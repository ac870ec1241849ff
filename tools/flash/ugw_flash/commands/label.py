"""`ugw flash label`: labels for the housings of a sheet's gateways, to print and to stick on."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import note
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import alone
from ugw_flash.batch.planning import Choice, Job, jobs_of, named
from ugw_flash.batch.results import Results
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.batch import OnlyOption, SheetArgument, SheetProfileOption
from ugw_flash.commands.bundle import check_bundle
from ugw_flash.commands.options import DryRunOption, JsonOption, SignedByOption
from ugw_flash.labels.drawing import write_pdf, write_png
from ugw_flash.labels.making import claim_for, label_of
from ugw_flash.labels.model import Label
from ugw_flash.outcome import BadMaterialError


def label(  # noqa: PLR0913 - options of a command
    sheet: SheetArgument,
    *,
    profile: SheetProfileOption = None,
    only: OnlyOption = None,
    pdf: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A page of 50 by 25 mm for each, for label printers."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A picture for each, 300 dots per inch.")
    ] = None,
    signed_by: SignedByOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the labels of a sheet's gateways.

    A label shows the short code of the gateway, its id, its place and its MAC, and as a QR code
    where it is claimed (identity.claim_url of the profile) with the claim itself: never a key, nor
    a password. It can be printed before or after the gateway is made: both take the claim from
    SHEET's .claims.csv. That file and the labels are for their owner alone; delete them when the
    labels are on the housings.

    [bold]Example[/bold]

        ugw flash label sites.csv --profile kiel --pdf labels.pdf
    """
    with answering(as_json=as_json):
        if pdf is None and png is None and not dry_run:
            message = "say --pdf FILE or --png FOLDER"
            raise typer.BadParameter(message)
        read = read_sheet(sheet)
        check_bundle(read.path.parent, signed_by, as_json=as_json)
        desk = Desk.here(rehearsal=dry_run)
        jobs = named(jobs_of(read, profile), Choice(only or ()))
        with nullcontext() if dry_run else alone(read.path):
            labels = _labels(jobs, Claims.beside(read), Results.beside(read), desk)
        made = [] if dry_run else _draw(labels, pdf, png)
        text = "\n".join(f"{each.short_code}  {each.gateway}" for each in labels)
        told = f"{text}\n{len(labels)} labels: {', '.join(made) or 'nothing was written'}"
        rows = [{"gateway": each.gateway, "shortCode": each.short_code} for each in labels]
        answer({"dryRun": dry_run, "labels": rows, "files": made}, as_json=as_json, text=told)


def _labels(jobs: list[Job], claims: Claims, results: Results, desk: Desk) -> list[Label]:
    labels: list[Label] = []
    for job in jobs:
        found = claim_for(job, claims, results, desk)
        if found.why_not:
            note(f"{job.gateway}: no claim on its label: {found.why_not}")
        labels.append(label_of(job, results, found))
    return labels


def _draw(labels: list[Label], pdf: Path | None, png: Path | None) -> list[str]:
    made: list[str] = []
    if pdf is not None:
        write_pdf(labels, pdf)
        made.append(str(pdf))
    if png is not None:
        try:
            png.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            cause = f"{png} cannot be made: {error.strerror}"
            raise BadMaterialError(cause, "name another folder") from None
        for each in labels:
            write_png(each, png / f"{each.gateway}.png")
        made.append(str(png))
    return made
