"""What esptool complains of, in words for whoever stands before the board: cause and remedy.

Pure: from what it printed to an error of ours. Whatever is not known is passed on as it is.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import UgwError
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError

HOLD_BOOT: Final = (
    "hold BOOT, tap RESET (EN), let BOOT go, and try again; without the buttons connect GPIO0 to "
    "GND while it is plugged in"
)
_OTHER_CABLE: Final = "try a shorter cable, another USB port, and 115200 baud (--baud 115200)"
_WRITE_AGAIN: Final = "write it again; if it happens again, the flash is worn: exchange the board"


class _Known(NamedTuple):
    pattern: str
    error: type[UgwError]
    cause: str
    remedy: str
    passing: bool = False  # it may succeed at the second try


# The first that is found counts, so what says more stands first.
_KNOWN: Final = (
    _Known(
        r"Errno 2\]|FileNotFoundError|Could not open \S+ .*cannot find the file",
        NoDeviceError,
        "there is no port {port}",
        "plug the board in, with a cable that carries data, and see: ugw flash list",
    ),
    _Known(
        r"Errno 13\]|Permission denied",
        NoDeviceError,
        "the port {port} is there, but not for you",
        "sudo usermod -aG dialout $USER (on Arch: uucp), then log out and in again",
    ),
    _Known(
        r"Errno 16\]|Errno 11\]|Access is denied|exclusively lock|Resource busy",
        NoDeviceError,
        "the port {port} is used by another program",
        "close the serial monitor, mpremote or browser that has it open; on Linux ModemManager "
        "takes new ports for half a minute",
    ),
    _Known(
        r"device disconnected or multiple access|Errno 5\]|Errno 6\]|Errno 19\]|ClearCommError"
        r"|No such device|connection (is )?closed|socket disconnected|Errno 104\]|Errno 32\]"
        r"|Attempting to use a port that is not open|Errno 9\]|Connection refused",
        NoDeviceError,
        "the board went away: {port} closed in the middle",
        "plug it in firmly, straight into the computer, and start again",
    ),
    _Known(
        r"Secure Download Mode",
        RefusedError,
        "the board takes only what its owner has signed (secure download mode)",
        "this cannot be undone: take another board",
    ),
    _Known(
        r"Secure Boot",
        RefusedError,
        "the board only starts firmware that its owner has signed (secure boot)",
        "this cannot be undone: take another board",
    ),
    _Known(
        r"[Ff]lash encryption",
        RefusedError,
        "the board's flash is encrypted: what is written here would not run",
        "this cannot be undone: take another board",
    ),
    _Known(
        r"Wrong boot mode detected \((0x[0-9a-fA-F]+)\)",
        NoDeviceError,
        "the board answers, but started its program instead of waiting for a new one (boot:{1})",
        HOLD_BOOT,
    ),
    _Known(
        r"serial TX path seems to be down",
        NoDeviceError,
        "the board can be heard, but does not hear: the wire to its RX is broken",
        "another cable; with an adapter of your own, its TX goes to the board's RX",
    ),
    _Known(
        r"This chip is (\S+?),? not (\S+?)\. ",
        BadMaterialError,
        "the board is an {1}, and not an {2}",
        "take the firmware for this chip",
    ),
    _Known(
        r"requires chip revision|not supported by this chip|Unexpected chip",
        BadMaterialError,
        "the firmware is not made for this revision of the chip",
        "take a later board, or a firmware for this one",
    ),
    _Known(
        r"Failed to set baud rate",
        NoDeviceError,
        "the adapter of {port} does not go so fast",
        "--baud 115200",
    ),
    _Known(
        r"MD5 of file does not match|Verification failed|Digest mismatch|hash of flash",
        NotWrittenError,
        "what was read back is not what was written",
        _WRITE_AGAIN,
    ),
    _Known(
        r"No serial data received|Failed to connect to",
        NoDeviceError,
        "nothing answers at {port}",
        f"is it an ESP32, with power and a cable that carries data? Then {HOLD_BOOT}",
    ),
    _Known(
        r"will not fit in \d+ bytes of flash",
        BadMaterialError,
        "the flash of this board is too small",
        "take a board with more flash",
    ),
    _Known(
        r"[Tt]imed out|[Tt]imeout|stream stopped|transfer stopped|No more data|Invalid head"
        r"|Failed to (write|enter|start|erase|read|verify|run)|no response|Response doesn't match"
        r"|status response|Corrupt data|Read more than expected|Unexpected response",
        NotWrittenError,
        "the board stopped answering",
        _OTHER_CABLE,
        passing=True,
    ),
)


class Complaint(NamedTuple):
    """Why esptool ended."""

    error: UgwError
    passing: bool


def understood(said: list[str], port: str) -> Complaint:
    """Return what the lines that esptool has printed come to."""
    tail = _complained(said)
    for known in _KNOWN:
        found = re.search(known.pattern, tail, re.DOTALL)
        if found is not None:
            words = known.cause.format(found[0], *found.groups(), port=port)
            return Complaint(known.error(words, known.remedy), known.passing)
    lines = (line for line in reversed(tail.splitlines()) if line.strip())
    last = next((line for line in lines if not _is_advice(line)), "nothing")
    cause = f"esptool says: {last.strip()[:200]}"
    return Complaint(NotWrittenError(cause, _OTHER_CABLE), passing=False)


def _is_advice(line: str) -> bool:
    """Whether a line only says where to read on."""
    return line.startswith("Note:") or "troubleshooting" in line or "https://" in line


def _complained(said: list[str]) -> str:
    """Return what it said from the error on: earlier words may sound like one."""
    for number, line in enumerate(said):
        if re.search(r"error occurred|^ERROR|Traceback|SerialException", line):
            return "\n".join(said[number:])
    return "\n".join(said[-5:])
