"""The serial ports of this computer, and which of them may be boards.

What is plugged into a port only the board itself says (chip.py); here is what USB says of it. A
board that nobody named is only ever the one that appears after it was asked for.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
from serial.tools import list_ports  # pyright: ignore[reportMissingTypeStubs]

from ugw_flash.outcome import NoDeviceError, RefusedError
from ugw_flash.progress import Watcher

_ESPRESSIF: Final = 0x303A
_JTAG_SERIAL: Final = 0x1001
_BRIDGES: Final = {
    0x10C4: "CP210x",
    0x1A86: "CH340 or CH910x",
    0x0403: "FTDI",
    0x067B: "PL2303",
}
_PORT: Final = re.compile(
    r"/dev/(tty|cu\.|serial/|pts/).*|COM\d+|\\\\\.\\COM\d+|[a-z0-9]+://.+", re.IGNORECASE
)
_MOST_WAITS: Final = 1200  # pauses: ten minutes


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """A serial port at USB."""

    path: str  # /dev/ttyUSB0, COM3
    chip_hint: str = ""  # what may be behind it
    vid_pid: str = ""  # "10c4:ea60"
    description: str = ""
    serial: str = ""
    reason: str = ""  # why it is none for a board; empty: it may be one


def boards() -> list[Port]:
    """Return the serial ports at USB, by path, those that can be no board with the reason."""
    return sorted((judged(each) for each in list_ports.comports()), key=lambda port: port.path)


def is_port(text: str) -> bool:
    """Whether this names a serial port, and no disk and no file."""
    return bool(_PORT.fullmatch(text))


def judged(found: Any) -> Port:  # noqa: ANN401 - pyserial has no types
    """Return what is known of a port that pyserial lists."""
    if found.vid is None:
        reason = "it is not at USB: name it with --port if a board is wired to it"
        return Port(path=found.device, description=found.description or "", reason=reason)
    hint, reason = _guess(found.vid, found.pid)
    return Port(
        path=found.device,
        chip_hint=hint,
        vid_pid=f"{found.vid:04x}:{found.pid:04x}",
        description=found.description or "",
        serial=found.serial_number or "",
        reason=reason,
    )


def _guess(vid: int, pid: int) -> tuple[str, str]:
    if vid == _ESPRESSIF:
        own = "ESP32-S3, by its own USB" if pid == _JTAG_SERIAL else "an Espressif board"
        return own, ""
    if vid in _BRIDGES:
        return f"an ESP32 or a modem behind {_BRIDGES[vid]}", ""
    return "", "no board is known with this USB number: name it with --port if it is one"


def next_port(
    before: Collection[str],
    watcher: Watcher,
    pause: Callable[[], None],
    look: Callable[[], list[Port]] = boards,
) -> Port:
    """Wait for the one board that is plugged in now, and was not there `before`.

    `pause` is called between two looks (half a second). Raises RefusedError when two appear at
    once, NoDeviceError when none does in ten minutes.
    """
    known = set(before)
    watcher.say("Plug the board in now, or unplug it and plug it in again.")
    for _ in range(_MOST_WAITS):
        there = look()
        fresh = [port for port in there if port.path not in known and not port.reason]
        if len(fresh) > 1:
            names = ", ".join(port.path for port in fresh)
            cause = f"several boards appeared at once: {names}"
            raise RefusedError(cause, "name one with --port")
        if fresh:
            return fresh[0]
        known &= {port.path for port in there}  # what was unplugged may come again
        pause()
    cause = "no board was plugged in"
    raise NoDeviceError(cause, "ugw flash list shows the ports; name one with --port")
