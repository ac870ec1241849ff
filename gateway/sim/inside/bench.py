"""The bench on the level `inside`: one agent in this process and all around it, on virtual time.

It has to be entered in a loop of `gateway.sim.inside.loop`; several may stand in one.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from gateway.errors import SimulatorError
from gateway.sim.agent_config import AgentOptions, completed
from gateway.sim.bench import Bench, BenchOptions, Broker, Delivered, Level
from gateway.sim.inside.agent import InsideGateway, Rim
from gateway.sim.inside.air import InsideAir
from gateway.sim.inside.broker import MemoryBroker
from gateway.sim.inside.clock import VirtualHost
from gateway.sim.inside.disk import InsideDisk
from gateway.sim.inside.loop import running
from gateway.sim.inside.way import MemoryWay

_LOOK_S = 0.05  # between two looks at a condition
_DEFAULTS = {"http": "{enabled: false}"}  # a socket, which there is not


class InsideBench:
    """A `Bench`; `beside` another one it shares that one's broker."""

    air: InsideAir
    broker: MemoryBroker
    way: MemoryWay
    clock: VirtualHost
    disk: InsideDisk
    gateway: InsideGateway
    config: Path

    def __init__(self, options: BenchOptions, *, beside: Bench | None = None) -> None:
        if options.broker != "scripted":
            cause = f"a broker of kind {options.broker} does not exist in memory"
            raise SimulatorError(cause, "use the level process for it")
        if options.command:
            cause = "another program cannot run inside this one"
            raise SimulatorError(cause, "use the level process for it")
        self.level: Level = "inside"
        self.options = options
        self._shared = None if beside is None else _memory(beside.broker)
        self._held: tempfile.TemporaryDirectory[str] | None = None
        self._entered_s = 0.0
        self._came_at_s: list[float] = []

    async def __aenter__(self) -> Self:
        options, loop = self.options, running()
        self._entered_s = loop.time()
        self.broker = self._shared or MemoryBroker(options.offer)
        if self._shared is None:
            await self.broker.start()
        self.way = MemoryWay(self.broker)
        self.clock = VirtualHost()
        self.disk = InsideDisk(seed=options.seed)
        self.gateway = InsideGateway(options.seed)
        directory = self._directory()
        self.air = InsideAir(options, self.gateway.enter)
        agent = AgentOptions(
            org=options.org,
            gateway=options.gateway,
            scan=options.scan,
            extra=completed(options.settings, _DEFAULTS),
        )
        self.config = self.air.agent_config(directory, agent)
        self.gateway.attach(Rim(self.air, self.way, self.clock, self.disk, self.config))
        await self.air.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.gateway.close()
        await self.air.__aexit__(None, None, None)
        if self._shared is None:
            await self.broker.stop()
        if self._held is not None:
            self._held.cleanup()
        if raised[:1] == (None,):
            self._raise_crash()

    def _directory(self) -> Path:
        if self.options.directory is not None:
            return self.options.directory
        self._held = tempfile.TemporaryDirectory(prefix="ugw-sim-")
        return Path(self._held.name)

    def _raise_crash(self) -> None:
        crash, self.gateway.crash = self.gateway.crash, None
        if crash is not None:
            raise crash

    # ---------------------------------------------------------------------------------- questions
    @property
    def at_s(self) -> float:
        """Seconds since the bench was entered."""
        return asyncio.get_running_loop().time() - self._entered_s

    @property
    def messages(self) -> Sequence[Delivered]:
        """What a subscriber of everything got, in order, of all benches of this broker."""
        return self.broker.delivered

    @property
    def messages_at_s(self) -> Sequence[float]:
        """When each of `messages` came, by `at_s`."""
        news = self.broker.delivered_at_s[len(self._came_at_s) :]
        self._came_at_s += [at_s - self._entered_s for at_s in news]
        return self._came_at_s

    # ------------------------------------------------------------------------------------ waiting
    async def until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Return as soon as it holds. Raises TimeoutError after so many seconds of its clock."""
        end_s = self.at_s + within_s
        while not condition():
            self._raise_crash()
            if self.at_s >= end_s:
                last = self.gateway.last_words()
                message = f"it did not hold within {within_s:g} s; logged last: {last}"
                raise TimeoutError(message)
            await asyncio.sleep(_LOOK_S)

    async def run(self, seconds: float) -> None:
        """Let the sensors send for a time; they go on from where they were."""
        await self.air.run(seconds)
        self._raise_crash()


def _memory(broker: Broker) -> MemoryBroker:
    if isinstance(broker, MemoryBroker):
        return broker
    cause = "a bench in memory can only stand beside another in memory"
    raise SimulatorError(cause)
