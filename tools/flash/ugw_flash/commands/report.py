"""`ugw flash report`: what is handed over of a sheet's gateways, which of them deliver."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.terminal import show, table
from ugw_flash.batch.handover import Line, State, handover, read_reports
from ugw_flash.batch.handover_pdf import summary, write_pdf
from ugw_flash.batch.results import Results
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.commands.answers import answer, answering
from ugw_flash.commands.batch import SheetArgument, camel
from ugw_flash.commands.options import JsonOption

_SHOWN = ("gateway", "site", "state", "made", "reported", "light", "sensors", "remark")


def report(
    sheet: SheetArgument,
    reports: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[REPORT...]", help="Site reports of gateways, or folders of them."
        ),
    ] = None,
    *,
    pdf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The handover on paper, to be signed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what became of a sheet's gateways: made, failed, delivering.

    Site reports are what [bold]ugw doctor --report FILE[/bold] writes on a gateway. A gateway
    delivers when its report says that the broker acknowledged an observation of it; of several
    reports the latest counts.

    [bold]Example[/bold]

        ugw flash report sites.csv reports --pdf handover.pdf
    """
    with answering(as_json=as_json):
        read = read_sheet(sheet)
        found = read_reports(reports or ())
        lines = list(handover(read, Results.beside(read), found))
        known = {line.gateway for line in lines}
        strangers = sorted(each for each in found if each not in known)
        if pdf is not None:
            write_pdf(f"Handover: {sheet.stem}", lines, pdf)
        if not as_json:
            show(table(_SHOWN, map(_shown, lines)))
        _tell(lines, strangers, pdf, as_json=as_json)


def _tell(lines: list[Line], strangers: list[str], pdf: Path | None, *, as_json: bool) -> None:
    text = summary(lines) + "."
    if strangers:
        text += f"\nReports of gateways that are not in the sheet: {', '.join(strangers)}."
    text += f"\n{pdf}: to be signed." if pdf else ""
    facts = {
        "gateways": [_facts(line) for line in lines],
        "counts": {state.value: sum(line.state is state for line in lines) for state in State},
        "notInSheet": strangers,
        "pdf": str(pdf) if pdf else None,
    }
    answer(facts, as_json=as_json, text=text)


def _shown(line: Line) -> list[str]:
    sensors = f"{line.sensors_green}/{line.sensors}" if line.light else ""
    first = (line.gateway, line.site, line.state.value, line.made)
    return [*first, line.reported, line.light, sensors, line.remark]


def _facts(line: Line) -> dict[str, object]:
    return {camel(name): value for name, value in line._asdict().items() if value != ""}
