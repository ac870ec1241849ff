"""A whole disk on macOS: the raw device, after `diskutil` has unmounted what is on it.

Written after Apple's documentation and what others do, and not tried on a Mac so far.
"""

import fcntl
import os
from contextlib import suppress
from io import FileIO
from typing import Final

from ugw_flash.card import device
from ugw_flash.card.device import Device, Run
from ugw_flash.card.sectors import Sectors
from ugw_flash.disks.model import Disk
from ugw_flash.outcome import RefusedError

_DKIOCSYNCHRONIZECACHE: Final = 0x20006416  # sys/disk.h: _IO('d', 22)
_SECTOR: Final = 4096  # at least the device's own; sizes of cards are multiples of it


def open_device(disk: Disk, *, writable: bool, run: Run = device.run) -> Device:
    """Open it; what is mounted of it is unmounted. Raises OSError, RefusedError."""
    if writable and (trouble := run(["diskutil", "unmountDisk", disk.path])):
        cause = f"{disk.path} cannot be unmounted: {trouble}"
        raise RefusedError(cause, "close the windows and programs that use it, and start anew")
    # /dev/disk4 goes through a cache and in small pieces, /dev/rdisk4 does neither.
    path = disk.path.replace("/dev/disk", "/dev/rdisk", 1)
    how = os.O_RDWR if writable else os.O_RDONLY
    file = FileIO(os.open(path, how | os.O_CLOEXEC), "r+b" if writable else "rb")
    return Device(
        Sectors(file, disk.size, _SECTOR if disk.size % _SECTOR == 0 else 512, _flush),
        lambda: _eject(disk, run),
        file.close,
    )


def _flush(file: FileIO) -> None:
    os.fsync(file.fileno())
    with suppress(OSError):  # some readers have no cache to flush
        fcntl.ioctl(file, _DKIOCSYNCHRONIZECACHE)


def _eject(disk: Disk, run: Run) -> None:
    run(["diskutil", "eject", disk.path])  # it is complete also where that fails
