"""Losses from the store to the platform, through the whole agent."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import assembly
from gateway.app import Agent, OpenStore
from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.config import load
from gateway.model import Loss, Moment
from gateway.registry import Registry
from tests.brokers import POLL_S, Mosquitto, Subscriber, strict_run
from tests.bulletin.board import EVENT

Start = Callable[..., Mosquitto]

CONFIG = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {{host: 127.0.0.1, port: {port}}}
"""
LOST = (
    Loss("STREAMROUTINE0000", 3, 9, "full", Moment("an-earlier-boot", 5_000_000, 1_795_000)),
    Loss("STREAMROUTINE0000", 20, 20, "damaged", Moment("an-earlier-boot", 6_000_000)),
)


async def next_run(medium: Medium, config: Path) -> tuple[Agent, MemoryBacklog]:
    streams = assembly.mint_streams()
    backlog = MemoryBacklog(medium=medium)
    recovery = await backlog.open(streams)
    settings = load(config)
    agent = Agent(settings, Registry(), OpenStore(backlog, streams, recovery))
    return agent, backlog


@pytest.mark.parametrize("restarts", [0, 1])
def test_a_loss_is_told_by_a_run_that_has_a_broker_and_then_forgotten(
    mosquitto: Start, tmp_path: Path, restarts: int
) -> None:
    async def play() -> None:
        broker, medium = mosquitto(), Medium()
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.format(port=broker.port))
        streams = assembly.mint_streams()
        backlog = MemoryBacklog(medium=medium)
        await backlog.open(streams)
        await backlog.declare(LOST)
        await backlog.close(streams, {})
        for _ in range(restarts):  # without a broker
            broker.stop()
            agent, backlog = await next_run(medium, config)
            stop = asyncio.Event()
            running = asyncio.create_task(agent.run(stop))
            await asyncio.sleep(0)
            stop.set()
            await running
            broker.start()
        agent, backlog = await next_run(medium, config)
        stop = asyncio.Event()
        async with Subscriber(broker.port) as platform:
            running = asyncio.create_task(agent.run(stop))
            await platform.until(lambda said: sum(one.topic == EVENT for one in said) == 3)
            while await backlog.losses():  # noqa: ASYNC110 - a store sets no event
                await asyncio.sleep(POLL_S)
            stop.set()
            await running
        told = [one.json() for one in platform.on(EVENT)]
        assert [(one["kind"], one.get("from"), one.get("reason")) for one in told] == [
            ("loss", 3, "full"),
            ("loss", 20, "damaged"),
            ("agent.start", None, None),
        ]

    strict_run(play())
