"""Serial ports in memory: a modem's model at one end, the agent's serial transport at the other.

The transport and the modem's driver are the real ones, with their set-up, probes and back-off.
Bytes take no time on the wire. Not modelled: ttys and their names, the kernel's buffer (what comes
while nobody has opened the port is lost), line errors.
"""

import asyncio
import errno
import os
from collections.abc import Mapping
from contextvars import copy_context
from pathlib import Path

from gateway.sim.inside.bluetooth import Enter
from gateway.sim.serial_modem import SerialModem
from gateway.sim.uart import Uart, garbled
from gateway.transport.serial import LineErrors, Open, PortError, Received, why_failed


class InsideUart(Uart):
    """A port without a tty."""

    def __init__(self, link: Path, enter: Enter) -> None:
        super().__init__(link)
        self._enter = enter
        self._is_plugged = False
        self._program: InsidePort | None = None
        self._context = copy_context()

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._is_plugged

    @property
    def tty(self) -> str:
        """What the link points to: to nothing, as no file exists."""
        return ""

    @property
    def speed(self) -> int:
        """The speed that the program on it has set, in baud."""
        return self._program.baud if self._program else 0

    @property
    def is_garbled(self) -> bool:
        """Whether the program has set another speed than the device has."""
        return self.baud is not None and self.speed != self.baud()

    @property
    def is_open(self) -> bool:
        """Whether a program has it open."""
        return self._program is not None

    def plug(self) -> None:
        """Plug it in."""
        self._is_plugged = True

    def unplug(self) -> None:
        """Pull it out: whoever has it open reads the end of it."""
        self._is_plugged = False
        program, self._program = self._program, None
        if program is not None:
            self._enter(program.end, f"{self.link} was unplugged")

    def open(self, baud: int, received: Received) -> "InsidePort":
        """Open it for one program. Raises PortError, as the kernel would."""
        if not self._is_plugged:
            raise PortError(why_failed(str(self.link), FileNotFoundError(errno.ENOENT, "")))
        if self._program is not None:
            raise PortError(
                why_failed(str(self.link), OSError(errno.EBUSY, os.strerror(errno.EBUSY)))
            )
        self._program = InsidePort(self, baud, received)
        return self._program

    def left(self, program: "InsidePort") -> None:
        """Hear that a program has closed it."""
        if self._program is program:
            self._program = None

    def forsake(self) -> None:
        """Forget the program: it was killed."""
        self._program = None

    def take(self, data: bytes) -> None:
        """Take what the program wrote."""
        asyncio.get_running_loop().call_soon(self._hear, data, context=self._context)

    def _hear(self, data: bytes) -> None:
        if self.silent:
            self.ignored_bytes += len(data)
        elif self._is_plugged:
            self.on_data(garbled(data) if self.is_garbled else data)

    def _write(self, data: bytes) -> int:
        if self._program is None or not self._enter(self._program.take, data):
            return 0
        return len(data)


class InsidePort:
    """A port as the agent has it open: `gateway.transport.serial.OpenPort`."""

    def __init__(self, uart: InsideUart, baud: int, received: Received) -> None:
        self.baud = baud
        self.ended = asyncio.Event()
        self.cause = ""
        self._uart = uart
        self._received = received
        self._is_closed = False

    def write(self, data: bytes) -> None:
        """Hand a command over. Raises PortError when the port has gone."""
        if self.ended.is_set():
            raise PortError(why_failed(str(self._uart.link), OSError(errno.ENXIO, "")))
        self._uart.take(data)

    def line_errors(self) -> LineErrors | None:
        """Return nothing: there are no counters."""
        return None

    async def close(self) -> None:
        """Close now."""
        self._is_closed = True
        self._uart.left(self)

    def take(self, data: bytes) -> None:
        """Read what came."""
        if not self._is_closed and not self.ended.is_set():
            self._received(data)

    def end(self, cause: str) -> None:
        """Read the end."""
        if not self._is_closed and not self.ended.is_set():
            self.cause = cause
            self.ended.set()
            self._received(b"")


class InsideModem(SerialModem):
    """A modem on such a port."""

    def __init__(self, link: Path, kind: str, enter: Enter) -> None:
        super().__init__(link, kind)
        self.port = InsideUart(link, enter)
        self.port.on_data, self.port.baud = self.uart.on_data, self.uart.baud
        self.uart = self.port


def opener(modems: Mapping[str, InsideModem]) -> Open:
    """Return what opens these modems' ports by their paths."""
    by_path = {str(modem.port.link): modem.port for modem in modems.values()}

    async def opens(path: str, baud: int, received: Received) -> InsidePort:
        port = by_path.get(path)
        if port is None:
            raise PortError(why_failed(path, FileNotFoundError(errno.ENOENT, "")))
        return port.open(baud, received)

    return opens
