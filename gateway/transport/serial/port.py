"""One serial port, the one adapter of pyserial: bytes come by callback, an end comes as an event.

Always read: most modems have no flow control, and what the kernel cannot keep is lost. The event
loop is never blocked: opening and closing go to a thread, for a USB adapter that has died answers
the kernel's control transfers only by their time-out (5 s each), and pyserial makes several.
"""

import asyncio
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import serial

from gateway.errors import TransportError

_READ_BYTES = 4096
_TIOCGICOUNT = 0x545D  # asm-generic/ioctls.h
_ICOUNT = struct.Struct("20i")  # struct serial_icounter_struct, linux/serial.h
_NO_COUNTERS = (errno.ENOTTY, errno.EINVAL)  # a pty has none, nor has every driver

_REMEDIES = {
    errno.ENOENT: "not there: plug the modem in (ls -l /dev/serial/by-id)",
    errno.EACCES: "permission denied: add the user to group dialout, then restart ugw",
    errno.EPERM: "permission denied: add the user to group dialout, then restart ugw",
    errno.EBUSY: "used by another program: stop that (often ModemManager)",
    errno.EAGAIN: "used by another program: stop that (often ModemManager)",
    errno.ENXIO: "its device has gone: plug the modem in again",
    errno.ENODEV: "its device has gone: plug the modem in again",
    errno.EIO: "its device does not react: plug the modem in again",
}


class PortError(TransportError):
    """A port cannot be opened or written; the text is for a person."""


class LineErrors(msgspec.Struct, frozen=True):
    """What the kernel counted since the device appeared."""

    overruns: int  # bytes lost in the UART, and in the kernel's buffer
    damaged: int  # framing and parity: a wrong baud rate, a bad line


Received = Callable[[bytes], None]


class OpenPort(Protocol):
    """A port that is open: `Port`, or a simulated one."""

    ended: asyncio.Event
    cause: str

    def write(self, data: bytes) -> None:
        """Hand a command over. Raises PortError, also when it would have to wait."""
        ...

    def line_errors(self) -> LineErrors | None:
        """Return the kernel's counters, None where the device has none. Raises PortError."""
        ...

    async def close(self) -> None:
        """Close now."""
        ...


Open = Callable[[str, int, Received], Awaitable[OpenPort]]  # raises PortError


class Port:
    """An open port. When its device has gone, `ended` is set and `cause` says why.

    `received` is called with what was read, and then once with nothing: the end.
    """

    def __init__(
        self, path: str, device: serial.Serial, received: Callable[[bytes], None]
    ) -> None:
        self.ended = asyncio.Event()
        self.cause = ""
        self._path = path
        self._device = device
        self._fd: int = device.fileno()
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    @classmethod
    async def open(cls, path: str, baud: int, received: Callable[[bytes], None]) -> "Port":
        """Open a port, 8N1, for us alone; its path is followed anew. Raises PortError."""
        opening = asyncio.get_running_loop().run_in_executor(None, _open, path, baud)
        try:
            return cls(path, await asyncio.shield(opening), received)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise

    def write(self, data: bytes) -> None:
        """Hand a command to the kernel. Raises PortError, also when it would have to wait."""
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            raise PortError(why_failed(self._path, error)) from error
        if written < len(data):
            cause = f"{self._path} takes no more data: is flow control on?"
            raise PortError(cause)

    def line_errors(self) -> LineErrors | None:
        """Return the kernel's counters, None where the device has none. Raises PortError."""
        try:
            raw = fcntl.ioctl(self._fd, _TIOCGICOUNT, bytes(_ICOUNT.size))
        except OSError as error:
            if error.errno in _NO_COUNTERS:
                return None
            raise PortError(why_failed(self._path, error)) from error
        return line_errors(raw)

    async def close(self) -> None:
        """Close now: a descriptor still open makes the kernel give the device another name."""
        self._loop.remove_reader(self._fd)
        await asyncio.to_thread(_close, self._device)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(why_failed(self._path, error))
            return
        if data:
            self._received(data)
        else:
            self._end(f"{self._path} was unplugged")

    def _end(self, cause: str) -> None:
        self._loop.remove_reader(self._fd)
        self.cause = cause
        self.ended.set()
        self._received(b"")


def line_errors(raw: bytes) -> LineErrors:
    """Read struct serial_icounter_struct."""
    _, _, _, _, _, _, frame, overrun, parity, _, buffer_overrun, *_ = _ICOUNT.unpack(raw)
    return LineErrors(overruns=overrun + buffer_overrun, damaged=frame + parity)


def _open(path: str, baud: int) -> serial.Serial:
    """Open in a thread. With VMIN 1, reading nothing means the end; pyserial leaves it 0."""
    try:
        device = serial.Serial(path, baud, timeout=0, exclusive=True)
    except ValueError as error:
        cause = f"{path}: {error}"
        raise PortError(cause) from error
    except (OSError, termios.error) as error:
        raise PortError(why_failed(path, error)) from error
    try:
        attributes = termios.tcgetattr(device.fileno())
        attributes[6][termios.VMIN] = 1
        termios.tcsetattr(device.fileno(), termios.TCSANOW, attributes)
    except termios.error as error:
        device.close()
        raise PortError(why_failed(path, error)) from error
    return device


def _close(device: serial.Serial) -> None:
    """Close in a thread; drop what was not sent yet, else closing waits up to 30 s for it."""
    try:
        termios.tcflush(device.fileno(), termios.TCIOFLUSH)
    except termios.error:
        pass  # the device has gone, and what was to be flushed with it
    finally:
        device.close()


def _close_unwanted(opening: "asyncio.Future[serial.Serial]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        _close(opening.result())


def why_failed(path: str, error: Exception) -> str:
    """Return what an error of a port means, for a person."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return f"{path}: {_REMEDIES.get(number) or error}"
