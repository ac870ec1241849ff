"""A simulated world whose gateway is an ESP32: sensors, a modem on its UART, a time server.

The board is flashed as an installer would flash it: from a gateway.yaml, by ugw_flash. What is
said on the air counts as sent when the board's radio says that a scan has heard it.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.sim import esp32_wire
from gateway.sim.agent_config import AgentOptions, write_agent_config
from gateway.sim.air import Air
from gateway.sim.bluez_air import Advertisement, Peripheral
from gateway.sim.esp32 import Board, Parts
from gateway.sim.esp32_image import Flash, Programs
from gateway.sim.esp32_time import TimeServer
from gateway.sim.sensors import Emission, LoraPacket
from gateway.sim.serial_modem import SerialModem
from ugw_flash.esp32.site import SITE, read_site

_UART: Final = 1
_WIFI_PASSWORD: Final = "as good as any"  # noqa: S105 - of no network
_SECTION: Final = """
esp32:
  wifi: {{ssid: simulated, password: {password}}}
  time_servers: [127.0.0.1]
  uarts: [{{device: {device}, uart: {uart}, tx: 17, rx: 16}}]
  drivers: [{drivers}]
  led_pin: 2
"""

Heard = Callable[[bool], None]


class BoardWorld(Air):
    """What is around one board: an async context. `agent_config`, then `flash`, make the board.

    `drivers` are those of Bluetooth devices that name none.
    """

    def __init__(
        self,
        programs: Programs,
        *,
        modem: str = "reyax-rylr998",
        drivers: tuple[str, ...] = ("bthome-v2", "ruuvi-rawv2"),
        seed: int = 1,
    ) -> None:
        super().__init__(seed=seed)
        self._programs = programs
        self._drivers = drivers
        self._held = tempfile.TemporaryDirectory(prefix="ugw-sim-")
        self.directory = Path(self._held.name)
        self.modem = SerialModem(self.directory / "serial" / "usb-lora", modem)
        self.times = TimeServer()
        self._board: Board | None = None
        self._peripherals: list[Peripheral] = []

    async def __aenter__(self) -> Self:
        self.modem.plug()
        await self.times.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._board is not None:
            await self._board.cut_power()
        await self.times.__aexit__(kind, error, trace)
        self.modem.unplug()
        self._held.cleanup()

    # ----------------------------------------------------------------------------------- the board
    @property
    def board(self) -> Board:
        """The board, once it was flashed."""
        assert self._board is not None, "flash it first"  # noqa: S101 - the simulator's user
        return self._board

    def environment(self) -> Mapping[str, str]:
        """Return what an agent needs in its environment: a board has none."""
        return {}

    def agent_config(self, directory: Path, agent: AgentOptions | None = None) -> Path:
        """Write a configuration for a board of this world and return its path."""
        self.know_as(agent or self.agent)
        password = directory / "wifi-password"
        path = write_agent_config(
            directory,
            self.agent,
            adapters=("hci0",),
            modems=(self.modem,),
            sensors=[sensor.options for sensor in self.sensors],
        )
        password.touch(mode=0o600)
        password.write_text(_WIFI_PASSWORD)
        section = _SECTION.format(
            password=f"file:{password}",
            device=self.modem.uart.link,
            uart=_UART,
            drivers=", ".join(self._drivers),
        )
        path.write_text(path.read_text() + section)
        return path

    def flash(
        self, config: Path, *, blocks: int = 0, reboots: bool = True, **site: object
    ) -> Board:
        """Make the board of a configuration; `blocks` of flash make a littlefs.

        `site` replaces top-level keys of site.json, for what no configuration can say.
        """
        made = read_site(config, environ={})
        said = json.loads(made.files[SITE])
        said["time"]["port"] = self.times.port
        files = {**made.files, SITE: json.dumps({**said, **site}).encode()}
        flash = Flash(files=files, secrets=made.secrets, drivers=made.drivers)
        uarts = {_UART: self.modem.uart.link}
        parts = Parts(
            programs=self._programs, flash=flash, uarts=uarts, blocks=blocks, reboots=reboots
        )
        self._board = Board(self.directory / "chip", parts)
        for peripheral in self._peripherals:
            self._board.peripherals.add(peripheral)
        return self._board

    # --------------------------------------------------------------------------------- on the air
    def transmit(self, emission: Emission) -> bool:
        """Send an emission; it is in the ledger once the hardware has said that it took it."""
        at_ns = self.now_ns()
        if emission.serial is None:
            self._book(emission, at_ns, taken=False)

        def heard(taken: bool) -> None:  # noqa: FBT001 - the one thing it says
            if emission.serial is not None:
                self._book(emission, at_ns, taken=taken)

        for copy in emission.copies:
            if isinstance(copy, Advertisement):
                self._send(copy, heard)
            else:
                heard(self._deliver(copy))
        return bool(emission.copies)

    def advertise(self, report: Advertisement) -> bool:
        """Send one advertisement past the ledger."""
        self._send(report, _nothing)
        return True

    def _send(self, copy: Advertisement, heard: Heard) -> None:
        """Send it, and its scan response, which carries no data and is nobody's news."""
        if self._board is None:
            return
        for report in esp32_wire.reports(copy):
            is_data = report.kind != esp32_wire.SCAN_RESPONSE
            self._board.hear(report, heard if is_data else _nothing)

    def place(self, peripheral: Peripheral) -> None:
        """Let there be a device that can be connected to, as soon as there is a board."""
        self._peripherals.append(peripheral)
        if self._board is not None:
            self._board.peripherals.add(peripheral)

    def receive(self, packet: LoraPacket) -> bool:
        """Let a LoRa packet arrive; True when the modem's port took all of it."""
        return self.modem.receive(packet)

    @property
    def on_the_way(self) -> int:
        """How many reports the radio has not answered for."""
        return 0 if self._board is None else self._board.unanswered

    async def settle(self) -> None:
        """Return when the radio has said of all that was sent whether it heard it."""
        await self.board.settle()


def _nothing(_: bool, /) -> None:  # noqa: FBT001 - the one thing it says
    """Follow it no further."""
