"""A scenario performed on a level of its own loop, from the first bench to the last verdict."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, cast

import msgspec

from gateway.errors import SimulatorError, UgwError
from gateway.sim.bench import Bench, Level
from gateway.sim.benches import open_bench
from gateway.sim.expectations import check_needs
from gateway.sim.scenario import Scenario
from gateway.sim.theatre.outcome import Event, Look, Outcome, replay_command
from gateway.sim.theatre.stage import Stage

_FOR_EVER_S: Final = 90 * 86_400.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a performance may be given beside its scenario."""

    command: tuple[str, ...] = ()  # process: another program than ours; {config} is replaced
    directory: Path | None = None  # for logs, store, configuration; None: temporary ones
    file: Path | None = None  # where the scenario is from, for the command that plays it again
    duration_s: float | None = None  # instead of the scenario's


def perform(  # noqa: PLR0913 - each by its name
    scenario: Scenario,
    level: Level,
    *,
    seed: int | None = None,
    speed: float | None = None,
    tell: Callable[[Event], None] | None = None,
    look: Callable[[Look], None] | None = None,
    options: Options | None = None,
) -> Outcome:
    """Play a scenario to its end and judge it; it makes the level's own loop and blocks.

    `speed`: inside, how many times faster than real time it may go (0 or None: as it goes);
    process, how many times faster scenario time runs (None: 1) - sensors, faults, duration, but
    not the agent's own times. `tell` hears of each event, `look` sees each gateway at most four
    times a second of real time.

    Raises SimulatorError for what cannot be: on the level, or as a fault when its time comes. A
    bug in the agent inside is raised as it is, with a note of the command that shows it again.
    Ctrl-C raises KeyboardInterrupt when all is ended.
    """
    options = options or Options()
    if seed is not None:
        scenario = scenario.model_copy(update={"seed": seed})
    check(scenario, level)
    changed = _changed(level, speed, options.duration_s)
    if level == "process" and speed not in (None, 0, 1):
        scenario, options = _hurried(scenario, options, speed or 1.0)
    pace = (speed or 0.0) if level == "inside" else 0.0
    played = _Performance(scenario, level, options, (tell, look, pace))
    try:
        outcome = _run(level, played)
    except Exception as error:
        again = replay_command(options.file, level, scenario.seed, changed)
        refusals = [one for one in _leaves(error) if isinstance(one, UgwError)]
        if len(refusals) == len(list(_leaves(error))):
            raise refusals[0] from None
        error.add_note(f"to see it again: {again}")
        raise
    return msgspec.structs.replace(outcome, changed=changed)


def _hurried(scenario: Scenario, options: Options, speed: float) -> tuple[Scenario, Options]:
    """Return them with times that are so many times as short."""
    if options.duration_s is not None:
        options = msgspec.structs.replace(options, duration_s=options.duration_s / speed)
    return scenario.faster(speed), options


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield what a group of failures consists of, or the one failure."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(one)
    else:
        yield error


def _changed(level: Level, speed: float | None, duration_s: float | None) -> str:
    """Return the options that change what is played; inside the speed changes nothing."""
    options: list[str] = []
    if duration_s is not None:
        whole = duration_s.is_integer()
        options.append(
            f"--duration {duration_s:.0f}s" if whole else f"--duration {duration_s * 1e3:.0f}ms"
        )
    if level == "process" and speed not in (None, 0, 1):
        options.append(f"--speed {speed:g}")
    return " ".join(options)


def check(scenario: Scenario, level: Level) -> None:
    """Refuse a scenario that cannot be played on a level. Raises SimulatorError."""
    if level not in scenario.levels:
        possible = " or ".join(scenario.levels) or "no level: parts of it exclude each other"
        cause = f"the scenario {scenario.name!r} cannot be played on the level {level}"
        raise SimulatorError(cause, f"play it on {possible}")
    if level == "inside" and scenario.duration_ns is None:
        cause = f"the scenario {scenario.name!r} has no duration: inside it would never end"
        raise SimulatorError(cause, "give it a duration, or play it on the level process")
    for expected in scenario.expect:  # before it is played, which may take hours
        check_needs(expected.expectation)


def _run(level: Level, played: "_Performance") -> Outcome:
    if level == "process":
        return asyncio.run(played())
    from gateway.sim.inside.loop import run  # noqa: PLC0415 - of that level only

    return run(played())


class _Performance:
    """One performance, to be awaited once."""

    def __init__(
        self,
        scenario: Scenario,
        level: Level,
        options: Options,
        audience: tuple[Callable[[Event], None] | None, Callable[[Look], None] | None, float],
    ) -> None:
        self._scenario = scenario
        self._level: Level = level
        self._options = options
        self._audience = audience
        self._duration_s = options.duration_s or scenario.duration_s or _FOR_EVER_S

    async def __call__(self) -> Outcome:
        """Enter the benches, play, and leave them."""
        start_s = time.monotonic()
        async with AsyncExitStack() as entered:
            benches = await self._enter(entered)
            tell, look, pace = self._audience
            stage = Stage(self._scenario, benches, tell=tell, look=look, pace=pace)
            await stage.play(self._duration_s)
            ledgers = [bench.air.ledger for bench in benches]
            outcome = Outcome(
                name=self._scenario.name,
                ok=all(verdict.ok for verdict in stage.verdicts),
                verdicts=tuple(stage.verdicts),
                timeline=tuple(sorted(stage.events, key=lambda event: event.at_s)),
                seed=self._scenario.seed,
                level=self._level,
                duration_s=benches[0].at_s,
                took_s=0.0,
                sent=sum(ledger.sent_count for ledger in ledgers),
                delivered=sum(ledger.arrived_count for ledger in ledgers),
                file=self._options.file,
                gateways=len(benches),
            )
        return msgspec.structs.replace(outcome, took_s=time.monotonic() - start_s)

    async def _enter(self, entered: AsyncExitStack) -> list[Bench]:
        benches: list[Bench] = []
        for given in self._scenario.benches(directory=self._options.directory):
            chosen = msgspec.structs.replace(given, command=self._options.command)
            beside = benches[0] if benches else None
            bench = open_bench(self._level, chosen, beside=beside)
            benches.append(await entered.enter_async_context(bench))
            self._scenario.furnish(bench)
        return benches
