"""A LoRa modem on a serial port: the modem's model wired to a port that can be pulled out."""

from pathlib import Path

import msgspec

from gateway.sim.modems import MODEMS
from gateway.sim.sensors import LoraPacket
from gateway.sim.uart import Uart


class SerialModem:
    """A modem on a USB adapter: it starts when it gets power, which is when it is plugged in."""

    def __init__(self, link: Path, kind: str) -> None:
        self.kind = kind  # MODEL of its driver
        self.model = MODEMS[kind]()
        self.asked = False  # whether a program has told it anything since it was plugged in
        self.uart = Uart(link)
        self.uart.on_data = self._answer
        self.uart.baud = lambda: self.model.baud

    def plug(self) -> None:
        """Plug it in: it starts and says so."""
        if not self.uart.plugged:
            self.asked = False
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
        """Let a packet arrive by radio; True when the port took all of it.

        Where the modem does not report who sends, the node writes its address before the payload.
        """
        words = self.words(packet)
        return bool(words) and self.uart.write(words)

    def words(self, packet: LoraPacket, *, bare: bool = False) -> bytes:
        """Return what it says of a packet that arrives; nothing while it is deaf.

        A `bare` one is as it is on the air: of LoRaWAN, where the sender stands in it.
        """
        if not (bare or self.model.addresses):
            sender = packet.address.to_bytes(2, "big")
            packet = msgspec.structs.replace(packet, payload=sender + packet.payload)
        return self.model.receive(packet)

    def _answer(self, data: bytes) -> None:
        self.asked = True
        answer = self.model.feed(data)
        if answer:
            self.uart.write(answer)
