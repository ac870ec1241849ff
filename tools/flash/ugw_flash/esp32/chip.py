"""Which chip a board has, how much flash, and whether it is locked: asked before anything else.

A locked board is refused, for what is written to it would not start, or could never be replaced.
"""

import contextlib
import re
import struct
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import UgwError
from ugw_flash.esp32.complaints import HOLD_BOOT
from ugw_flash.esp32.esptool import Esptool
from ugw_flash.outcome import NoDeviceError, RefusedError

_NAMES: Final = {"ESP32": "esp32", "ESP32-S3": "esp32s3"}
_EFUSES: Final = ("0x3ff5a000", "0x1c")  # words 0 to 6 of block 0 (ESP32 technical reference, 20)
_CRYPT_COUNT: Final = 0x7F << 20  # in word 0: an odd number of ones, and the flash is encrypted
_SECURE_BOOT: Final = 0b11 << 4  # in word 6: ABS_DONE_0 (version 1), ABS_DONE_1 (version 2)
_UNDOABLE: Final = "this cannot be undone: take another board"


class Chip(NamedTuple):
    """A board, as it says itself."""

    name: str  # esp32, esp32s3; others as esptool calls them
    description: str  # "ESP32-D0WD-V3 (revision v3.1)"
    mac: str  # aa:bb:cc:dd:ee:ff
    flash_bytes: int
    features: str


def identify(esptool: Esptool, port: str) -> Chip:
    """Ask a board what it is. Raises RefusedError for a locked one, NoDeviceError for none."""
    lines = esptool.run(port, ["flash-id"])
    chip = parse(lines)
    if chip.name == "esp32":
        locks = locks_of_efuses(_efuses(esptool, port))
    elif chip.name in _NAMES.values():
        locks = locks_of_report(esptool.run(port, ["get-security-info"]))
    else:
        locks = []
    if locks:
        cause = f"the board {chip.mac} {' and '.join(locks)}"
        raise RefusedError(cause, _UNDOABLE)
    return chip


def restart(esptool: Esptool, port: str) -> None:
    """Let a board that was asked run on, if that is possible."""
    with contextlib.suppress(UgwError):
        esptool.run(port, ["read-mac"], starts=True)


def parse(lines: list[str]) -> Chip:
    """Read what `esptool flash-id` prints. Raises RefusedError, NoDeviceError."""
    text = "\n".join(lines)
    if "Secure Download Mode" in text:
        cause = "the board takes only what its owner has signed (secure download mode)"
        raise RefusedError(cause, _UNDOABLE)
    connected = _find(r"Connected to (\S+) on", text)
    mac = mac_in(text)
    size = re.search(r"^Detected flash size: (\d+)(MB|KB)", text, re.MULTILINE)
    if not connected or not mac:
        cause = "esptool did not say which chip it found"
        raise NoDeviceError(cause, HOLD_BOOT)
    if size is None:
        cause = f"the flash of the board {mac} does not tell its size"
        raise NoDeviceError(cause, "is its supply strong enough (0.5 A)? Otherwise exchange it")
    return Chip(
        name=_NAMES.get(connected, connected),
        description=_find(r"^Chip type:\s+(.+)$", text) or connected,
        mac=mac,
        flash_bytes=int(size[1]) << (20 if size[2] == "MB" else 10),
        features=_find(r"^Features:\s+(.+)$", text),
    )


def mac_in(text: str) -> str:
    """Return the MAC of the board that esptool speaks of; empty: it has not said it."""
    return _find(r"^MAC:\s+([0-9a-f:]{17})", text)


def locks_of_efuses(words: tuple[int, ...]) -> list[str]:
    """Return what words 0 to 6 of a classic ESP32's eFuses forbid."""
    locks: list[str] = []
    if words[6] & _SECURE_BOOT:
        locks.append("starts only firmware that its owner has signed (secure boot)")
    if (words[0] & _CRYPT_COUNT).bit_count() % 2:
        locks.append("has an encrypted flash")
    return locks


def locks_of_report(lines: list[str]) -> list[str]:
    """Return what `esptool get-security-info` says is forbidden."""
    text = "\n".join(lines)
    locks: list[str] = []
    if "Secure Boot: Enabled" in text:
        locks.append("starts only firmware that its owner has signed (secure boot)")
    if "Flash Encryption: Enabled" in text:
        locks.append("has an encrypted flash")
    if "Secure Boot: Disabled" not in text and not locks:
        cause = "the board does not say whether it is locked"
        raise NoDeviceError(cause, HOLD_BOOT)
    return locks


def _efuses(esptool: Esptool, port: str) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "efuses")
        esptool.run(port, ["dump-mem", *_EFUSES, out])
        return struct.unpack("<7I", out.read_bytes())


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""
