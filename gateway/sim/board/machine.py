"""The chip: watchdog, pins, clock, serial ports, reset. What it keeps is in files of the world's.

The watchdog is a timer of the kernel's: it ends the process also in the midst of an endless loop
or of a call that blocks, and no handler of the agent's can hold it up.
"""

import io
import struct
import termios
import time
from array import array

import board
import ffi

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_SPEED_IN = 4  # indices in what tcgetattr returns
_SPEED_OUT = 5
_FROM_2000 = 946684800
_RTC_BYTES = 2048

_setitimer = ffi.open(None).func("i", "setitimer", "ipp")


def reset() -> None:
    board.end(board.RESET)


def reset_cause() -> int:
    return board.cause


def unique_id() -> bytes:
    return b"\x24\x0a\xc4\x00\x00\x01"


def freq() -> int:
    return 160000000


class WDT:
    """Once made it cannot be stopped."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        self._left = array("l", (0, 0, timeout // 1000, timeout % 1000 * 1000))
        self.feed()

    def feed(self) -> None:
        _setitimer(0, self._left, None)


class Pin:
    """An output as the world sees it."""

    IN = 1
    OUT = 3
    PULL_UP = 2

    def __init__(self, number: int, mode: int = -1, pull: int = -1, value=None) -> None:
        self._number = number
        if value is not None:
            self.value(value)

    def value(self, *level):
        if level:
            board.pins[self._number] = 1 if level[0] else 0
        return board.pins.get(self._number, 0)

    def on(self) -> None:
        self.value(1)

    def off(self) -> None:
        self.value(0)

    __call__ = value


class RTC:
    """The clock, from 2000 on until it is set, and the memory that outlives a reset."""

    def datetime(self, *moment):
        if moment:
            year, month, day, _, hour, minute, second, micros = moment[0]
            at = time.mktime((year, month, day, hour, minute, second, 0, 0)) * 1000000 + micros
            return _keep("clock", struct.pack("<q", at - time.time_ns() // 1000))
        now = time.time_ns() // 1000
        kept = _kept("clock")
        now = now + struct.unpack("<q", kept)[0] if kept else _FROM_2000 * 1000000
        at = time.gmtime(now // 1000000)
        return (at[0], at[1], at[2], at[6], at[3], at[4], at[5], now % 1000000)

    def memory(self, *data):
        if not data:
            return _kept("memory")
        if len(data[0]) > _RTC_BYTES:
            raise ValueError(len(data[0]))
        return _keep("memory", data[0])


def _keep(name: str, data: bytes) -> None:
    with open(board.chip + "/rtc/" + name, "wb") as file:
        file.write(data)


def _kept(name: str) -> bytes:
    try:
        with open(board.chip + "/rtc/" + name, "rb") as file:
            return file.read()
    except OSError:
        return b""


class UART(io.IOBase):
    """A port whose other end is the world's pty; nothing of it waits."""

    def __init__(self, id: int, baudrate: int = 115200, **settings) -> None:
        self._port = open(board.uarts[id], "r+b")  # noqa: SIM115 - for good
        self.write = self._port.write
        self.init(baudrate, **settings)

    def init(self, baudrate: int = 115200, **settings) -> None:
        for name in settings:
            if name not in ("bits", "parity", "stop", "tx", "rx", "timeout", "timeout_char",
                            "rxbuf", "txbuf", "flow", "invert"):  # fmt: skip
                raise TypeError(name)
        fileno = self._port.fileno()
        attributes = termios.tcgetattr(fileno)
        speed = getattr(termios, f"B{baudrate}")
        attributes[_SPEED_IN] = attributes[_SPEED_OUT] = speed
        attributes[6][6] = 0  # VMIN: a read takes what is there, as the chip's, and never waits
        termios.tcsetattr(fileno, termios.TCSANOW, attributes)

    def read(self, *size):
        return self._port.read(*size) or None

    def readinto(self, *buffer):
        return self._port.readinto(*buffer) or None

    def readline(self):
        return self._port.readline() or None

    def any(self) -> int:
        import select

        poll = select.poll()
        poll.register(self._port, 1)
        return 1 if poll.poll(0) else 0

    def deinit(self) -> None:
        """Leave the descriptor open: the world gave it for the whole run."""

    def flush(self) -> None:
        """Do nothing: all that was written is on its way."""

    def ioctl(self, request: int, argument: int) -> int:
        return self._port.fileno() if request == 10 else 0  # MP_STREAM_GET_FILENO
