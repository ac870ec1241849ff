"""A scenario's hardware played beside an agent: sensors send, things break, in real time.

Each event is told in a line. What needs an agent of the simulator's own, a broker that fails or
anything that is expected, is `gateway.sim.theatre`'s.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.errors import SimulatorError
from gateway.sim.bare import bare, is_of_hardware
from gateway.sim.scenario import FaultScenario, Scenario
from gateway.sim.world import World

_NS_PER_S = 1e9
_REPORT_S = 10.0

Tell = Callable[[str], None]


class Play:
    """One scenario in its started world. `tell` gets the events, a line each.

    Raises SimulatorError for faults of what is not there beside an agent.
    """

    def __init__(self, scenario: Scenario, world: World, tell: Tell) -> None:
        others = [fault.do for fault in scenario.breaks if not is_of_hardware(fault.verb)]
        if others:
            cause = f"beside an agent that runs by itself there is no {', '.join(others)}"
            raise SimulatorError(cause, "play it with --level inside or --level process")
        self._bench = bare(world)
        self._scenario = scenario
        self._world = world
        self._tell_line = tell
        self._start_s = time.monotonic()

    async def run(self, duration_s: float | None = None) -> None:
        """Play for a time, by default the scenario's own; without one until cancelled.

        Raises SimulatorError when something breaks that should not.
        """
        if duration_s is None and self._scenario.duration_ns is not None:
            duration_s = self._scenario.duration_ns / _NS_PER_S
        self._start_s = time.monotonic()
        failed: Sequence[BaseException] = ()
        try:
            await self._all(duration_s)
        except* SimulatorError as group:
            failed = group.exceptions
        if failed:
            raise failed[0]
        self._tell(self._summary())

    async def _all(self, duration_s: float | None) -> None:
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(self._report(), name="simulate.report"),
                *(
                    group.create_task(self._break(fault, index), name=f"simulate.{fault.do}")
                    for index, fault in enumerate(self._scenario.breaks)
                ),
            ]
            await self._world.run(duration_s)
            for task in others:
                task.cancel()

    async def _break(self, fault: FaultScenario, index: int) -> None:
        target = fault.target or (self._scenario.targets(fault) or ("",))[0]
        for at_ns, end_ns in self._scenario.occurrences(fault, index):
            await self._sleep_until(at_ns)
            self._tell(f"{fault.do} on {target}")
            async with fault.verb.begin(self._bench, fault):
                await self._sleep_until(end_ns)
            if fault.verb.lasting:
                self._tell(f"{fault.do} on {target} is over")

    async def _sleep_until(self, at_ns: int) -> None:
        await asyncio.sleep(max(0.0, self._start_s + at_ns / _NS_PER_S - time.monotonic()))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_S)
            self._tell(self._summary())

    def _summary(self) -> str:
        counters = self._world.bluez.counters
        ports = [modem.uart for modem in self._world.modems.values()]
        dropped = sum(port.dropped_bytes for port in ports)
        return (
            f"{self._world.ledger.sent_count} frames reached the agent; "
            f"advertisements {counters.offered}, signalled {counters.signalled}, "
            f"nobody listened {counters.unwanted}, overrun {counters.overrun}; "
            f"serial {sum(port.written_bytes for port in ports)} B, dropped {dropped} B"
        )

    def _tell(self, event: str) -> None:
        self._tell_line(f"{time.monotonic() - self._start_s:8.1f} s  {event}")
