"""A cable that ends in RFC 2217: a serial port over TCP, with its speed, its DTR and its RTS.

The protocol is pyserial's own, so a host's pyserial (and with it esptool) is understood.
"""

from typing import Final

from serial.rfc2217 import PortManager

from gateway.sim.esp_rom.chip import CONSOLE_BAUD, SimulatedChip
from gateway.sim.esp_rom.socket_wire import SocketWire

_ESCAPE: Final = b"\xff"  # telnet's IAC


class Rfc2217Wire(SocketWire):
    """A listening socket that is a chip's serial port."""

    def __init__(self, chip: SimulatedChip) -> None:
        super().__init__(chip)
        self._port = _Port(chip)
        self._manager: PortManager | None = None

    @property
    def baud(self) -> int | None:
        """The speed that the host has set."""
        return self._port.baudrate

    def joined(self) -> None:
        """Say what this side can do."""
        self._port = _Port(self.chip)
        self._manager = PortManager(self._port, self)  # pyright: ignore[reportArgumentType] - it asks for no more

    def left(self) -> None:
        """Let both lines go, as a driver does at the end."""
        self._manager = None
        self.chip.set_lines(dtr=False, rts=False)

    def wrapped(self, data: bytes) -> bytes:
        """Return data as it goes between telnet's commands."""
        return data.replace(_ESCAPE, _ESCAPE * 2)

    def arrived(self, data: bytes) -> None:
        """Carry out the commands in what came, and hand on the rest."""
        if self._manager is not None:
            rest = b"".join(self._manager.filter(data))
            if rest:
                self.chip.take(rest)

    def write(self, data: bytes) -> None:
        """Send a command of the protocol's: called by pyserial."""
        if self.host is not None:
            self.host.write(data)


class _Port:
    """A serial port as pyserial's manager wants one; the names are pyserial's."""

    def __init__(self, chip: SimulatedChip) -> None:
        self._chip = chip
        self._dtr = self._rts = False
        self.baudrate = CONSOLE_BAUD
        self.bytesize, self.parity, self.stopbits = 8, "N", 1
        self.xonxoff = self.rtscts = self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._dtr = on
        self._chip.set_lines(dtr=on, rts=self._rts)

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, on: bool) -> None:
        self._rts = on
        self._chip.set_lines(dtr=self._dtr, rts=on)

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""
