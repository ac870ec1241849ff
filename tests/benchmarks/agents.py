"""Agents to measure: one in this process with its radios left out, and the real command.

The first is wired as gateway.app wires it; frames are injected where its transports would hand
them over. The second is `ugw run` as installed, watched from outside through /proc.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway import assembly
from gateway.app import Agent, OpenStore
from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.connection import Connect, connect
from gateway.config import Settings, load
from gateway.hardware import Hardware
from gateway.model import Bundle
from gateway.registry import discover
from gateway.sim import lifeline
from tests.benchmarks.traffic import OPEN_INTAKE, address
from tests.benchmarks.waiting import HANG_S, until

_END_S: Final = 10.0


class WatchedBacklog(SqliteBacklog):
    """The store, and how often it was written to."""

    def __init__(self, directory: Path, *, max_bytes: int, connect: Connect) -> None:
        super().__init__(directory, max_bytes=max_bytes, connect=connect)
        self.commits = 0
        self.birth_told = asyncio.Event()

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        self.commits += 1
        return await super().append(bundles, counters)

    async def forget_previous(self) -> None:
        await super().forget_previous()
        self.birth_told.set()


class Subject(NamedTuple):
    """An agent and the store it writes to."""

    agent: Agent
    backlog: WatchedBacklog

    async def connected(self) -> None:
        """Return when the broker has the birth, and the store's last write for it is done."""
        await asyncio.wait_for(self.backlog.birth_told.wait(), HANG_S)

    async def delivered(self, observations: int, *, limit_s: float = HANG_S) -> None:
        """Return when the broker has acknowledged so many since the start."""
        counters = self.agent.health.observations
        await until(lambda: counters.delivered >= observations, limit_s=limit_s)

    async def kept(self, observations: int) -> None:
        """Return when so many are committed to the store."""
        await until(lambda: self.backlog.observations >= observations)


@asynccontextmanager
async def agent_at(
    directory: Path, *, port: int, devices: int = 0, extra: str = "", connect: Connect = connect
) -> AsyncGenerator[Subject]:
    """Run an agent on a store of its own; it ends in order, with both of its laws kept."""
    settings = settings_at(directory, port=port, devices=devices, extra=extra)
    max_bytes = settings.store.max_size_bytes
    backlog = WatchedBacklog(directory, max_bytes=max_bytes, connect=connect)
    async with agent_on(backlog, settings) as subject:
        yield subject


@asynccontextmanager
async def agent_on(
    backlog: WatchedBacklog, settings: Settings, hardware: Hardware | None = None
) -> AsyncGenerator[Subject]:
    """Run an agent on this store; it ends in order, with both of its laws kept."""
    streams = assembly.mint_streams()
    recovery = await backlog.open(streams)
    agent = Agent(settings, discover(), OpenStore(backlog, streams, recovery), hardware)
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop), name="agent")
    try:
        yield Subject(agent, backlog)
    finally:
        stop.set()
        await task
    assert agent.health.frames_law() == 0
    assert agent.health.observations_law() == 0


def settings_at(directory: Path, *, port: int, devices: int = 0, extra: str = "") -> Settings:
    """Return the configuration of an agent on a store there."""
    directory.mkdir(parents=True, exist_ok=True)
    listed = "".join(f'  - {{address: "{address(number)}"}}\n' for number in range(devices))
    path = directory / "gateway.yaml"
    path.write_text(
        "config_version: 1\n"
        "gateway: {org: kiel, id: gw-bench}\n"
        f"mqtt: {{host: 127.0.0.1, port: {port}}}\n"
        f"store: {{path: {directory}}}\n"
        "clock: {source: system}\n"
        f"{OPEN_INTAKE}\n{extra}\n" + (f"devices:\n{listed}" if listed else "")
    )
    return load(path, environ={})


# ------------------------------------------------------------------------------------ the process
class Memory(msgspec.Struct, frozen=True):
    """Resident memory in MB: all pages, and with shared ones counted by share."""

    rss_mb: float
    pss_mb: float


class AgentProcess:
    """One `ugw run`, as the kernel sees it."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def cpu_ns(self) -> int:
        """CPU time of its living threads so far, to the nanosecond (proc(5), schedstat)."""
        threads = self._proc.glob("task/*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in threads)

    def memory(self) -> Memory:
        """Resident memory now."""
        lines = (self._proc / "smaps_rollup").read_text().splitlines()[1:]
        kib = {line.split()[0]: int(line.split()[1]) for line in lines}
        return Memory(kib["Rss:"] * 1024 / 1e6, kib["Pss:"] * 1024 / 1e6)


@asynccontextmanager
async def agent_process(
    config: Path, environment: Mapping[str, str]
) -> AsyncGenerator[AgentProcess]:
    """Run the command; it has to end in order."""
    inherited = {name: value for name, value in os.environ.items() if "UGW__" not in name}
    log = config.with_suffix(".log")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "run", "--config", str(config)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**inherited, **environment},
            preexec_fn=lifeline.die_with_parent,
        )
    try:
        yield AgentProcess(process.pid)
    finally:
        code = await lifeline.end(process, limit_s=_END_S)
    assert code == 0, f"the agent ended with {code}: {log.read_text()}"
