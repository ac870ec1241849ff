"""`ugw doctor`: whether a site may be left, and if not, what keeps the green light away."""

import asyncio
import os
import sys
import time
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Final, Self

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gateway.cli import local_agent
from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, load_settings
from gateway.cli.doctor import page, report
from gateway.cli.doctor.examination import Examination, Patience, Site
from gateway.cli.doctor.finding import Finding, Light, overall
from gateway.cli.doctor.language import heading, of_locale, span_in
from gateway.cli.doctor.machine import ThisMachine
from gateway.cli.doctor.words.text import Language
from gateway.cli.local_agent import Sensor, Sensors, Status
from gateway.cli.preflight import Probe, probes
from gateway.cli.preflight.store import agent_runs
from gateway.cli.terminal import show
from gateway.clock import SystemClock
from gateway.config import InvalidConfigError, Settings, Whereabouts, whereabouts
from gateway.config.quantities import duration_ns
from gateway.errors import UgwError
from gateway.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.status import Status as Spinner

_STDOUT: Final = "-"
_ELSEWHERE: Final = "name a folder this user may write, as /tmp; or let the shell write it: --json"
_NS_PER_S: Final = 1_000_000_000

LanguageOption = Annotated[
    Language | None,
    typer.Option("--lang", help="The language; by default that of the terminal."),
]
ReportOption = Annotated[
    str, typer.Option("--report", metavar="FILE", help="Write the site report there, as JSON.")
]
PdfOption = Annotated[
    str,
    typer.Option("--pdf", metavar="FILE", help="Write it as a page of PDF; -: to the output."),
]
WaitOption = Annotated[
    str, typer.Option(metavar="TIME", help="For how long to wait for an acknowledgement.")
]


def doctor(  # noqa: PLR0913 - options
    config: ConfigOption = DEFAULT,
    *,
    lang: LanguageOption = None,
    report_to: ReportOption = "",
    pdf: PdfOption = "",
    wait: WaitOption = "2min",
    as_json: JsonOption = False,
) -> None:
    """Look at everything between a sensor and the platform, and say what to do.

    Power, disk, time, network, the broker's name, the connection, the broker, the agent, whether
    the broker has acknowledged an observation, the radios, each sensor: one line each, with cause
    and remedy where something is wrong. Green light means that the broker has acknowledged an
    observation of this gateway, from a sensor to the PUBACK; the newest acknowledgement may be as
    old as --wait, and if there is none, one is waited for as long.

    It asks the agent that runs, and disturbs nothing. Without one it starts none and says so; the
    broker is then visited as by `ugw check`. Ends with 0 at green light, else with 1.

    [bold]Examples[/bold]

      ugw doctor
      ugw doctor --lang de --wait 5min
      ugw doctor --json > site.json
      ugw doctor --pdf - > site.pdf
    """
    wish = _Wish(
        config=config,
        language=lang or of_locale(os.environ),
        report_to=report_to,
        pdf_to=pdf,
        as_json=as_json,
        wait_s=_seconds(wait),
    )
    wish.refuse_what_cannot_be()
    raise typer.Exit(asyncio.run(_examined(wish)))


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    config: Path
    language: Language
    report_to: str
    pdf_to: str
    as_json: bool
    wait_s: float

    @property
    def silent(self) -> bool:
        """Whether the output is for a program."""
        return self.as_json or self.pdf_to == _STDOUT

    def refuse_what_cannot_be(self) -> None:
        """Find out before anybody has waited. Raises typer.BadParameter or UgwError."""
        if self.as_json and self.pdf_to == _STDOUT:
            cause = "one of the two goes to the output, not both"
            raise typer.BadParameter(cause, param_hint="--pdf")
        if self.pdf_to:
            load_pdf()
        for path in {self.report_to, self.pdf_to} - {"", _STDOUT}:
            if not Path(path).parent.is_dir():
                cause = f"{path} cannot be written: its folder is not there"
                raise UgwError(cause, _ELSEWHERE)


def _seconds(written: str) -> float:
    try:
        return duration_ns(written) / _NS_PER_S
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None


async def _examined(wish: _Wish) -> ExitCode:
    site, clock = _site(wish.config)
    with _Talk(wish) as talk:
        patience = Patience(wish.wait_s, time.monotonic, asyncio.sleep, talk.wait)
        examined = Examination(site, patience)
        async with aclosing(examined.walk()) as findings:
            async for finding in findings:
                talk.tell(finding)
    made = report.made(
        examined,
        site.settings,
        system=report.system_of(site.machine),
        time=report.when(clock.reading(), time.time()),
        language=wish.language,
    )
    if not wish.silent:
        print()
        show(page.conclusion(examined.findings, wish.language))
    _hand_over(made, wish)
    return ExitCode.OK if overall(examined.findings) is Light.GREEN else ExitCode.FAILED


def _site(config: Path) -> tuple[Site, SystemClock]:
    """Find out what there is to look at; a configuration that cannot be used is a finding too."""
    where = whereabouts(config)
    settings: Settings | None = None
    invalid: InvalidConfigError | None = None
    wanted: list[Probe] = []
    clock = SystemClock()
    try:
        settings, registry = load_settings(config)
        wanted = list(probes(settings, registry))
        clock = SystemClock(settings.clock.source)
    except InvalidConfigError as error:
        invalid = error
    site = Site(
        machine=ThisMachine(),
        clock=clock,
        wall_s=time.time,
        where=where,
        settings=settings,
        invalid=invalid,
        probes=wanted,
        asked=_Local(where),
    )
    return site, clock


class _Local:
    """The agent of this machine, asked over HTTP."""

    def __init__(self, where: Whereabouts) -> None:
        self._where = where

    def status(self) -> Status:
        """Return how it is. Raises AgentAwayError."""
        return local_agent.ask(self._where, "/status", Status)[0]

    def sensors(self) -> list[Sensor]:
        """Return what it hears. Raises AgentAwayError."""
        return local_agent.ask(self._where, "/sensors", Sensors)[0].sensors

    def runs(self) -> bool:
        """Whether it has its store."""
        return agent_runs(self._where.store.path)


# -------------------------------------------------------------------------------------- the output
class _Talk:
    """Prints each finding as it comes, and on a terminal what is still being done."""

    def __init__(self, wish: _Wish) -> None:
        self._language = wish.language
        self._silent = wish.silent
        self._attended = not wish.silent and sys.stdout.isatty() and sys.stderr.isatty()
        self._spinner: Spinner | None = None

    def __enter__(self) -> Self:
        self._spin(heading("looking", self._language))
        return self

    def __exit__(self, *_error: object) -> None:
        self._pause()

    def tell(self, finding: Finding) -> None:
        """Print one; there is but one terminal, so the spinner pauses meanwhile."""
        self._pause()
        if not self._silent:
            show(page.line(finding, self._language))
        self._spin(heading("looking", self._language))

    def wait(self, left_s: float) -> None:
        """Say for how long an acknowledgement is waited for."""
        left = span_in(int(left_s), self._language)
        text = heading("waiting", self._language, left=left)
        if self._spinner is None:
            self._spin(text)
        else:
            self._spinner.update(Text(text, "dim"))

    def _spin(self, text: str) -> None:
        if self._attended:
            self._spinner = Console(stderr=True).status(Text(text, "dim"))
            self._spinner.start()

    def _pause(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


def _hand_over(made: report.SiteReport, wish: _Wish) -> None:
    """Write the report to wherever it is wanted. Raises UgwError."""
    encoded = report.encode(made)
    if wish.as_json:
        print(encoded.decode(), end="")
    if wish.report_to:
        _write(wish.report_to, encoded)
    if wish.pdf_to == _STDOUT:
        sys.stdout.buffer.write(load_pdf().render(made))
    elif wish.pdf_to:
        _write(wish.pdf_to, load_pdf().render(made))


def _write(path: str, content: bytes) -> None:
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        cause = f"{path} cannot be written: {error.strerror}"
        raise UgwError(cause, _ELSEWHERE) from error


def load_pdf() -> ModuleType:
    """Return what draws the report, loaded only now. Raises UgwError where it is not installed."""
    try:
        return import_module("gateway.cli.doctor.pdf")
    except ModuleNotFoundError as error:
        cause = f"a report as PDF needs what is not installed here: there is no {error.name}"
        remedy = "pip install 'urban-gateway[report]'; or the same as JSON: --report FILE"
        raise UgwError(cause, remedy) from error
