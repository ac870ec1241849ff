"""A serial port that can be pulled out: a pty behind a stable name, like /dev/serial/by-id.

It never blocks and holds nothing back: what the reader does not take in time is dropped and
counted, as it is on a port without flow control. Where program and device are set to different
speeds, neither understands the other. Not reproduced: the duration of a byte, framing errors, DTR
and RTS.
"""

import asyncio
import os
import pty
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import SimulatorError

_READ_BYTES = 4096
_INPUT_SPEED, _OUTPUT_SPEED = 4, 5  # indices in what tcgetattr returns
BAUDS: Final = {  # termios' constants
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdecimal()
}


Rate = Callable[[], int]


class Device(Protocol):
    """What is wired to a port."""

    def __call__(self, data: bytes, /) -> None:
        """Take what the program on the port wrote."""


def _nobody(_: bytes, /) -> None:
    """Nothing is wired to the port."""


def garbled(data: bytes) -> bytes:
    """Return what is read of bytes that were sent at another speed: others, and none of ASCII."""
    return bytes(0x80 | (7 * byte + 5 & 0x7F) for byte in data)


class Uart:
    """A port at `link`. `on_data` gets what the program on it writes; None of its calls wait."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.on_data: Device = _nobody
        self.baud: Rate | None = None  # of the device; None: whatever is set
        self.silent = False  # wedged: takes everything, passes nothing on, says nothing
        self.written_bytes = 0
        self.dropped_bytes = 0
        self.ignored_bytes = 0  # taken from the program while silent
        self._ours: int | None = None
        self._theirs: int | None = None  # held open, or the pair hangs up between two programs
        self._last_tty = ""

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._ours is not None

    @property
    def tty(self) -> str:
        """What the link points to (/dev/pts/7); empty while it is unplugged."""
        return os.ttyname(self._theirs) if self._theirs is not None else ""

    @property
    def speed(self) -> int:
        """The speed that the program on it has set, as a constant of termios (B115200)."""
        if self._theirs is None:
            cause = f"{self.link.name} is not plugged in"
            raise SimulatorError(cause)
        return int(termios.tcgetattr(self._theirs)[_OUTPUT_SPEED])

    @property
    def is_garbled(self) -> bool:
        """Whether the program has set another speed than the device has."""
        return self.baud is not None and BAUDS.get(self.speed) != self.baud()

    def plug(self) -> None:
        """Plug it in, under another tty name than the last time. Without effect when it is."""
        if self._ours is not None:
            return
        self._ours, self._theirs = _open_pair(self._last_tty)
        if self.baud is not None:
            _set_speed(self._theirs, self.baud())  # until a program sets another
        self._last_tty = self.tty
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.symlink_to(self.tty)
        asyncio.get_running_loop().add_reader(self._ours, self._read)

    def unplug(self) -> None:
        """Pull it out: the link goes, and whoever has it open reads the end of it."""
        if self._ours is None or self._theirs is None:
            return
        asyncio.get_running_loop().remove_reader(self._ours)
        self.link.unlink()
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = None

    def replug(self) -> None:
        """Pull it out and plug it in again at once: the link then points to another tty."""
        self.unplug()
        self.plug()

    def write(self, data: bytes) -> bool:
        """Send bytes to the program; True when all were taken, else the rest is dropped.

        False also for what is taken and not understood, as its speed is another one.
        """
        if self.silent:
            return False
        understood = self.plugged and not self.is_garbled
        taken = self.offer(data)
        self.dropped_bytes += len(data) - taken
        return understood and taken == len(data)

    def offer(self, data: bytes) -> int:
        """Send what there is room for; return how much that was. The rest is yet to be sent."""
        if self.silent:
            return len(data)
        understood = self.plugged and not self.is_garbled
        taken = self._write(data if understood else garbled(data))
        self.written_bytes += taken
        return taken

    def _write(self, data: bytes) -> int:
        if self._ours is None:
            return 0
        try:
            return os.write(self._ours, data)
        except BlockingIOError:
            return 0

    def _read(self) -> None:
        if self._ours is None:
            return
        data = os.read(self._ours, _READ_BYTES)
        if self.silent:
            self.ignored_bytes += len(data)
        else:
            self.on_data(garbled(data) if self.is_garbled else data)


def _set_speed(tty_descriptor: int, baud: int) -> None:
    speeds = [speed for speed, known in BAUDS.items() if known == baud]
    attributes = termios.tcgetattr(tty_descriptor)
    attributes[_INPUT_SPEED : _OUTPUT_SPEED + 1] = speeds * 2
    termios.tcsetattr(tty_descriptor, termios.TCSANOW, attributes)


def _open_pair(unwanted: str) -> tuple[int, int]:
    """Open a pty, raw and without echo, whose name is not the unwanted one."""
    ours, theirs = pty.openpty()
    if os.ttyname(theirs) == unwanted:
        pair = _open_pair(unwanted)  # the other one is still taken: this time the name differs
        os.close(ours)
        os.close(theirs)
        return pair
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, theirs
