"""The agent's own decisions: what it reserves ahead, and what it says when it ends."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from gateway import assembly
from gateway.app import Agent, OpenStore
from gateway.backlog import SESSIONS_PER_RESERVATION
from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.config import load
from gateway.errands import Errand
from gateway.errors import BacklogError, UncleanEndError
from gateway.model import Stream
from gateway.registry import Registry
from gateway.sessions import SESSIONS_AHEAD
from gateway.uplink.mqtt import MqttUplink

HANG_GUARD_S = 10
CONFIG = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: 127.0.0.1, port: 1}
"""


class ClosingFails(MemoryBacklog):
    """A store whose last transaction fails."""

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        cause = f"{len(streams)} streams, {len(counters)} counters: input/output error"
        raise BacklogError(cause)


async def agent_on(backlog: MemoryBacklog, directory: Path) -> Agent:
    """Return an agent without transports, its broker nowhere."""
    config = directory / "gateway.yaml"
    config.write_text(CONFIG)
    streams = assembly.mint_streams()
    recovery = await backlog.open(streams)
    return Agent(load(config), Registry(), OpenStore(backlog, streams, recovery))


def test_no_session_number_is_used_before_its_block_is_durable(tmp_path: Path) -> None:
    medium = Medium()

    async def scene() -> None:
        agent = await agent_on(MemoryBacklog(medium=medium), tmp_path)
        may_use = agent.uplink.may_use
        assert medium.session == SESSIONS_PER_RESERVATION
        assert may_use(SESSIONS_PER_RESERVATION - 1)
        assert not may_use(SESSIONS_PER_RESERVATION), "before the store has reserved it"

        async def stop() -> None:
            agent.delivery.keeper.stop()

        agent.delivery.keeper.order(stop)  # after what came before
        async with asyncio.timeout(HANG_GUARD_S):
            await agent.delivery.run()
        assert may_use(2 * SESSIONS_PER_RESERVATION - 1)
        assert not may_use(2 * SESSIONS_PER_RESERVATION)

    asyncio.run(scene())
    assert medium.session == 2 * SESSIONS_PER_RESERVATION


class Dead(MemoryBacklog):
    """A store that can be opened and does nothing more."""

    _opened = False

    async def reserve_sessions(self, least: int = 0) -> int:
        if self._opened:
            cause = "input/output error"
            raise BacklogError(cause)
        self._opened = True
        return await super().reserve_sessions(least)


def test_a_store_that_has_died_does_not_keep_the_gateway_off_the_broker(tmp_path: Path) -> None:
    async def scene() -> None:
        agent = await agent_on(Dead(), tmp_path)
        assert not agent.uplink.may_use(SESSIONS_PER_RESERVATION)
        failed = asyncio.Event()
        agent.health.on_change = failed.set
        running = asyncio.create_task(agent.delivery.run())
        await asyncio.wait_for(failed.wait(), HANG_GUARD_S)
        assert agent.uplink.may_use(SESSIONS_PER_RESERVATION)
        running.cancel()

    asyncio.run(scene())


def test_another_block_is_reserved_while_there_are_numbers_left(tmp_path: Path) -> None:
    async def scene() -> None:
        backlog = MemoryBacklog()
        agent = await agent_on(backlog, tmp_path)
        ordered: list[Errand] = []

        def order(errand: Errand) -> None:
            ordered.append(errand)

        agent.delivery.keeper.order = order  # type: ignore[method-assign]
        last = SESSIONS_PER_RESERVATION - SESSIONS_AHEAD
        assert agent.uplink.may_use(last - 1)
        assert not ordered
        assert agent.uplink.may_use(last)
        assert agent.uplink.may_use(last + 1)
        assert len(ordered) == 1

    asyncio.run(scene())


@pytest.mark.parametrize(("store", "said"), [(MemoryBacklog, "farewell"), (ClosingFails, "drop")])
def test_only_an_end_that_is_on_disk_is_said_to_be_clean(
    store: type[MemoryBacklog], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    async def farewell(_uplink: MqttUplink) -> None:
        heard.append("farewell")

    def drop(_uplink: MqttUplink, _cause: str) -> None:
        heard.append("drop")

    monkeypatch.setattr(MqttUplink, "farewell", farewell)
    monkeypatch.setattr(MqttUplink, "drop", drop)

    async def scene() -> None:
        agent = await agent_on(store(), tmp_path)
        stop = asyncio.Event()
        stop.set()
        async with asyncio.timeout(HANG_GUARD_S):
            with pytest.raises(UncleanEndError) if said == "drop" else nullcontext():
                await agent.run(stop)

    asyncio.run(scene())
    assert heard == [said]


ALWAYS = {"bulletin", "clock", "pipeline", "uplink", "vigil"}
OF_THE_STORE = {"keep", "refill"}


async def pulses_of_a_running_agent(directory: Path) -> set[str]:
    """Return the names of all whom the watchdog waits for."""
    agent = await agent_on(MemoryBacklog(), directory)
    began, stop = asyncio.Event(), asyncio.Event()
    agent.on_running = began.set
    async with asyncio.timeout(HANG_GUARD_S), asyncio.TaskGroup() as group:
        group.create_task(agent.run(stop))
        await began.wait()
        names = set(agent.health.vitals.names)
        stop.set()
    return names


def test_the_watchdog_waits_for_every_task_of_the_agent(tmp_path: Path) -> None:
    assert asyncio.run(pulses_of_a_running_agent(tmp_path)) >= ALWAYS


def test_the_watchdog_waits_for_the_tasks_of_the_store(tmp_path: Path) -> None:
    assert asyncio.run(pulses_of_a_running_agent(tmp_path)) >= OF_THE_STORE
