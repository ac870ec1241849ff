"""The site report: valid by its schema whatever was found, and one page of paper."""

import asyncio
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.cli.doctor import pdf, report
from gateway.cli.doctor.examination import Examination, Patience, Site
from gateway.cli.doctor.finding import Light
from gateway.cli.doctor.report import SiteReport, System
from gateway.cli.doctor.words.text import Language
from gateway.cli.local_agent import AgentAwayError, Sensor, Status
from gateway.clock import ClockReading, ClockState
from gateway.config import Settings, load, whereabouts
from tests.cli.places import configuration
from tests.cli.sites import ON_THE_NETWORK, FakeMachine, sensor, status
from tests.schema.published import OPEN, STRICT, schema, schema_faults
from tests.schema.validator import read

EN, DE = Language.EN, Language.DE
A4_POINTS = (595, 841)
PAGE = re.compile(rb"/Type /Page\b")
SILENT = {"silent": True, "lastHeardAgoS": 900}
HEARD = {"heard": 9, "observed": 6, "delivered": 6}
NAMED = "name: 'Lessingplatz, Mast 7 „Süd“', location: {lat: 54.3233, lon: 10.1394}"


class Agent:
    """An agent that answers, or does not."""

    def __init__(self, answer: Status | None, sensors: list[Sensor]) -> None:
        self._answer = answer
        self._sensors = sensors

    def status(self) -> Status:
        if self._answer is None:
            cause = "no agent is running (127.0.0.1:8080: Connection refused)"
            raise AgentAwayError(cause, "systemctl start ugw, or see why not: ugw check")
        return self._answer

    def sensors(self) -> list[Sensor]:
        return self._sensors

    def runs(self) -> bool:
        return False


class Clock:
    """A clock that is right, or is not."""

    def __init__(self, state: ClockState) -> None:
        self._state = state

    def reading(self) -> ClockReading:
        return ClockReading(self._state)


async def nothing(_seconds: float) -> None:
    """Wait for nothing."""


def settings_of(folder: Path) -> tuple[Path, Settings]:
    path = configuration(folder)
    path.write_text(path.read_text().replace("id: gw-1", f"id: gw-1, {NAMED}"))
    return path, load(path, drivers=(), modems={})


def reported(
    folder: Path,
    answer: Status | None,
    sensors: list[Sensor],
    *,
    language: Language = EN,
    state: ClockState = ClockState.SYNCED,
) -> SiteReport:
    """Return the report of an examination of a machine out of files."""
    path, settings = settings_of(folder)
    machine = FakeMachine(folder, {"/proc/device-tree/model": "Pi 4\0"}, ON_THE_NETWORK)
    site = Site(
        machine=machine,
        clock=Clock(state),
        wall_s=time.time,
        where=whereabouts(path),
        settings=settings,
        invalid=None,
        probes=[],
        asked=Agent(answer, sensors),
    )
    examination = Examination(site, Patience(0.0, time.monotonic, nothing, lambda _: None))

    async def walk() -> None:
        async for _ in examination.walk():
            pass

    asyncio.run(walk())
    return report.made(
        examination,
        settings,
        system=report.system_of(machine),
        time=report.when(site.clock.reading(), time.time()),
        language=language,
    )


def well(**parts: Any) -> Status:  # noqa: ANN401 - whatever a test wants otherwise
    return status(status__counters=HEARD, **parts)


# -------------------------------------------------------------------------------------- the schema
@pytest.mark.parametrize("form", [OPEN, STRICT])
def test_its_schema_is_sound_and_says_what_each_field_means(form: str) -> None:
    document = schema(form, "site-report")
    Draft202012Validator.check_schema(document)
    assert all(field["description"] for field in document["properties"].values())


@pytest.mark.parametrize("language", Language)
def test_the_report_of_a_site_that_is_well_is_valid_and_green(
    tmp_path: Path, language: Language
) -> None:
    made = reported(tmp_path, well(), [sensor()], language=language)
    told = read(report.encode(made).decode())
    assert list(schema_faults(STRICT, "site-report", told)) == []
    assert (told["light"], told["acknowledged"]) == ("green", True)
    assert (told["org"], told["gateway"]) == ("kiel", "gw-1")
    assert told["system"]["model"] == "Pi 4"
    assert told["sensors"][0]["name"] == "Lamp"


@pytest.mark.parametrize(
    ("answer", "sensors"),
    [
        (None, []),
        (status(uplink__connected=False), [sensor(**SILENT)]),
        (status(transports=[]), []),
        (well(), [sensor(medium="lora", rssi=-120, snr=-3.5, spreadingFactor=9)]),
        (well(), [sensor(name="", expectedIntervalS=None, rssi=None, lastHeardAgoS=None)]),
    ],
)
def test_the_report_of_a_site_in_trouble_is_valid(
    tmp_path: Path, answer: Status | None, sensors: list[Sensor]
) -> None:
    told = read(report.encode(reported(tmp_path, answer, sensors)).decode())
    assert list(schema_faults(STRICT, "site-report", told)) == []
    assert list(schema_faults(OPEN, "site-report", told)) == []


def test_the_schema_takes_no_green_light_without_an_acknowledgement(tmp_path: Path) -> None:
    told = read(report.encode(reported(tmp_path, well(), [sensor()])).decode())
    told["acknowledged"] = False
    assert list(schema_faults(STRICT, "site-report", told))
    assert list(schema_faults(OPEN, "site-report", told))


def test_a_report_is_not_dated_by_a_clock_that_cannot_be_believed(tmp_path: Path) -> None:
    made = reported(tmp_path, well(), [sensor()], state=ClockState.UNSYNCED)
    told = read(report.encode(made).decode())
    assert "reportTime" not in told
    assert list(schema_faults(STRICT, "site-report", told)) == []


def test_no_sensors_address_is_in_the_report(tmp_path: Path) -> None:
    assert b"C0:FF:EE" not in report.encode(reported(tmp_path, well(), [sensor()]))


# --------------------------------------------------------------------------------------- the paper
def text_of(page: bytes) -> str:
    """Return what the page says, as a reader of PDF reads it."""
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no program pdftotext (Debian: poppler-utils) to read a PDF with")
    words = ["pdftotext", "-layout", "-", "-"]
    return subprocess.run(words, input=page, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("count", [0, 1, 25, 300])
def test_it_is_one_page_however_many_sensors_there_are(
    tmp_path: Path, language: Language, count: int
) -> None:
    sensors = [sensor(name=f"Leuchte {number}") for number in range(count)]
    page = pdf.render(reported(tmp_path, well(), sensors, language=language))
    assert len(PAGE.findall(page)) == 1


def test_it_is_one_page_however_long_the_causes_are(tmp_path: Path) -> None:
    down = {"name": "ble:hci0", "state": "down", "sinceS": 9, "cause": "it is away; " * 60}
    sensors = [sensor(name=f"Leuchte {number}", **SILENT) for number in range(40)]
    page = pdf.render(reported(tmp_path, well(transports=[down] * 16), sensors))
    assert len(PAGE.findall(page)) == 1


def test_where_not_all_sensors_fit_those_that_need_somebody_come_first(tmp_path: Path) -> None:
    sensors = [sensor(name=f"Leuchte {number}") for number in range(300)]
    sensors.append(sensor(name="Die Stille", **SILENT))
    shown = text_of(pdf.render(reported(tmp_path, well(), sensors, language=DE)))
    assert "Die Stille" in shown
    rest = re.search(r"und (\d+) weitere, davon (\d+) grün", shown)
    assert rest is not None
    assert rest[1] == rest[2]
    assert len(re.findall(r"Leuchte \d+", shown)) == 300 - int(rest[1])


def test_it_shows_what_is_wrong_and_what_to_do_and_umlauts(tmp_path: Path) -> None:
    away = status(
        uplink__connected=False,
        uplink__cause="broker.example:8883 refuses connections",
        uplink__remedy="is the broker running, on that port?",
    )
    made = reported(tmp_path, away, [sensor(name="Müllbehälter Łódź 桜")], language=DE)
    shown = text_of(pdf.render(made))
    assert "Kein grünes Licht" in shown
    assert "broker.example:8883 nimmt keine Verbindungen an" in shown
    assert "» läuft der Broker, auf diesem Port?" in shown
    assert "Lessingplatz, Mast 7 „Süd“" in shown
    assert "Müllbehälter Łódz ?" in shown  # the font has no ź, and no 桜


def test_what_a_name_holds_is_no_markup(tmp_path: Path) -> None:
    made = reported(tmp_path, well(), [sensor(name="<b>A & B</b> <img src='x'/>")])
    assert "<b>A & B</b>" in text_of(pdf.render(made))


def test_the_same_report_is_the_same_file() -> None:
    made = SiteReport(
        schema=report.SCHEMA,
        language=EN,
        light=Light.RED,
        acknowledged=False,
        software="ugw 1",
        system=System(kernel="6", python="3.11"),
        checks=[],
        sensors=[],
    )
    assert pdf.render(made) == pdf.render(made)
