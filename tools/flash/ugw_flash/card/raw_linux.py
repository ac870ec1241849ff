"""A whole disk on Linux: exclusive (O_EXCL), and past the page cache (O_DIRECT).

While it is open for writing, the kernel mounts nothing of it: neither the desktop nor anybody else
sees the new partitions before they are complete.
"""

import fcntl
import os
from contextlib import ExitStack, suppress
from io import FileIO
from typing import Final

from ugw_flash.card import device
from ugw_flash.card.device import Device, Run
from ugw_flash.card.sectors import Sectors
from ugw_flash.disks.model import Disk, Kind
from ugw_flash.outcome import RefusedError

# linux/fs.h, linux/cdrom.h
_BLKFLSBUF: Final = 0x1261
_BLKRRPART: Final = 0x125F
_BLKSSZGET: Final = 0x1268
_CDROMEJECT: Final = 0x5309


def open_device(disk: Disk, *, writable: bool, run: Run = device.run) -> Device:
    """Open it; what is mounted of it is unmounted. Raises OSError, RefusedError."""
    if writable:
        _unmount(disk, run)
    how = os.O_RDWR | os.O_EXCL if writable else os.O_RDONLY
    file = FileIO(
        os.open(disk.path, how | os.O_DIRECT | os.O_CLOEXEC), "r+b" if writable else "rb"
    )
    with ExitStack() as opened:
        opened.enter_context(file)
        size = os.lseek(file.fileno(), 0, os.SEEK_END)
        medium = Sectors(file, size, _sector(file), _flush)
        kept = opened.pop_all()
    return Device(medium, lambda: _finish(file, disk), kept.close)


def _unmount(disk: Disk, run: Run) -> None:
    for place in disk.everything_mounted():
        # Swap and the like have no place; policy forbids them anyway.
        trouble = run(["umount", "--", place]) if place.startswith("/") else "it is in use"
        if trouble and not _by_desktop(disk, place, run):
            cause = f"{place} on {disk.path} cannot be unmounted: {trouble}"
            raise RefusedError(cause, "close the windows and programs that use it, and start anew")


def _by_desktop(disk: Disk, place: str, run: Run) -> bool:
    """Unmount what the desktop has mounted for a user who is not root."""
    found = next((part.path for part in disk.parts if place in part.mounts), disk.path)
    return not run(["udisksctl", "unmount", "--no-user-interaction", "-b", found])


def _sector(file: FileIO) -> int:
    return int.from_bytes(fcntl.ioctl(file, _BLKSSZGET, bytes(4)), "little")


def _flush(file: FileIO) -> None:
    os.fsync(file.fileno())


def _finish(file: FileIO, disk: Disk) -> None:
    # The card is complete: neither a stale cache nor a reader that cannot eject makes it less so.
    for request in (_BLKFLSBUF, _CDROMEJECT if disk.kind is Kind.USB else _BLKRRPART):
        with suppress(OSError):
            fcntl.ioctl(file, request)
