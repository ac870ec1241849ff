"""Sensors on the air and the books of what they say, whatever hears them."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.bluez_air import Advertisement
from gateway.sim.ledger import Ledger
from gateway.sim.sensors import (
    Emission,
    Emitter,
    LoraPacket,
    Sensor,
    SensorOptions,
    timeline,
)

_BURST = 64  # emissions that are due at once and go out in one turn of the loop


class Air(ABC):
    """What is sent, and to whom the ledger says it belongs."""

    def __init__(self, *, seed: int = 1) -> None:
        self.seed = seed
        self.ledger = Ledger()
        self.agent = AgentOptions()
        self.sensors: list[Sensor] = []
        self.noise: list[Emitter] = []
        self.packets = 0  # of LoRa, that the agent's hardware took

    def add_sensor(self, options: SensorOptions) -> Sensor:
        """Put a sensor into the world; it sends while `run` runs, or when it is told to."""
        sensor = Sensor(options, seed=self.seed)
        self.sensors.append(sensor)
        self._expect(sensor)
        return sensor

    def know_as(self, agent: AgentOptions) -> None:
        """Know the sensors from now on by the names that this agent gives them."""
        self.agent = agent
        for sensor in self.sensors:
            self._expect(sensor)

    def _expect(self, sensor: Sensor) -> None:
        device = device_name(sensor.options, self.agent)
        self.ledger.expect(sensor.options.address, device=device, place=sensor.model.serial)

    def transmit(self, emission: Emission) -> bool:
        """Send an emission and note it in the ledger; True when the agent's hardware took it."""
        at_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        taken = [self._deliver(copy) for copy in emission.copies]
        if emission.serial is None:
            self.ledger.strange(emission.address)
        elif any(taken):
            self.ledger.sent(emission.address, emission.serial, at_ns)
        return any(taken)

    @property
    def on_the_way(self) -> int:
        """How many frames were sent of which it is not known yet whether they were taken."""
        return 0

    @abstractmethod
    def agent_config(self, directory: Path, agent: AgentOptions | None = None) -> Path:
        """Write a configuration for an agent of this world and return its path.

        From now on the ledger knows the sensors by the names this agent gives them.
        """

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """Return what an agent needs in its environment to live in this world."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Let it be there."""

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything and remove every file."""

    @abstractmethod
    def advertise(self, report: Advertisement) -> bool:
        """Let an advertisement arrive; whether the agent's hardware took it."""

    @abstractmethod
    def receive(self, packet: LoraPacket) -> bool:
        """Let a LoRa packet arrive; whether the agent's hardware took it."""

    def _deliver(self, copy: Advertisement | LoraPacket) -> bool:
        if isinstance(copy, Advertisement):
            return self.advertise(copy)
        taken = self.receive(copy)
        self.packets += taken
        return taken

    async def run(self, duration_s: float | None = None) -> None:
        """Let all sensors and the noise send, for a time or until cancelled."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number, (at_s, emission) in enumerate(timeline(chain(self.sensors, self.noise))):
            if duration_s is not None and at_s >= duration_s:
                break
            wait_s = start + at_s - loop.time()
            if wait_s > 0 or number % _BURST == 0:
                await asyncio.sleep(max(0.0, wait_s))
            self.transmit(emission)
        if duration_s is not None:
            await asyncio.sleep(max(0.0, start + duration_s - loop.time()))
