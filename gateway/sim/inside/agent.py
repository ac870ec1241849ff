"""The agent under test, in this process: the face `Gateway`.

It is the real agent on a simulated rim. What ends it from outside ends all of it: nothing of a
killed run reaches the medium, the way or the log any more. A bug in it is never taken for an end:
whoever waits on the bench is told.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from gateway import registry
from gateway.app import Agent, open_agent
from gateway.config import Settings, StoreSettings, load
from gateway.errors import SimulatorError, UgwError, UncleanEndError
from gateway.exit_codes import ExitCode
from gateway.hardware import Hardware
from gateway.model import CLASSES, Stream, TransportState
from gateway.mqtt import MqttSettings, Will
from gateway.sim.inside.air import InsideAir, seeded
from gateway.sim.inside.clock import VirtualHost
from gateway.sim.inside.codecs import InsideWorker
from gateway.sim.inside.disk import InsideBacklog, InsideDisk
from gateway.sim.inside.link import MemoryLink
from gateway.sim.inside.log import SPEAKER, AgentLog
from gateway.sim.inside.loop import VirtualLoop, running
from gateway.sim.inside.way import MemoryWay
from gateway.sim.ledger import KILL_MARGIN_NS

KILLED: Final = -9  # as the shell has it of SIGKILL: minus its number

_UP_WITHIN_S: Final = 15.0  # then a transport that is not up has a reason not to be
_LOOK_S: Final = 0.05
_NS_PER_S: Final = 1e9
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STREAM_CHARACTERS: Final = 26
_LAST_LINES: Final = 5
_MOST_PENDING: Final = 100_000  # for one that is stalled: about what a D-Bus daemon holds back


class Rim(NamedTuple):
    """What stands around the agent, and outlives its runs."""

    air: InsideAir
    way: MemoryWay
    host: VirtualHost
    disk: InsideDisk
    config: Path


class InsideGateway:
    """One agent and all its runs."""

    def __init__(self, seed: int) -> None:
        self.starts = 0
        self.code: int | None = None
        self.crash: BaseException | None = None  # a bug that has ended a run
        self._seed = seed
        self._rim: Rim
        self._loop: VirtualLoop = running()
        self._run: _Run | None = None  # the one that runs
        self._ended: asyncio.Task[None] | None = None  # the last one, which may still wind down
        self._away_from_ns: int | None = None
        self._pending: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._is_stalled = False
        self._log: AgentLog

    def attach(self, rim: Rim) -> None:
        """Take what stands around it; before anything else."""
        self._rim = rim
        self._log = AgentLog(
            lambda speaker: self.running and speaker is self._run, rim.host.wall_ns
        )
        self._log.open()
        rim.host.before_change = self._look_at_clock

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._run is not None

    @property
    def agent(self) -> Agent | None:
        """The agent that runs, for whoever looks into it."""
        return self._run.agent if self._run else None

    @property
    def log(self) -> str:
        """All it has logged, of all its runs."""
        return "".join(f"{line}\n" for line in self._log.lines)

    def files(self) -> Mapping[str, bytes]:
        """Return what it has written to its store, by file name, for a search for leaks."""
        return self._rim.disk.files()

    # ------------------------------------------------------------------------------ start and end
    async def start(self) -> None:
        """Start it; return when its transports are up, or have a reason not to be.

        Raises SimulatorError when it ends instead.
        """
        if self._run is not None:
            cause = "the gateway runs already"
            raise SimulatorError(cause, "stop or kill it first")
        if self._ended is not None:
            await asyncio.wait([self._ended])
        self.starts += 1
        self.code = None
        run = self._run = _Run(self._rim, seeded(self._seed, "agent", self.starts))
        run.begin(self._has_ended)
        await self._until_up(run)
        if self._run is not run:
            cause = f"the gateway has ended with code {self.code}: {self.last_words()}"
            raise SimulatorError(cause)
        if self._away_from_ns is not None:
            self._rim.air.ledger.away(self._away_from_ns, self._rim.air.now_ns())
            self._away_from_ns = None

    async def _until_up(self, run: "_Run") -> None:
        for _ in range(round(_UP_WITHIN_S / _LOOK_S)):
            if self._run is not run or run.is_up:
                return
            await asyncio.sleep(_LOOK_S)

    async def stop(self) -> int:
        """End it in order, as SIGTERM does; return its exit code."""
        run = self._run
        if run is None:
            return self.code or 0
        self.stall(is_stalled=False)
        self._away_from_ns = self._rim.air.now_ns()
        run.stop.set()
        await asyncio.wait([run.task])
        if self.code == int(ExitCode.FAILED):
            self._away_from_ns = self._accepted_until_ns(self._away_from_ns)
        return self.code or 0

    def kill(self, *, power: bool = True) -> None:
        """End it as a power cut does: nothing more of it runs, what was not durable is gone.

        Not `power`: it alone is killed, and the next start is in the same boot.
        """
        run = self._run
        if run is not None:
            self._away_from_ns = self._accepted_until_ns(self._rim.air.now_ns()) - KILL_MARGIN_NS
            self._run, self.code = None, KILLED
            self.stall(is_stalled=False)
            self._ended = run.task
            run.die(power=power)
        self._rim.air.forsake(power=power)
        if power:
            self._rim.host.reboot()

    def _accepted_until_ns(self, now_ns: int) -> int:
        """Return until when all was accepted that was heard: what only memory held is lost."""
        since_s = self._rim.disk.in_doubt_since_s
        return now_ns if since_s is None else round(since_s * _NS_PER_S) - KILL_MARGIN_NS

    def stall(self, *, is_stalled: bool) -> None:
        """Stop it from running at all (SIGSTOP), or let it go on."""
        if is_stalled == self._is_stalled:
            return
        if is_stalled and self._run is None:
            return
        self._is_stalled = is_stalled
        if is_stalled:
            run = self._run
            self._loop.suspend(lambda context: context.get(SPEAKER) is run)
            self._rim.way.hold(is_held=True)
            return
        self._loop.resume()
        pending, self._pending = self._pending, []
        for function, arguments in pending:
            self.enter(function, *arguments)
        self._rim.way.hold(is_held=False)

    def enter(self, function: Callable[..., object], *arguments: object) -> bool:
        """Have the agent run a function, in the next turn of the loop in which it runs at all.

        False where it never will: it does not run, or too much waits for it already.
        """
        if self._run is None or len(self._pending) >= _MOST_PENDING:
            return False
        if self._is_stalled:
            self._pending.append((function, arguments))
        else:
            self._loop.call_soon(function, *arguments, context=self._run.context)
        return True

    async def close(self) -> None:
        """Be gone, and wait until nothing of it is left."""
        self.kill()
        self._log.close()
        if self._ended is not None:
            await asyncio.wait([self._ended])

    # ----------------------------------------------------------------------------------- its runs
    def _look_at_clock(self) -> None:
        if self._run is not None and self._run.agent is not None:
            self._run.agent.clock.reading()

    def _has_ended(self, run: "_Run") -> None:
        """Note how a run ended by itself."""
        error = None if run.task.cancelled() else run.task.exception()
        if self._run is not run:
            return  # it was killed: what became of it then is nobody's business
        self._run, self._ended = None, run.task
        self.code = run.code
        if error is not None:
            self.code, self.crash = int(ExitCode.FAILED), error
            self._log.note(f"CRITICAL gateway.sim.inside: a bug in the agent: {error!r}")
        if run.refusal:
            self._log.note(run.refusal)
        if self._away_from_ns is None:
            self._away_from_ns = self._rim.air.now_ns() - KILL_MARGIN_NS * bool(self.code)

    def last_words(self) -> str:
        """Return the last lines of its log."""
        return "; ".join(self._log.lines[-_LAST_LINES:])


class _Run:
    """One run of the agent, from its start to its end. It is the SPEAKER of its code."""

    def __init__(self, rim: Rim, chance: Random) -> None:
        self.stop = asyncio.Event()
        self.agent: Agent | None = None
        self.code = int(ExitCode.OK)
        self.refusal = ""  # what a command would say of an end that is no bug
        self.task: asyncio.Task[None]
        self.context: Context = copy_context()
        self.context.run(SPEAKER.set, self)
        self._rim = rim
        self._chance = chance
        self._backlog: InsideBacklog | None = None
        self._link: MemoryLink | None = None  # the newest
        self._is_hearing = False

    def begin(self, on_end: "Callable[[_Run], None]") -> None:
        """Begin; `on_end` is called when it has ended."""
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(self._live(), name="agent", context=self.context)
        self.task.add_done_callback(lambda _: on_end(self), context=copy_context())

    def die(self, *, power: bool) -> None:
        """Do nothing more to the world; wind down unseen. Without `power` the kernel says so."""
        if self._backlog is not None:
            self._backlog.abandon()
        if self._link is not None:
            if power:
                self._link.vanish()
            else:
                self._link.close("killed")
        self.task.cancel()

    @property
    def is_up(self) -> bool:
        """Whether all its transports are."""
        if not self._is_hearing or self.agent is None:
            return False
        records = self.agent.health.transports.values()
        return all(record.state is TransportState.UP for record in records)

    async def _live(self) -> None:
        try:
            settings = _settings(self._rim.config)
            self.agent = await open_agent(settings, drivers(), self._hardware())
            self.agent.on_running = self._hears
            await self.agent.run(self.stop)
        except UncleanEndError as error:
            self.code = int(ExitCode.FAILED)
            self.refusal = f"ERROR gateway.cli.run: ended, not clean: {error}"
        except UgwError as error:
            self.code = int(ExitCode.CANNOT_START)
            words = "; ".join(filter(None, (str(error), error.remedy)))
            self.refusal = f"ERROR gateway.cli.run: cannot start: {words}"

    def _hears(self) -> None:
        self._is_hearing = True

    def _hardware(self) -> Hardware:
        rim, chance = self._rim, self._chance
        return Hardware(
            host=rim.host,
            chance=chance.random,
            streams=lambda: [Stream(id=_stream_id(chance), klass=klass) for klass in CLASSES],
            store=self._store,
            connect=self._connect,
            sources=rim.air.sources(chance.random),
            hire=InsideWorker.start,
            clock_news=rim.host.news,
            look=_never,
        )

    def _connect(self, settings: MqttSettings, will: Will | None) -> MemoryLink:
        self._link = MemoryLink(self._rim.way, settings, will)
        return self._link

    def _store(self, given: StoreSettings) -> InsideBacklog:
        self._backlog = InsideBacklog(self._rim.disk, given)
        return self._backlog


async def _never(_seconds: float) -> None:
    """Look at no files: there is no TLS in memory."""
    await asyncio.get_running_loop().create_future()


def _stream_id(chance: Random) -> str:
    return "".join(chance.choice(_CROCKFORD) for _ in range(_STREAM_CHARACTERS))


@functools.cache
def drivers() -> registry.Registry:
    """Return the drivers there are, found once."""
    return registry.discover()


def _settings(config: Path) -> Settings:
    known = drivers()
    return load(
        config,
        drivers=(*known.models(), *known.missing),
        modems={name: known.modem(name).check for name in known.modems()},
        pollers=known.pollers(),
        environ={},
    )
