"""What a connection has opened is closed with it, however it ends: counted in this process."""

import asyncio
import gc
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings
from gateway.sim.broker import Offer, ScriptedBroker
from tests.brokers import free_port, strict_run

ROUNDS = 12
HANG_S = 10.0


def descriptors() -> Counter[str]:
    """Return how many descriptors of each kind this process has open."""
    gc.disable()  # what only a collection would close is not closed
    try:
        links = list(Path("/proc/self/fd").iterdir())
        targets = (str(link.readlink()) for link in links if link.exists())
        return Counter(target.partition(":")[0] for target in targets)
    finally:
        gc.enable()


def settings(port: int) -> MqttSettings:
    """Return how to reach a broker on that port."""
    return MqttSettings(host="127.0.0.1", port=port, client_id="gw", connect_timeout_s=0.2)


async def connect_and_lose(broker: ScriptedBroker, port: int, end: str) -> None:
    """Make a connection, and let it end."""
    try:
        async with Connection(settings(port), None) as connection:
            if end == "left":
                await connection.disconnect("stopped", within_s=HANG_S)
            elif end == "lost":
                broker.hang_up()
                await connection.wait_closed()
    except UplinkError:
        assert end in {"refused", "silent", "away"}


@pytest.mark.parametrize("end", ["left", "lost", "dropped", "refused", "silent", "away"])
def test_connections_leave_no_descriptor_open(end: str) -> None:
    offers = {"refused": Offer(reason_code=0x87), "silent": Offer(silent=True)}

    async def main() -> None:
        gc.collect()
        async with ScriptedBroker(offers.get(end)) as broker:
            port = free_port() if end == "away" else broker.port
            await connect_and_lose(broker, port, end)
            await asyncio.sleep(0)
            before = descriptors()
            for _ in range(ROUNDS):
                await connect_and_lose(broker, port, end)
            async with asyncio.timeout(HANG_S):
                while descriptors() - before:  # noqa: ASYNC110 - the broker closes its side later
                    await asyncio.sleep(0.02)

    strict_run(main())
