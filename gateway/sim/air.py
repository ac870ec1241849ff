"""Sensors on the air and the books of what they say, whatever hears them."""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.errors import SimulatorError
from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.bluez_air import Advertisement, Peripheral
from gateway.sim.course import Course
from gateway.sim.ledger import Ledger
from gateway.sim.sensors import (
    Emission,
    Emitter,
    LoraPacket,
    Sensor,
    SensorOptions,
)

_BURST = 64  # emissions that are due at once and go out in one turn of the loop


class Air(ABC):
    """What is sent, and to whom the ledger says it belongs."""

    def __init__(self, *, seed: int = 1) -> None:
        self.seed = seed
        self.ledger = Ledger(lambda: self.now_ns())  # noqa: PLW0108 - an heir has another clock
        self.agent = AgentOptions()
        self.sensors: list[Sensor] = []
        self.noise: list[Emitter] = []
        self._course = Course()
        self.packets = 0  # of LoRa, that the agent's hardware took

    def add_sensor(self, options: SensorOptions) -> Sensor:
        """Put a sensor into the world; it sends while `run` runs, or when it is told to."""
        sensor = Sensor(options, seed=self.seed)
        self.sensors.append(sensor)
        self._expect(sensor)
        if sensor.peripheral is not None:
            self.place(sensor.peripheral)
        return sensor

    def place(self, peripheral: Peripheral) -> None:
        """Let there be a device that can be connected to. Raises SimulatorError where none can."""
        cause = f"{peripheral.address} has to be connected to, and nobody connects to devices here"
        raise SimulatorError(cause, remedy="play it beside a real agent (level: process)")

    def know_as(self, agent: AgentOptions) -> None:
        """Know the sensors from now on by the names that this agent gives them."""
        self.agent = agent
        for sensor in self.sensors:
            self._expect(sensor)

    def _expect(self, sensor: Sensor) -> None:
        device = device_name(sensor.options, self.agent)
        self.ledger.expect(sensor.options.address, device=device, place=sensor.place)

    def transmit(self, emission: Emission) -> bool:
        """Send an emission and note it in the ledger; True when the agent's hardware took it."""
        at_ns = self.now_ns()
        taken = [self._deliver(copy) for copy in emission.copies]
        self._book(emission, at_ns, taken=any(taken))
        return any(taken)

    def _book(self, emission: Emission, at_ns: int, *, taken: bool) -> None:
        """Note an emission, if it is one that anybody follows."""
        if not emission.followed:
            return
        if emission.serial is None:
            self.ledger.strange(emission.address)
        elif taken:
            self.ledger.sent(emission.address, emission.serial, at_ns)

    def now_ns(self) -> int:
        """Return the time by which the ledger counts: the agent's, which is CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

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
        """Let all sensors and the noise send, for a time or until cancelled.

        They go on from where they were when the last run ended; who was added since joins them.
        """
        loop, course = asyncio.get_running_loop(), self._course
        start_s = loop.time() - course.at_s
        end_s = math.inf if duration_s is None else course.at_s + duration_s
        course.join(chain(self.sensors, self.noise))
        for number, (at_s, emission) in enumerate(course.until(end_s)):
            wait_s = start_s + at_s - loop.time()
            if wait_s > 0 or number % _BURST == 0:
                await asyncio.sleep(max(0.0, wait_s))
            self.transmit(emission)
        if duration_s is not None:
            await asyncio.sleep(max(0.0, start_s + end_s - loop.time()))
