"""The agent's own decisions: what it reserves ahead, and what it says when it ends."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from gateway import assembly
from gateway.app import SESSIONS_AHEAD, Agent
from gateway.backlog import SESSIONS_PER_RESERVATION
from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.config import load
from gateway.errors import BacklogError, UncleanEndError
from gateway.model import Stream
from gateway.registry import Registry
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
    return Agent(load(config), Registry(), backlog=backlog, streams=streams, recovery=recovery)


@pytest.mark.parametrize("used", [1_000 - SESSIONS_AHEAD, 2_950, 40_000])
def test_no_session_number_is_used_twice_however_many_attempts_an_outage_took(
    used: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MqttUplink, "session", used)
    medium = Medium()

    async def scene() -> None:
        agent = await agent_on(MemoryBacklog(medium=medium), tmp_path)
        agent.uplink.on_up()

        async def stop() -> None:
            agent.delivery.keeper.stop()

        agent.delivery.keeper.order(stop)  # after what came before
        async with asyncio.timeout(HANG_GUARD_S):
            await agent.delivery.run()

    asyncio.run(scene())
    assert used + SESSIONS_AHEAD < medium.session <= used + 2 * SESSIONS_PER_RESERVATION


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
