"""A bench in real time: a simulated machine around the real agent, or any other program.

Real are the agent's process, D-Bus, ttys, sockets, SQLite and its file; simulated are bluetoothd,
the modems, the sensors, and what is done to them. Several at once do not meet; whatever happens,
no process, no socket and no file of it is left, but for a directory that it was given.
"""

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self, cast, overload

from gateway.errors import SimulatorError
from gateway.sim.agent_config import AgentOptions, completed
from gateway.sim.bench import Bench, BenchOptions, Broker, Level
from gateway.sim.broker import Delivered
from gateway.sim.process.agent import POLL_S, AgentProcess, Program
from gateway.sim.process.brokers import MosquittoBroker, ScriptedHere
from gateway.sim.process.clock import LeverClock
from gateway.sim.process.disk import LeverDisk
from gateway.sim.process.levers import Levers
from gateway.sim.proxy import Proxy
from gateway.sim.world import World

_RUN: Final = ("run", "--config")
_DEFAULTS: Final = {"http": "{enabled: false}"}  # agents of several benches run at once
# Whether this machine's own clock is kept right is beside the point.
_TRUST: Final = {"UGW__CLOCK__SOURCE": "system"}
_SAYS_CLOCK: Final = re.compile(r"^[\"']?clock\b", re.MULTILINE)
_SAYS_LITTLE: Final = re.compile(r"\blevel:\s*[\"']?(warning|error|critical)")


class ProcessBench:
    """One gateway and all that is around it. `gateway.sim.bench.Bench` says what it can do.

    `beside` another bench it shares that one's broker, which has to be entered before.
    """

    level: Level = "process"

    def __init__(self, options: BenchOptions, *, beside: Bench | None = None) -> None:
        if beside is not None and not isinstance(beside, ProcessBench):
            cause = "a bench in real time can share the broker of another one in real time only"
            raise SimulatorError(cause)
        self.options = options
        self.air = _world(options)
        self.directory = (options.directory or self.air.directory / "agent").absolute()
        self.config = self.directory / "gateway.yaml"
        self._has_own_broker = beside is None
        try:
            self._broker = _broker(options, self.air) if beside is None else beside.broker_itself
        except BaseException:
            self.air.discard()
            raise
        self.broker = cast("Broker", self._broker)
        self.way = Proxy(0)
        self.gateway = AgentProcess(
            Program(command=self._command, environment=self._environment, awaited=self._awaited),
            self.directory,
            self.air,
        )
        self.gateway.on_power_cut = self._cut_power
        self.clock = LeverClock(self._pull, lambda: self._levers)
        self.disk = LeverDisk(self._pull, lambda: self.gateway.running, self.gateway.store)
        self._levers: Levers | None = None
        self._is_new_boot = self._was_silent = False
        self._since_s = 0.0
        self._stack = AsyncExitStack()

    # ------------------------------------------------------------------------------ there and gone
    async def __aenter__(self) -> Self:
        self._since_s = asyncio.get_running_loop().time()
        try:
            await self._begin()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _begin(self) -> None:
        await self._stack.enter_async_context(self.air)
        if self._has_own_broker:
            await self._stack.enter_async_context(self._broker)
        self.way.broker_port = self._broker.port
        await self._stack.enter_async_context(self.way)
        self._broker.ways.append(self.way)
        given = self.options
        agent = AgentOptions(
            org=given.org,
            gateway=given.gateway,
            mqtt_port=self.way.port,
            scan=given.scan,
            extra=completed(given.settings, _DEFAULTS),
        )
        self.air.agent_config(self.directory, agent)
        self._stack.callback(self._end_agent)
        if given.launcher:
            self._pull()

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _end_agent(self) -> None:
        self.gateway.close()
        if self._levers is not None:
            self._levers.close()

    # --------------------------------------------------------------------------- what happens here
    @property
    def broker_itself(self) -> ScriptedHere | MosquittoBroker:
        """The broker with all it can do beside its face."""
        return self._broker

    @property
    def at_s(self) -> float:
        """Seconds since the bench was entered."""
        return asyncio.get_running_loop().time() - self._since_s

    @property
    def messages(self) -> Sequence[Delivered]:
        """What a subscriber of everything got, in order; of all gateways that share the broker."""
        return self._broker.delivered

    @property
    def messages_at_s(self) -> Sequence[float]:
        """When each of `messages` came, by `at_s`."""
        return _Since(self._broker.delivered_at_s, self._since_s)

    async def until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Return as soon as it holds. Raises TimeoutError after so many seconds."""
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - processes set no event
                await asyncio.sleep(POLL_S)

    async def run(self, seconds: float) -> None:
        """Let the sensors send for a time; they go on from where they were."""
        await self.air.run(seconds)

    # ----------------------------------------------------------------------------------- the agent
    def _command(self) -> Sequence[str]:
        config, self._was_silent = str(self.config), False
        if self.options.command:
            return [word.replace("{config}", config) for word in self.options.command]
        if self._levers is None:
            return (sys.executable, "-m", "gateway", *_RUN, config)
        if self._is_new_boot:
            self._levers.boot_anew()
            self._is_new_boot = False
        launcher = (sys.executable, "-m", "gateway.sim.process.launcher", str(self._levers.path))
        return (*launcher, "--", *_RUN, config)

    def _environment(self) -> Mapping[str, str]:
        has_clock = self._levers is not None or _SAYS_CLOCK.search(self.config.read_text())
        return {**self.air.environment(), **({} if has_clock else _TRUST)}

    def _awaited(self, said: str) -> Sequence[str]:
        """Name the transports that are not up, by the log, or where it is too short, by ours."""
        text = self.config.read_text()
        if self.options.command:
            return ()
        radios = [f"ble:{one}" for one in self.options.adapters if f"adapter: {one}" in text]
        if _SAYS_LITTLE.search(text):
            return () if self._is_listened_again() else radios
        ports = [f"serial:{one}" for one in self.options.modems if one in text]
        return [name for name in (*radios, *ports) if f"transport {name} is up" not in said]

    def _is_listened_again(self) -> bool:
        """Whether somebody scans, and it is not the one before, whose end is not known yet."""
        is_listened = self.air.bluez.listened
        self._was_silent = self._was_silent or not is_listened
        return is_listened and self._was_silent

    # ---------------------------------------------------------------------- its disk and its clock
    def _pull(self) -> Levers:
        """Return what its disk and its clock can be told by. Raises SimulatorError."""
        if self.options.command:
            cause = "the disk and the clock of another program cannot be told to fail"
            raise SimulatorError(cause, "run ugw itself, without `command`, or leave these faults")
        if self._levers is None:
            if self.gateway.running:
                cause = "this agent was started on this machine's own disk and clock"
                raise SimulatorError(cause, "make the bench with BenchOptions(launcher=True)")
            self._levers = Levers(self.directory / "levers")
        return self._levers

    def _cut_power(self) -> None:
        self._is_new_boot = True


class _Since(Sequence[float]):
    """Times counted from another moment."""

    def __init__(self, times_s: Sequence[float], since_s: float) -> None:
        self._times_s = times_s
        self._since_s = since_s

    def __len__(self) -> int:
        return len(self._times_s)

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...

    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return _Since(self._times_s[index], self._since_s)
        return self._times_s[index] - self._since_s

    def __iter__(self) -> Iterator[float]:
        return (at_s - self._since_s for at_s in self._times_s)


def _world(options: BenchOptions) -> World:
    world = World(
        adapters=options.adapters,
        modems=options.modems,
        bluez=options.bluez,
        seed=options.seed,
    )
    try:
        for sensor in options.sensors:
            world.add_sensor(sensor)
    except BaseException:
        world.discard()
        raise
    return world


def _broker(options: BenchOptions, world: World) -> ScriptedHere | MosquittoBroker:
    if options.broker == "mosquitto":
        return MosquittoBroker(world.directory / "broker", options.offer)
    return ScriptedHere(options.offer)
