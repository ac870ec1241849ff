"""A whole disk on Windows: its volumes locked and dismounted, and kept so while it is open.

Written after Microsoft's documentation and what others do, and not tried on Windows so far.
"""

import ctypes
import msvcrt
import os
import sys
from contextlib import ExitStack, suppress
from io import FileIO
from typing import Final

from ugw_flash.card.device import Device
from ugw_flash.card.sectors import Sectors
from ugw_flash.disks.model import Disk
from ugw_flash.outcome import RefusedError

assert sys.platform == "win32"  # noqa: S101 - so the type checkers know whose calls these are

# winioctl.h
_FSCTL_LOCK_VOLUME: Final = 0x00090018
_FSCTL_DISMOUNT_VOLUME: Final = 0x00090020
_IOCTL_DISK_UPDATE_PROPERTIES: Final = 0x00070140
_IOCTL_STORAGE_EJECT_MEDIA: Final = 0x002D4808
_SECTOR: Final = 4096  # at least the device's own


def open_device(disk: Disk, *, writable: bool) -> Device:
    """Open it; its volumes are dismounted. Raises OSError, RefusedError."""
    with ExitStack() as opened:
        if writable:
            for place in disk.everything_mounted():
                _lock(
                    opened.enter_context(_open("\\\\.\\" + place.rstrip("\\"), writable=True)),
                    place,
                )
        file = opened.enter_context(_open(disk.path, writable=writable))
        sector = _SECTOR if disk.size % _SECTOR == 0 else 512
        medium = Sectors(file, disk.size, sector, lambda file: os.fsync(file.fileno()))
        kept = opened.pop_all()
    return Device(medium, lambda: _finish(file), kept.close)


def _open(path: str, *, writable: bool) -> FileIO:
    how = os.O_RDWR if writable else os.O_RDONLY
    return FileIO(os.open(path, how | os.O_BINARY | os.O_NOINHERIT), "r+b" if writable else "rb")


def _lock(volume: FileIO, place: str) -> None:
    if not _control(volume, _FSCTL_LOCK_VOLUME):
        cause = f"{place} is in use, and cannot be locked"
        raise RefusedError(cause, "close the windows and programs that use it, and start anew")
    _control(volume, _FSCTL_DISMOUNT_VOLUME)


def _finish(file: FileIO) -> None:
    # It is complete: a reader that cannot eject makes it no less so.
    for code in (_IOCTL_DISK_UPDATE_PROPERTIES, _IOCTL_STORAGE_EJECT_MEDIA):
        with suppress(OSError):
            _control(file, code)


def _control(file: FileIO, code: int) -> bool:
    handle = msvcrt.get_osfhandle(file.fileno())
    answered = ctypes.c_ulong()
    return bool(
        ctypes.windll.kernel32.DeviceIoControl(
            ctypes.c_void_p(handle), code, None, 0, None, 0, ctypes.byref(answered), None
        )
    )
