"""One simulated world: a private bus with a bluetoothd, serial modems, and sensors on the air.

It is there within milliseconds and leaves neither a process nor a file behind.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from gateway.sim.agent_config import AgentOptions, device_name, write_agent_config
from gateway.sim.bluez import Bluez, BluezOptions
from gateway.sim.bluez_air import Advertisement
from gateway.sim.dbus_daemon import DbusDaemon
from gateway.sim.ledger import Ledger
from gateway.sim.sensors import (
    Emission,
    Emitter,
    LoraPacket,
    Sensor,
    SensorOptions,
    timeline,
)
from gateway.sim.serial_modem import SerialModem

_USUAL_MODEM = "reyax-rylr998"
_BURST = 64  # emissions that are due at once and go out in one turn of the loop


class World:
    """The hardware around an agent: an async context; `environment()` leads the agent there.

    Serial ports stand in `directory`/serial/by-id; `modems` may say which model stands on each,
    as its driver is called; else it is a RYLR998. All files are in `directory` and go with it.
    """

    def __init__(
        self,
        *,
        adapters: Iterable[str] = ("hci0",),
        modems: Mapping[str, str] | Iterable[str] = (),
        bluez: BluezOptions | None = None,
        seed: int = 1,
    ) -> None:
        self._held = tempfile.TemporaryDirectory(prefix="ugw-sim-")
        self.directory = Path(self._held.name)
        self.seed = seed
        self.bus = DbusDaemon(self.directory)
        self.bluez = Bluez(self.bus.address, bluez)
        self.ledger = Ledger()
        self.agent = AgentOptions()
        self.sensors: list[Sensor] = []
        self.noise: list[Emitter] = []
        self.adapters = tuple(adapters)
        for adapter in self.adapters:
            self.bluez.plug_adapter(adapter)
        ports = self.directory / "serial" / "by-id"
        self.modems = {
            name: SerialModem(ports / name, kind) for name, kind in _kinds(modems).items()
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the bus, bluetoothd and the modems; all or nothing. Raises SimulatorError."""
        try:
            await self.bus.start()
            await self.bluez.start()
            for modem in self.modems.values():
                modem.plug()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything and remove every file."""
        for modem in self.modems.values():
            modem.unplug()
        await self.bluez.crash()
        await self.bus.stop()
        self._held.cleanup()

    # ------------------------------------------------------------------------------ for the agent
    def environment(self) -> dict[str, str]:
        """Return what an agent needs in its environment to live in this world."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}

    def agent_config(self, directory: Path, agent: AgentOptions | None = None) -> Path:
        """Write a configuration for an agent of this world and return its path.

        From now on the ledger knows the sensors by the names this agent gives them.
        """
        self.agent = agent or self.agent
        for sensor in self.sensors:
            self._expect(sensor)
        return write_agent_config(
            directory,
            self.agent,
            adapters=self.adapters,
            modems=self.modems.values(),
            sensors=[sensor.options for sensor in self.sensors],
        )

    # --------------------------------------------------------------------------------- on the air
    def add_sensor(self, options: SensorOptions) -> Sensor:
        """Put a sensor into the world; it sends while `run` runs, or when it is told to."""
        sensor = Sensor(options, seed=self.seed)
        self.sensors.append(sensor)
        self._expect(sensor)
        return sensor

    def _expect(self, sensor: Sensor) -> None:
        device = device_name(sensor.options, self.agent)
        self.ledger.expect(sensor.options.address, device=device, place=sensor.model.serial)

    def advertise(self, report: Advertisement) -> bool:
        """Send one advertisement past the ledger; True when bluetoothd told somebody of it."""
        return self.bluez.advertise(report)

    def transmit(self, emission: Emission) -> bool:
        """Send an emission and note it in the ledger; True when the agent's hardware took it."""
        at_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        taken = [self._deliver(copy) for copy in emission.copies]
        if emission.serial is None:
            self.ledger.strange(emission.address)
        elif any(taken):
            self.ledger.sent(emission.address, emission.serial, at_ns)
        return any(taken)

    def _deliver(self, copy: Advertisement | LoraPacket) -> bool:
        if isinstance(copy, Advertisement):
            return self.bluez.advertise(copy)
        return sum(modem.receive(copy) for modem in self.modems.values()) > 0

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

    async def settle(self) -> None:
        """Return when all that was sent by Bluetooth so far stands in the listeners' sockets."""
        await self.bluez.settle()

    # ------------------------------------------------------------------------------------- faults
    async def restart_dbus(self) -> None:
        """Restart the bus; bluetoothd loses it, ends, and is started again, as systemd does it."""
        await self.bluez.crash()
        await self.bus.restart()
        await self.bluez.start()


def _kinds(modems: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    if isinstance(modems, Mapping):
        return dict(cast("Mapping[str, str]", modems))
    return dict.fromkeys(modems, _USUAL_MODEM)
