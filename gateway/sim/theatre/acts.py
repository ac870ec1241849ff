"""The faults of a play, at their times, on the gateways they are for.

A fault that lasts is over at the end of the scenario at the latest. Of one part there is one
fault at a time: one that repeats waits for its turn.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from gateway.errors import UgwError
from gateway.sim.bench import Bench, now_s
from gateway.sim.scenario import FaultScenario, Scenario
from gateway.sim.theatre.restarts import Manager

_NS_PER_S: Final = 1e9
_OF_THE_AGENT: Final = "agent"  # the part of faults that end it and start it again

Tell = Callable[[str, str], None]  # what, of which gateway; empty: of all


def _nobody(_: str, __: Sequence[str]) -> None:
    """Nobody waits for the end of a fault."""


class Acts:
    """The faults of one play. `on_over` hears of each one's end: its verb, and which gateways."""

    def __init__(
        self, scenario: Scenario, benches: Sequence[Bench], manager: Manager, tell: Tell
    ) -> None:
        self._scenario = scenario
        self._benches = benches
        self._manager = manager
        self._tell = tell
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._curtain = asyncio.Event()
        self._zero_s = 0.0
        self.on_over: Callable[[str, Sequence[str]], None] = _nobody

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin, as tasks of a group; they end with the scenario."""
        self._zero_s = now_s()
        for index, fault in enumerate(self._scenario.breaks):
            group.create_task(self._plan(fault, index), name=f"theatre.{fault.do}")

    def end(self) -> None:
        """End the faults that still last, and begin no more."""
        self._curtain.set()

    async def wait_until(self, at_s: float) -> bool:
        """Return at a time of the scenario, or when it ends: whether that came first."""
        left_s = self._zero_s + at_s - now_s()
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._curtain.wait()
            except TimeoutError:
                return False
        return self._curtain.is_set()

    async def _plan(self, fault: FaultScenario, index: int) -> None:
        for at_ns, end_ns in self._scenario.occurrences(fault, index):
            if await self.wait_until(at_ns / _NS_PER_S):
                break
            async with self._turns[fault.verb.part or f"{fault.do} {index}"]:
                await self._strike(fault, end_ns / _NS_PER_S)

    async def _strike(self, fault: FaultScenario, end_s: float) -> None:
        """Break it, wait, and make it whole again."""
        what = f"{fault.verb.name} on {fault.target}" if fault.target else fault.verb.name
        self._tell(what, fault.gateway or "")
        struck = self._struck(fault)
        names = [bench.options.gateway for bench in struck]
        held = names if fault.verb.part == _OF_THE_AGENT else []
        self._manager.held.update(held)
        begun = AsyncExitStack()
        try:
            for bench in struck:
                await begun.enter_async_context(fault.verb.begin(bench, fault))
            if fault.verb.lasting:
                await self.wait_until(end_s)
        finally:
            await self._mend(begun, what)
            self._manager.held.subtract(held)
        if fault.verb.lasting:
            self._tell(f"{what} is over", fault.gateway or "")
        everybody = [bench.options.gateway for bench in self._benches]
        self.on_over(fault.verb.name, everybody if fault.verb.shared else names)

    async def _mend(self, begun: AsyncExitStack, what: str) -> None:
        """Make it whole; an agent that does not start is the service manager's business then."""
        try:
            await begun.aclose()
        except UgwError as error:
            self._tell(f"after {what}: {str(error).partition(':')[0]}", "")

    def _struck(self, fault: FaultScenario) -> Sequence[Bench]:
        if fault.verb.shared:
            return self._benches[:1]
        return [one for one in self._benches if fault.gateway in (None, one.options.gateway)]
