"""Which disks may be written: a verdict with its reasons, from what is known of the disk alone.

A disk of the running system is forbidden, and no option changes that. What is not clearly a card
or a stick takes its serial number and --i-know. `removable` decides nothing: SD cards deny it,
backup disks claim it.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from ugw_flash.disks.model import Disk, Kind
from ugw_flash.disks.places import SWAP, is_of_desktop, is_of_system

_GB: Final = 1_000_000_000


class Grade(StrEnum):
    """What may be done with a disk."""

    USABLE = "usable"
    UNUSUAL = "unusual"  # with its serial number and --i-know
    FORBIDDEN = "forbidden"  # whatever is said


class Verdict(NamedTuple):
    """A grade, and why; a usable disk has no reasons."""

    grade: Grade
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(self.reasons)


class Limits(NamedTuple):
    """How large a card is usually, in bytes."""

    least: int = 2 * _GB
    most: int = 256 << 30  # what is sold as 256 GB has a little more or less


USUAL: Final = Limits()
_INSIDE: Final = {
    Kind.ATA: "an ATA disk, as they are built into computers",
    Kind.NVME: "an NVMe disk, as they are built into computers",
    Kind.EMMC: "memory that is soldered in (eMMC), not a card",
    Kind.LOOP: "a loop device, which stands for a file",
    Kind.OTHER: "neither an SD card nor on USB",
}
# What takes part in something larger, or is locked: nothing of it is seen by looking at mounts.
_SIGNATURES: Final = {
    "crypto_LUKS": "is encrypted (LUKS)",
    "LVM2_member": "is part of a volume group (LVM)",
    "LVM1_member": "is part of a volume group (LVM)",
    "linux_raid_member": "is part of an array (RAID)",
    "isw_raid_member": "is part of an array (RAID)",
    "ddf_raid_member": "is part of an array (RAID)",
    "mpath_member": "is one of several ways to a disk (multipath)",
    "zfs_member": "is part of a pool (ZFS)",
    "bcache": "is part of a cache (bcache)",
    "ceph_bluestore": "is part of a cluster (Ceph)",
    "drbd": "is a mirror (DRBD)",
    "jbd": "is the journal of another disk (ext4)",
    "xfs_external_log": "is the journal of another disk (XFS)",
    "VMFS_volume_member": "holds virtual machines (VMFS)",
    "BitLocker": "is encrypted (BitLocker)",
    "Apple_APFS": "is a container of volumes (APFS), as the disks of Macs are",
    "Apple_CoreStorage": "is part of a volume group (CoreStorage)",
    "Apple_RAID": "is part of an array (RAID)",
    "swsuspend": "holds the memory of a system that is suspended",
}
_PARTS: Final = frozenset({"part", "loop"})  # anything else on a disk is built upon it


def judge(disk: Disk, *, needed_bytes: int = 0, limits: Limits = USUAL) -> Verdict:
    """Judge a disk for an image that needs so many bytes."""
    if forbidden := tuple(_forbidding(disk, needed_bytes)):
        return Verdict(Grade.FORBIDDEN, forbidden)
    if unusual := tuple(dict.fromkeys(_unusual(disk, limits))):
        return Verdict(Grade.UNUSUAL, unusual)
    return Verdict(Grade.USABLE)


def name(disk: Disk) -> str:
    """Return what --allow-disk calls a disk: its serial number, its path where it has none."""
    return disk.serial or disk.path


def size_text(size: int) -> str:
    """Write a size as it stands on a card: in decimal units, 31.9 GB."""
    for unit, bytes_ in (("TB", 1000 * _GB), ("GB", _GB), ("MB", 1_000_000)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


def _forbidding(disk: Disk, needed_bytes: int) -> Iterator[str]:
    if disk.of_system:
        yield f"a disk of this system ({disk.of_system})"
    # Again, whoever found the disk: this is the rule that must hold.
    elif places := sorted({each for each in disk.everything_mounted() if is_of_system(each)}):
        yield f"a disk of this system ({in_use_as(places)})"
    if not disk.size:
        yield "no card is in it"
    elif disk.size < needed_bytes:
        needed = size_text(needed_bytes)
        yield f"too small: {size_text(disk.size)} ({disk.size} bytes), and {needed} are needed"
    if disk.read_only:
        yield "write-protected: is the little switch on the card or its adapter at LOCK?"


def in_use_as(places: list[str]) -> str:
    """Say what a system keeps on a disk, by where it is mounted."""
    said = ["its swap" if place == SWAP else place for place in places]
    return f"{', '.join(said)} {'is' if len(said) == 1 else 'are'} on it"


def _unusual(disk: Disk, limits: Limits) -> Iterator[str]:
    if disk.kind in _INSIDE:
        yield _INSIDE[disk.kind]
    if disk.size > limits.most:
        yield f"larger than cards are ({size_text(disk.size)})"
    elif disk.size < limits.least:
        yield f"smaller than cards are ({size_text(disk.size)})"
    for mount in disk.everything_mounted():
        if not is_of_desktop(mount):
            yield f"in use: mounted at {mount}"
    yield from _signed(disk.path, disk.filesystem)
    for part in disk.parts:
        yield from _signed(part.path, part.filesystem)
        if part.kind not in _PARTS:
            yield f"in use: {part.path} ({part.kind}) is built upon it"


def _signed(path: str, filesystem: str) -> Iterator[str]:
    what = _SIGNATURES.get(filesystem)
    if what is None and filesystem.endswith("_member"):
        what = f"is part of something larger ({filesystem})"
    if what is not None:
        yield f"{path} {what}"
