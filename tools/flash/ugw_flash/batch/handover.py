"""What is handed over when the gateways of a sheet hang: which were made, and which deliver.

Two sources: the results beside the sheet, and the site reports that `ugw doctor --report` wrote on
the gateways. A gateway delivers when its own report says that the broker acknowledged an
observation; made is not enough.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.config.files import read_regular
from ugw_flash.batch.results import MADE, Result, Results
from ugw_flash.batch.sheet import Sheet
from ugw_flash.outcome import BadMaterialError

SCHEMA: Final = "ugw.site-report/1"
_MOST_BYTES: Final = 4_000_000
_UNDATED: Final = "undated"  # its clock was not set
_OLDER: Final = "its report is older than its card or board"
_TO_SECONDS: Final = len("2026-11-22T17:20:00")


class State(StrEnum):
    """How far a gateway has come."""

    TO_MAKE = "to make"
    FAILED = "failed"
    MADE = "made"
    """Nobody has reported from its site yet."""
    TROUBLE = "trouble"
    """Its report is red, or nothing was acknowledged."""
    DELIVERS = "delivers"


class Sensor(msgspec.Struct, frozen=True):
    """Of a sensor, what is summed up."""

    light: str


class SiteReport(msgspec.Struct, frozen=True, rename="camel"):
    """Of a site report, what is summed up."""

    schema: str
    light: str
    acknowledged: bool
    software: str
    gateway: str = ""
    org: str = ""
    report_time: str = ""
    sensors: tuple[Sensor, ...] = ()


class Line(NamedTuple):
    """A gateway in the handover."""

    gateway: str
    site: str
    short_code: str
    state: State
    made: str  # when, UTC; empty: not yet
    device: str
    reported: str  # when
    light: str
    sensors_green: int
    sensors: int
    software: str
    remark: str


def handover(sheet: Sheet, results: Results, reports: Mapping[str, SiteReport]) -> Iterator[Line]:
    """Yield a line for each row of a sheet; reports are by gateway.

    A report from before a gateway was made says nothing of it, and is left aside.
    """
    for row in sheet.rows:
        last, report = results.last(row.gateway), reports.get(row.gateway)
        made = results.made(row.gateway)
        failed = last is not None and last.result != MADE
        remark = last.cause if last and failed else ""
        if made is not None and report is not None and _is_older(report, made):
            report, remark = None, remark or _OLDER
        yield Line(
            gateway=row.gateway,
            site=row.site or row.name,
            short_code=last.short_code if last else "",
            state=_state(made is not None, failed, report),
            made=made.time if made else "",
            device=made.device if made else "",
            reported=(report.report_time or _UNDATED) if report else "",
            light=report.light if report else "",
            sensors_green=sum(each.light == "green" for each in report.sensors) if report else 0,
            sensors=len(report.sensors) if report else 0,
            software=report.software if report else "",
            remark=remark,
        )


def _is_older(report: SiteReport, made: Result) -> bool:
    return "" < report.report_time[:_TO_SECONDS] < made.time[:_TO_SECONDS]


def _state(made: bool, failed: bool, report: SiteReport | None) -> State:  # noqa: FBT001 - two facts
    if report is not None:
        good = report.acknowledged and report.light != "red"
        return State.DELIVERS if good else State.TROUBLE
    if made:
        return State.MADE
    return State.FAILED if failed else State.TO_MAKE


def read_reports(places: Iterable[Path]) -> dict[str, SiteReport]:
    """Read site reports, and all in a folder (.json); of one gateway the latest counts.

    Raises BadMaterialError for a file that is none.
    """
    found: dict[str, SiteReport] = {}
    for path in _files(places):
        report = _read(path)
        before = found.get(report.gateway)
        if before is None or before.report_time <= report.report_time:
            found[report.gateway] = report
    return found


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(place.glob("*.json"))
        else:
            yield place


def _read(path: Path) -> SiteReport:
    try:
        report = msgspec.json.decode(read_regular(path, _MOST_BYTES), type=SiteReport)
    except ValueError as error:  # msgspec's are
        cause = f"{path} is no site report: {error}"
        raise BadMaterialError(cause, "`ugw doctor --report FILE` writes one") from None
    if report.schema != SCHEMA or not report.gateway:
        cause = f"{path} is no site report of a gateway ({SCHEMA})"
        raise BadMaterialError(cause, "`ugw doctor --report FILE` writes one")
    return report
