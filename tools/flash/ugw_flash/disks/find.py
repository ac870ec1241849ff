"""Who is asked for disks on this system; on one that is not known, nobody: it is refused."""

import sys

from ugw_flash.disks.linux import LinuxDisks
from ugw_flash.disks.macos import MacDisks
from ugw_flash.disks.model import DiskSource
from ugw_flash.disks.windows import WindowsDisks
from ugw_flash.outcome import NoDeviceError


def source(platform: str = sys.platform) -> DiskSource:
    """Return who knows the disks of this system. Raises NoDeviceError where nobody does."""
    if platform == "linux":
        return LinuxDisks()
    if platform == "darwin":
        return MacDisks()
    if platform == "win32":
        return WindowsDisks()
    cause = f"which disks belong to a system of the kind {platform!r} is not known"
    raise NoDeviceError(cause, "write cards on Linux, macOS or Windows")
