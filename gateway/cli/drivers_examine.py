"""`ugw drivers test`: whether drivers keep what docs/reference/driver-interface.md promises."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from gateway.cli.configuration import JsonOption, installed_drivers
from gateway.cli.terminal import print_json
from gateway.config.findings import printable
from gateway.conformance import suite
from gateway.conformance.checks import MOST, Finding, Outcome
from gateway.errors import DriverError
from gateway.exit_codes import ExitCode
from gateway.registry import Quarantined, Registry, add_file

_SHOWN: Final = 5  # findings of a check
_SHOWN_BYTES: Final = 48  # of a finding, in hexadecimal digits
_NAME: Final = 13  # columns
_LOADING: Final = "loads"  # the check that a driver fails that is set aside


def examine(
    what: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL|FILE", show_default=False)
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that are installed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Test drivers, by their MODEL or by a file: all that a driver has to promise.

    Its examples decode to the digit; every truncation and flipped bit of them, and random frames,
    decode or are refused; no other driver claims them; names, types, units and channels are
    right; it is quick, forgets, and runs on MicroPython. Ends with 1 where something is found.

    [bold]Examples[/bold]

      ugw drivers test acme_x1.py
      ugw drivers test bthome-v2 ruuvi-rawv2
      ugw drivers test --all --json | jq '.findings'
    """
    if not what and not everything:
        message = "name a MODEL or a FILE, or say --all"
        raise typer.BadParameter(message, param_hint="MODEL|FILE")
    registry = installed_drivers()
    models, broken = _wanted(registry, what or [], everything=everything)
    report = _Report(in_full=len(models) + len(broken) == 1, silent=as_json)
    for one in broken:
        report.tell(_not_loaded(one), one.file)
    for model in models:
        for outcome in suite.outcomes(model, registry):
            report.tell(outcome, _file(registry, model))
    report.end()
    if as_json:
        print_json(report.data())
    raise typer.Exit(ExitCode.FAILED if report.failed else ExitCode.OK)


def _wanted(
    registry: Registry, what: Sequence[str], *, everything: bool
) -> tuple[list[str], list[Quarantined]]:
    """Return the models to test, and the drivers that could not be loaded."""
    if everything:
        return [*registry.models(), *registry.modems()], list(registry.quarantined)
    models: list[str] = []
    broken: list[Quarantined] = []
    for word in what:
        if not word.endswith(".py"):
            models.append(_known(registry, word))
            continue
        file = Path(word).resolve()
        if not file.is_file():
            cause = f"there is no file {word}"
            raise DriverError(cause)
        if not _of_file(registry, file):
            before = len(registry.quarantined)
            add_file(registry, file)
            broken += registry.quarantined[before:]
        models += _of_file(registry, file)
    return models, broken


def _known(registry: Registry, model: str) -> str:
    """Return a MODEL that exists. Raises DriverError."""
    if model not in registry.modems():
        registry.by_model(model)
    return model


def _of_file(registry: Registry, file: Path) -> list[str]:
    """Return the models whose driver stands in a file."""
    every = (*registry.models(), *registry.modems())
    return [model for model in every if Path(_file(registry, model)).resolve() == file]


def _file(registry: Registry, model: str) -> str:
    if model in registry.modems():
        return registry.modem(model).file
    return registry.by_model(model).file


def _not_loaded(broken: Quarantined) -> Outcome:
    place = f"{broken.file}:{broken.line}: {broken.reason}"
    return Outcome(
        model=broken.name,
        check=_LOADING,
        sentence="it can be imported, and fits the interface",
        findings=(Finding("", "", place),),
    )


class _Report:
    """Says what is found as it is found: of one driver every check, of many what fails."""

    def __init__(self, *, in_full: bool, silent: bool) -> None:
        self.outcomes: list[Outcome] = []
        self._in_full = in_full
        self._silent = silent
        self._console = Console(highlight=False, emoji=False, soft_wrap=True)
        self._model = ""

    @property
    def failed(self) -> list[Outcome]:
        """Checks that found something."""
        return [outcome for outcome in self.outcomes if not outcome.is_good]

    def tell(self, outcome: Outcome, file: str) -> None:
        """Tell one outcome."""
        if outcome.model != self._model:
            self._close()
            self._model = outcome.model
            if self._in_full:
                self._print(Text.assemble((outcome.model, "bold"), f"  {printable(file)}\n"))
        self.outcomes.append(outcome)
        if self._in_full or not outcome.is_good:
            self._print(_line(outcome, self._in_full))
            for text in _findings(outcome.findings):
                self._print(text)

    def end(self) -> None:
        """Tell the sum."""
        self._close()
        drivers = len({outcome.model for outcome in self.outcomes})
        left_out = sum(bool(outcome.left_out) for outcome in self.outcomes)
        done = len(self.outcomes) - left_out
        counts = f"{_count(drivers, 'driver')}, {_count(done, 'check')}"
        failed = len(self.failed)
        verdict = Text(f"{failed} failed", "bold red") if failed else Text("all good", "green")
        aside = f" ({left_out} do not apply)" if left_out else ""
        self._print(Text.assemble(f"\n{counts}{aside}: ", verdict))

    def data(self) -> dict[str, object]:
        """Return what programs read."""
        findings = [
            {"model": one.model, "check": one.check, **msgspec.to_builtins(finding)}
            for one in self.outcomes
            for finding in one.findings
        ]
        return {
            "ok": not self.failed,
            "checks": [_told(outcome) for outcome in self.outcomes],
            "findings": findings,
        }

    def _close(self) -> None:
        """Tell that a driver among many is in order."""
        mine = [outcome for outcome in self.outcomes if outcome.model == self._model]
        if mine and not self._in_full and all(outcome.is_good for outcome in mine):
            done = [outcome for outcome in mine if not outcome.left_out]
            self._print(
                Text.assemble(("  ✓ ", "green"), f"{self._model:{_NAME * 2}}  {len(done)} checks")
            )

    def _print(self, text: Text) -> None:
        if not self._silent:
            self._console.print(text)
            sys.stdout.flush()


def _told(outcome: Outcome) -> dict[str, object]:
    state = "left out" if outcome.left_out else "ok" if outcome.is_good else "failed"
    told = {"model": outcome.model, "check": outcome.check, "state": state}
    return {**told, "why": outcome.left_out} if outcome.left_out else dict(told)


def _line(outcome: Outcome, in_full: bool) -> Text:  # noqa: FBT001 - of one driver or of many
    name = f"{outcome.check:{_NAME}}" if in_full else f"{outcome.model}: {outcome.check}  "
    if outcome.left_out:
        return Text(f"  - {name}{outcome.left_out}", "dim")
    sign = ("  ✓ ", "green") if outcome.is_good else ("  ✗ ", "bold red")
    return Text.assemble(sign, name, outcome.sentence)


def _findings(findings: Sequence[Finding]) -> Iterator[Text]:
    for finding in findings[:_SHOWN]:
        data = finding.data
        shown = data if len(data) <= _SHOWN_BYTES else data[:_SHOWN_BYTES] + "…"
        yield Text.assemble(
            "      ",
            (printable(finding.example) + " " * bool(finding.example), "cyan"),
            (f"[{shown}] " if shown else "", "dim"),
            printable(finding.what),
        )
    more = len(findings) - _SHOWN
    if more > 0:
        yield Text(f"      and {more}{' or more' if len(findings) == MOST else ''} like it", "dim")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
