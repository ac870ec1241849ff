"""One simulated world: a private bus with a bluetoothd, serial modems, and sensors on the air.

It is there within milliseconds and leaves neither a process nor a file behind.
"""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from gateway.sim.agent_config import AgentOptions, write_agent_config
from gateway.sim.air import Air
from gateway.sim.bluez import Bluez, BluezOptions
from gateway.sim.bluez_air import Advertisement, Peripheral
from gateway.sim.dbus_daemon import DbusDaemon
from gateway.sim.sensors import LoraPacket
from gateway.sim.serial_modem import SerialModem
from gateway.sim.systemd import Systemd

_USUAL_MODEM = "reyax-rylr998"


class World(Air):
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
        super().__init__(seed=seed)
        self._held = tempfile.TemporaryDirectory(prefix="ugw-sim-")
        self.directory = Path(self._held.name)
        self.bus = DbusDaemon(self.directory)
        self.bluez = Bluez(self.bus.address, bluez)
        permits = bluez is not None and bluez.restart_permitted
        self.systemd = Systemd(self.bus.address, self.bluez, permits=permits)
        self.bus.on_start, self.bus.on_stop = self.systemd.start, self.systemd.stop
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

    def discard(self) -> None:
        """Remove every file of a world that was never started."""
        self._held.cleanup()

    # ------------------------------------------------------------------------------ for the agent
    def environment(self) -> dict[str, str]:
        """Return what an agent needs in its environment to live in this world."""
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}

    def agent_config(self, directory: Path, agent: AgentOptions | None = None) -> Path:
        """Write a configuration for an agent of this world and return its path.

        From now on the ledger knows the sensors by the names this agent gives them.
        """
        self.know_as(agent or self.agent)
        return write_agent_config(
            directory,
            self.agent,
            adapters=self.adapters,
            modems=self.modems.values(),
            sensors=[sensor.options for sensor in self.sensors],
        )

    # --------------------------------------------------------------------------------- on the air
    def advertise(self, report: Advertisement) -> bool:
        """Send one advertisement past the ledger; True when bluetoothd told somebody of it."""
        return self.bluez.advertise(report)

    def receive(self, packet: LoraPacket) -> bool:
        """Let a LoRa packet arrive; True when a modem's port took all of it."""
        return sum(modem.receive(packet) for modem in self.modems.values()) > 0

    def place(self, peripheral: Peripheral) -> None:
        """Let there be a device that can be connected to."""
        self.bluez.place(peripheral)

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
