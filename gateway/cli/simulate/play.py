"""`ugw simulate FILE`: a scenario played to its end, judged where it says what is expected."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import msgspec
import typer

from gateway.cli.broker_address import host_and_port
from gateway.cli.guest import words_of
from gateway.cli.simulate.beside import Wish, until_stopped
from gateway.cli.terminal import note
from gateway.config import duration_ns
from gateway.errors import SimulatorError
from gateway.exit_codes import ExitCode
from gateway.sim.scenario import Scenario, find_scenario, load_scenario
from gateway.sim.theatre import Event, Options, Outcome, perform, reduce

_NS_PER_S = 1e9
_BROKER = "127.0.0.1:1883"

LevelOption = Annotated[
    Literal["inside", "process"] | None,
    typer.Option(
        help="inside: the agent in this process, on virtual time; process: the real ugw run, in"
        " real time. Default for a scenario that expects something: inside, where it can.",
        show_default=False,
    ),
]


def play(  # noqa: PLR0913 - a command has the options it has
    file: Annotated[
        Path, typer.Argument(help="The scenario: a YAML file, or the name of a shipped one.")
    ],
    *,
    level: LevelOption = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    duration: Annotated[str, typer.Option(help="Instead of the scenario's, e.g. 90s.")] = "",
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="So many times as fast as real time; inside: as fast as it goes."
        ),
    ] = None,
    run: Annotated[
        str,
        typer.Option(
            help="A program to run in this world instead of ugw; {config} is replaced by the"
            " configuration. The simulation ends with it."
        ),
    ] = "",
    broker: Annotated[
        str, typer.Option(help="Where an agent beside it is to send, HOST:PORT.")
    ] = _BROKER,
    write: Annotated[
        Path | None,
        typer.Option(help="Where to put the agent's configuration; else it goes at the end."),
    ] = None,
    timeline: Annotated[
        Path | None, typer.Option(help="Write what happened here, a JSON object a line.")
    ] = None,
    reduced: Annotated[
        Path | None,
        typer.Option(help="If it fails inside: write the smallest scenario that still fails."),
    ] = None,
    tui: Annotated[
        bool, typer.Option("--tui", help="Show it on the terminal as it goes.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The outcome, for programs.")] = False,
) -> None:
    """Play a scenario, and judge it by what it expects.

    A scenario with `expect` is a test: it ends with 0 when all came true, else with 1 and a report
    of the seed, what happened around the failure, and the command that plays it again. A scenario
    without is hardware for an agent beside it: what that agent needs goes to stdout, what happens
    to stderr, until Ctrl-C.

    [bold]Examples[/bold]

      ugw simulate broker-away
      ugw simulate street.yaml --level process --tui
      ugw simulate street.yaml --seed 7 --timeline street.jsonl
      ugw simulate street.yaml --run 'ugw run --config {config}'
    """
    scenario = load_scenario(find_scenario(file), level)
    given = Given(
        file=file,
        level=level,
        seed=seed,
        speed=speed,
        duration_s=_seconds(duration),
        program=run,
        tui=tui,
    )
    if level is None and not scenario.expect:
        raise typer.Exit(_beside(scenario, given, broker, write))
    _refuse_what_has_no_effect(broker, write)
    outcome = _perform(scenario, given, _Teller(timeline, quiet=as_json or tui))
    if as_json:
        print(json.dumps(_facts(outcome), ensure_ascii=False))
    else:
        print(outcome.report())
    if not outcome.ok and reduced is not None:
        _reduce(scenario, given, reduced)
    if not outcome.ok:
        raise typer.Exit(ExitCode.FAILED)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of how to play."""

    file: Path
    level: Literal["inside", "process"] | None
    seed: int | None
    speed: float | None
    duration_s: float | None
    program: str
    tui: bool

    def level_of(self, scenario: Scenario) -> Literal["inside", "process"]:
        """Return the level to play on."""
        if self.level is not None:
            return self.level
        return "inside" if "inside" in scenario.levels and not self.program else "process"


class _Teller:
    """Tells events as lines, and writes them down where that is wanted."""

    def __init__(self, timeline: Path | None, *, quiet: bool) -> None:
        self._file = None
        self._quiet = quiet
        if timeline is not None:
            try:
                self._file = timeline.open("w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise typer.BadParameter(str(error), param_hint="--timeline") from None

    def __call__(self, event: Event) -> None:
        if not self._quiet:
            typer.echo(f"{max(0.0, event.at_s):10.1f} s  {event.gateway}  {event.what}", err=True)
        if self._file is not None:
            line = json.dumps(msgspec.to_builtins(event), ensure_ascii=False) + "\n"
            try:
                self._file.write(line)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Play on without the file: what was played is worth more than a record of it."""
        file, self._file = self._file, None
        if file is not None:
            note(f"{file.name} cannot be written, and ends here: {error.strerror}")
            with suppress(OSError):  # what it still holds has no room either
                file.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)


def _perform(scenario: Scenario, given: Given, teller: _Teller) -> Outcome:
    level = given.level_of(scenario)
    command = tuple(words_of(given.program)) if given.program else ()
    options = Options(file=given.file, command=command, duration_s=given.duration_s)

    def performed(
        tell: Callable[[Event], None], look: Callable[..., None] | None = None
    ) -> Outcome:
        return perform(
            scenario,
            level,
            seed=given.seed,
            speed=given.speed if given.speed is not None else 1.0 if level == "process" else 0.0,
            tell=tell,
            look=look,
            options=options,
        )

    # Who ends it by SIGTERM, as `timeout` does, has it ended in order too.
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        if given.tui and sys.stderr.isatty():
            from gateway.cli.simulate.page import shown  # noqa: PLC0415 - rich's Live: only here

            return shown(scenario.name, teller, performed)
        return performed(teller)
    finally:
        signal.signal(signal.SIGTERM, before)
        teller.close()


def _as_ctrl_c(_: int, __: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        "ok": outcome.ok,
        "level": outcome.level,
        "seed": outcome.seed,
        "duration_s": round(outcome.duration_s, 3),
        "took_s": round(outcome.took_s, 3),
        "sent": outcome.sent,
        "delivered": outcome.delivered,
        "verdicts": msgspec.to_builtins(outcome.verdicts),
    }


def _reduce(scenario: Scenario, given: Given, file: Path) -> None:
    if given.level_of(scenario) != "inside":
        note("only level inside is fast enough to be reduced: --reduced has no effect")
        return
    if given.seed is not None:
        scenario = scenario.model_copy(update={"seed": given.seed})
    if given.duration_s is not None:
        lasts_ns = round(given.duration_s * _NS_PER_S)
        scenario = scenario.model_copy(update={"duration_ns": lasts_ns})
    note("looking for the smallest scenario that still fails: this may take a minute or two")
    smallest = reduce(scenario, "inside").to_yaml()
    try:
        file.write_text(smallest, encoding="utf-8")
    except OSError as error:
        cause = f"{file} cannot be written: {error.strerror}"
        raise SimulatorError(cause, "name another file with --reduced") from None
    note(f"the smallest scenario that still fails: {file}")


def _refuse_what_has_no_effect(broker: str, write: Path | None) -> None:
    if broker != _BROKER or write is not None:
        hint = "--broker" if broker != _BROKER else "--write"
        text = "a scenario that is judged has a broker and a configuration of its own"
        raise typer.BadParameter(text, param_hint=hint)


def _beside(scenario: Scenario, given: Given, broker: str, write: Path | None) -> int:
    if given.seed is not None:
        scenario = scenario.model_copy(update={"seed": given.seed})
    wish = Wish(
        broker=host_and_port(broker),
        directory=write,
        duration_s=given.duration_s,
        program=given.program,
    )
    return asyncio.run(until_stopped(scenario, wish))


def _seconds(duration: str) -> float | None:
    if not duration:
        return None
    try:
        lasts_ns = duration_ns(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from None
    if not lasts_ns:
        message = "in no time nothing happens"
        raise typer.BadParameter(message, param_hint="--duration")
    return lasts_ns / _NS_PER_S
