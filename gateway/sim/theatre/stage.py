"""One play on benches that are entered: agents start, sensors send, things break, all is judged.

What may take its time is judged as soon as the sensors are silent, before the agents end; what
must never be, at the very end, when nothing more can come.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from gateway.sim.bench import Bench, now_s
from gateway.sim.expectations import Judge, Verdict, decide
from gateway.sim.scenario import Scenario
from gateway.sim.scenario.expected import ExpectScenario
from gateway.sim.theatre.acts import Acts
from gateway.sim.theatre.looks import look_at
from gateway.sim.theatre.outcome import Event, Look
from gateway.sim.theatre.restarts import Manager
from gateway.sim.verbs import find_verb

_NS_PER_S: Final = 1e9
_LAST_WORDS_S: Final = 5.0  # for the farewell to arrive
_LAST_LINES: Final = 5  # of the log of an agent that ended
_LOOKS: Final = 200  # at most so many readings per play, inside
_SHORTEST_LOOK_S: Final = {"inside": 1.0, "process": 0.1}
_LONGEST_LOOK_S: Final = {"inside": 3600.0, "process": 0.5}
_REAL_LOOK_S: Final = 0.25  # between two looks, for who watches

Heard = Callable[[Event], None]
Looked = Callable[[Look], None]


class Stage:
    """One play. `pace` is how many times faster than real time it may go; 0: as it goes."""

    def __init__(
        self,
        scenario: Scenario,
        benches: Sequence[Bench],
        *,
        tell: Heard | None = None,
        look: Looked | None = None,
        pace: float = 0.0,
    ) -> None:
        self._scenario = scenario
        self._benches = benches
        self._heard = tell
        self._look = look
        self._pace = pace
        self._looked_s = 0.0
        self._zero_s = now_s()
        self.judges = [Judge(bench) for bench in benches]
        self.events: list[Event] = []
        self.verdicts: list[Verdict] = []
        self._manager = Manager(self._tell)
        self._acts = Acts(scenario, benches, self._manager, self._tell)

    def _tell(self, what: str, gateway: str = "") -> None:
        at_s = now_s() - self._zero_s
        self._read()  # what has come until now was before
        self._note(Event(at_s=at_s, what=what, gateway=gateway))

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if self._heard is not None:
            self._heard(event)

    # ------------------------------------------------------------------------------------ playing
    async def play(self, duration_s: float) -> None:
        """Play it, and judge it. Raises SimulatorError when something cannot be as it is to be."""
        for bench in self._benches:
            await bench.gateway.start()
        self._begin()
        async with asyncio.TaskGroup() as watching:
            beside = [
                watching.create_task(self._read_on(duration_s), name="theatre.reading"),
                *(
                    watching.create_task(
                        self._manager.keep(bench, duration_s), name="theatre.manager"
                    )
                    for bench in self._benches
                ),
            ]
            await self._happen(duration_s)
            await self._judge_what_waits()
            for task in beside:
                task.cancel()
        await self._finish()

    def _begin(self) -> None:
        self._zero_s = now_s()
        for judge in self.judges:
            judge.begin()
        self._tell("the agents run, the sensors begin to send")

    async def _happen(self, duration_s: float) -> None:
        """Let the sensors send, and everything happen; return when all of it is over."""
        async with asyncio.TaskGroup() as group:
            self._acts.on_over = partial(self._after, group)
            self._acts.start(group)
            for judge, expected in self._expected():
                if expected.at_ns is not None:
                    group.create_task(self._at(judge, expected), name="theatre.at")
            async with asyncio.TaskGroup() as sending:
                for bench in self._benches:
                    sending.create_task(bench.run(duration_s), name="theatre.sensors")
            self._tell("the sensors are silent")
            self._acts.end()

    def _after(self, group: asyncio.TaskGroup, verb: str, gateways: Sequence[str]) -> None:
        """Begin to expect what is expected after a fault of this kind, of those it struck."""
        for judge, expected in self._expected():
            is_struck = judge.bench.options.gateway in gateways
            after = expected.after
            if after is not None and is_struck and find_verb(after).name == verb:
                deciding = self._decide(judge, expected, since_s=judge.bench.at_s)
                group.create_task(deciding, name="theatre.after")

    async def _at(self, judge: Judge, expected: ExpectScenario) -> None:
        await self._acts.wait_until((expected.at_ns or 0) / _NS_PER_S)
        await self._decide(judge, expected, since_s=judge.bench.at_s)

    async def _judge_what_waits(self) -> None:
        """Judge the whole play; what may take its time has it from now on."""
        async with asyncio.TaskGroup() as group:
            for judge, expected in self._expected():
                if expected.is_of_the_end and expected.expectation.waits:
                    deciding = self._decide(
                        judge, expected, since_s=judge.zero_s, waits_from_s=judge.bench.at_s
                    )
                    group.create_task(deciding, name="theatre.end")

    async def _finish(self) -> None:
        """End the agents, hear their last words, and judge what must never have been."""
        for judge in self.judges:
            if judge.bench.gateway.running:
                await judge.bench.gateway.stop()
                with suppress(TimeoutError):
                    await judge.bench.until(judge.has_farewell, within_s=_LAST_WORDS_S)
            else:
                self._fail(judge, "runs_at_the_end", "the agent does not run any more")
        self._read()
        for judge, expected in self._expected():
            if expected.is_of_the_end and not expected.expectation.waits:
                await self._decide(judge, expected, since_s=judge.zero_s)
        self._judge_ends()

    # ------------------------------------------------------------------------------------ judging
    def _expected(self) -> Iterator[tuple[Judge, ExpectScenario]]:
        for expected in self._scenario.expect:
            for judge in self.judges:
                if expected.gateway in (None, judge.bench.options.gateway):
                    yield judge, expected

    async def _decide(
        self,
        judge: Judge,
        expected: ExpectScenario,
        *,
        since_s: float,
        waits_from_s: float | None = None,
    ) -> None:
        verdict = await decide(
            judge, expected.expectation, expected, since_s=since_s, waits_from_s=waits_from_s
        )
        when = f" after {expected.after}" if expected.after else ""
        verdict = msgspec.structs.replace(verdict, name=f"{verdict.name}{when}")
        self.verdicts.append(verdict)
        if not verdict.ok:
            self._tell(f"FAILED {verdict.name}: {verdict.why}", verdict.gateway)

    def _judge_ends(self) -> None:
        """Judge what nobody has to ask for: that agents end in order."""
        for judge in self.judges:
            if judge.bench.gateway.code:
                why = f"the agent ended with code {judge.bench.gateway.code}"
                self._fail(judge, "ends_in_order", why)

    def _fail(self, judge: Judge, name: str, why: str) -> None:
        verdict = Verdict(
            name=name,
            ok=False,
            why=why,
            frames=tuple(judge.bench.gateway.log.splitlines()[-_LAST_LINES:]),
            at_s=now_s() - self._zero_s,
            gateway=judge.bench.options.gateway,
        )
        self.verdicts.append(verdict)

    # ------------------------------------------------------------------------------------ looking
    async def _read_on(self, duration_s: float) -> None:
        level = self._benches[0].level
        step_s = max(_SHORTEST_LOOK_S[level], min(duration_s / _LOOKS, _LONGEST_LOOK_S[level]))
        if self._pace:
            step_s = min(step_s, self._pace * _REAL_LOOK_S)
        while True:
            await asyncio.sleep(step_s)
            self._keep_pace(step_s)
            self._read()
            self._show()

    def _keep_pace(self, step_s: float) -> None:
        """Inside, hold up everything for as long as the step is to take."""
        if self._pace and self._benches[0].level == "inside":
            time.sleep(step_s / self._pace)

    def _read(self) -> None:
        for judge in self.judges:
            judge.read()
            changes, judge.changes = judge.changes, []
            for change in changes:
                at_s = judge.shown_s(change.at_s)
                name = judge.bench.options.gateway
                self._note(Event(at_s=at_s, what=change.why, gateway=name))

    def _show(self) -> None:
        if self._look is not None and time.monotonic() - self._looked_s >= _REAL_LOOK_S:
            self._looked_s = time.monotonic()
            for judge in self.judges:
                self._look(look_at(judge))
