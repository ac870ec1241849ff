"""A LoRa modem on a serial port: the modem's model wired to a port that can be pulled out."""

from pathlib import Path

from gateway.sim.modem_rylr998 import ModemRylr998
from gateway.sim.sensors import LoraPacket
from gateway.sim.uart import Uart


class SerialModem:
    """A RYLR998 on a USB adapter: it starts when it gets power, which is when it is plugged in."""

    def __init__(self, link: Path) -> None:
        self.model = ModemRylr998()
        self.uart = Uart(link)
        self.uart.on_data = self._answer

    def plug(self) -> None:
        """Plug it in: it starts and says so."""
        if not self.uart.plugged:
            self.uart.plug()
            self.uart.write(self.model.boot())

    def unplug(self) -> None:
        """Pull it out."""
        self.uart.unplug()

    def replug(self) -> None:
        """Pull it out and plug it in again at once, under another tty name."""
        self.unplug()
        self.plug()

    def receive(self, packet: LoraPacket) -> bool:
        """Let a packet arrive by radio; True when the port took all of it."""
        line = self.model.receive(
            address=packet.address,
            payload=packet.payload,
            rssi_dbm=packet.rssi_dbm,
            snr_db=packet.snr_db,
        )
        return bool(line) and self.uart.write(line)

    def _answer(self, data: bytes) -> None:
        answer = self.model.feed(data)
        if answer:
            self.uart.write(answer)
