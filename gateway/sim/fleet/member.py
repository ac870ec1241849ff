"""One gateway of a fleet: the real agent, with sensors and a store in memory."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from gateway import assembly
from gateway.app import Agent, open_agent
from gateway.backlog.contract import Backlog
from gateway.backlog.memory import MemoryBacklog
from gateway.config import StoreSettings
from gateway.errors import SimulatorError, UgwError
from gateway.hardware import Hardware, sqlite_store
from gateway.model import Outcome
from gateway.mqtt import Connection
from gateway.registry import Registry
from gateway.sim.fleet.plan import Plan, gateway_id, sensors_of, settings_of
from gateway.sim.fleet.radio import Radio
from gateway.sim.fleet.ways import TAKEN, Books, Ways
from gateway.sim.sensors import Sensor

_EMPTY_S: Final = 10.0


class Member:
    """Runs once, from `run` to `stop`."""

    def __init__(self, number: int, plan: Plan, registry: Registry, books: Books) -> None:
        self._plan = plan
        self._number = number
        self._registry = registry
        self._ways = Ways(plan.brokers, books, first=number)
        self._stop = asyncio.Event()
        sensors = [Sensor(each, seed=plan.seed) for each in sensors_of(plan, number)]
        self.radio = Radio(sensors)
        self.agent: Agent | None = None  # once it runs, and after its end

    async def run(self) -> None:
        """Run the agent until `stop`. Raises what the agent raises."""
        chance = Random(f"{self._plan.seed}/{gateway_id(self._number)}")  # noqa: S311 - has to be repeatable
        hardware = Hardware(
            chance=chance.random,
            store=_disk if self._plan.store else _memory,
            connect=self._ways.connect,
            sources=self.radio.sources,
        )
        settings = settings_of(self._plan, self._number)
        agent = await open_agent(settings, self._registry, hardware)
        if left := agent.recovery.observations:
            await agent.backlog.close(agent.streams, {})
            cause = f"the store of {settings.gateway.id} holds {left} readings of an earlier fleet"
            raise SimulatorError(cause, "empty that folder, or name another with --store")
        self.agent = agent
        await agent.run(self._stop)

    def stop(self) -> None:
        """End it in order."""
        self._stop.set()

    @property
    def retained(self) -> set[str]:
        """The topics that hold something of it."""
        return self._ways.retained

    async def tidy(self) -> None:
        """After its end, empty these topics: in its own name, for only it may write there."""
        settings = assembly.mqtt_settings(settings_of(self._plan, self._number))
        settings = msgspec.structs.replace(settings, version=self._ways.version)
        again = Ways(self._plan.brokers, Books(), first=self._number)
        for _ in self._plan.brokers:
            if self.retained:
                with contextlib.suppress(UgwError):
                    async with again.connect(settings, None) as connection:
                        await self._empty(connection)

    async def _empty(self, connection: Connection) -> None:
        def ended(topic: str, outcome: Outcome) -> None:
            if outcome.reason_code in TAKEN:
                self.retained.discard(topic)

        for topic in list(self.retained):
            connection.publish(topic, b"", retain=True, done=partial(ended, topic))
        await connection.disconnect("emptied", within_s=_EMPTY_S)


def _memory(given: StoreSettings) -> Backlog:
    return MemoryBacklog(max_bytes=given.max_size_bytes)


def _disk(given: StoreSettings) -> Backlog:
    try:
        Path(given.path).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        cause = f"a gateway's store cannot be made: {error}"
        raise SimulatorError(cause, "name another folder with --store") from None
    return sqlite_store(given)
