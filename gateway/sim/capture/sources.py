"""What was heard, whatever wrote it down: a capture, a btsnoop dump, a log of a serial port.

What a file is shows in how it begins; one that is neither is refused with what would be read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import SimulatorError
from gateway.sim.capture.btsnoop import MAGIC, BtsnoopFile
from gateway.sim.capture.file import CaptureError, CaptureFile, Heard
from gateway.sim.capture.serial_log import SerialLog

_LOOK_BYTES: Final = 16
_WHICH: Final = "say with --modem which modem spoke there, if it is a log of a serial port"


class Source(Protocol):
    """What was heard, in order of time within a session; it can be iterated over again."""

    path: Path

    @property
    def notes(self) -> list[str]:
        """What of the file was not as it should be, in words; complete after an iteration."""
        ...

    def __iter__(self) -> Iterator[Heard]:
        """Yield what was heard. Raises CaptureError."""
        ...


def open_source(path: Path, modem: str = "") -> Source:
    """Tell what a file is, and return it; `modem` names the driver that reads a serial log.

    Raises CaptureError for what cannot be read, and SimulatorError for a modem without a model.
    """
    try:
        if not path.is_file():
            cause = f"{path} is no file" if path.exists() else f"there is no {path}"
            raise CaptureError(cause)
        with path.open("rb") as file:
            start = file.read(_LOOK_BYTES)
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror}"
        raise CaptureError(cause) from None
    if start.startswith(MAGIC):
        return BtsnoopFile(path)
    if start.startswith(b"{"):
        return CaptureFile(path)
    if not start:
        cause = f"{path} is empty"
        raise CaptureError(cause)
    if not modem:
        cause = f"{path} is neither a capture of ugw nor a btsnoop file"
        raise CaptureError(cause, _WHICH)
    from gateway.sim.modems import MODEMS  # noqa: PLC0415 - only a serial log needs all models

    if modem not in MODEMS:
        cause = f"there is no modem {modem!r:.80}"
        raise SimulatorError(cause, "known are " + ", ".join(sorted(MODEMS)))
    return SerialLog(path, modem)
