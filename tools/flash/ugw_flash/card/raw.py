"""Opening a whole disk, to write it or to read it, on Linux, macOS and Windows.

To write it means alone: what is mounted of it is unmounted first, and while it is open nothing can
be mounted. Once all went well it is ejected. What goes wrong is said as what it means.
"""

import errno
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from gateway.errors import UgwError
from ugw_flash.card.sectors import Sectors
from ugw_flash.disks.model import Disk
from ugw_flash.outcome import NoDeviceError, NotWrittenError, RefusedError

if sys.platform == "win32":
    from ugw_flash.card.raw_windows import open_device

    _RIGHTS = "start the terminal as administrator"
elif sys.platform == "darwin":
    from ugw_flash.card.raw_macos import open_device

    _RIGHTS = "say it with sudo, and let the terminal use removable volumes (Privacy & Security)"
else:
    from ugw_flash.card.raw_linux import open_device

    _RIGHTS = "say it with sudo; ugw flash doctor looks at rights"

_NO_MEDIUM: Final = getattr(errno, "ENOMEDIUM", errno.ENXIO)  # a reader without a card: Linux
_GONE: Final = frozenset({errno.ENOENT, errno.ENXIO, errno.ENODEV, _NO_MEDIUM})
_REFUSED: Final = {
    errno.EACCES: ("this user may not open it", _RIGHTS),
    errno.EPERM: ("this user may not open it", _RIGHTS),
    errno.EBUSY: ("something uses it", "close what does (lsblk shows what), and start anew"),
    errno.EROFS: ("it is write-protected", "push the little slide of the card towards its pins"),
    errno.ENOTTY: ("it is no disk", "ugw flash list shows disks"),
}


@contextmanager
def open_disk(disk: Disk, *, writable: bool = False) -> Generator[Sectors]:
    """Open a disk. Raises NoDeviceError, RefusedError; OSError is what happens to it inside."""
    try:
        device = open_device(disk, writable=writable)
    except OSError as error:
        raise _explained(disk, error) from error
    try:
        yield device.medium
        if writable:
            device.finish()
    finally:
        device.close()


def went_away(error: OSError) -> bool:
    """Return whether an error says that the card is no longer there."""
    return error.errno in _GONE


def failure(error: OSError, state: str) -> NoDeviceError | NotWrittenError:
    """Return what befell a card while it was written, and what state it is in by now."""
    if went_away(error):
        return NoDeviceError(f"the card went away; {state}", "insert it again")
    cause = f"the card does not take it: {error.strerror or error}; {state}"
    return NotWrittenError(cause, "take another card, or another reader")


def _explained(disk: Disk, error: OSError) -> UgwError:
    if went_away(error):
        return NoDeviceError(f"{disk.path} is not there", "insert the card, and start anew")
    why, remedy = _REFUSED.get(error.errno or 0, (error.strerror or str(error), ""))
    return RefusedError(f"{disk.path} cannot be opened: {why}", remedy)
