"""A disk as the tool sees it, whatever the system it was asked of."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

import msgspec


class Kind(StrEnum):
    """How a disk is connected."""

    SD = "sd"
    EMMC = "emmc"
    USB = "usb"
    ATA = "ata"
    NVME = "nvme"
    LOOP = "loop"
    OTHER = "other"


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a disk, or what is built upon it (a mapped volume, an array)."""

    path: str
    size: int  # bytes
    filesystem: str = ""  # "vfat", "ext4", "crypto_LUKS", "LVM2_member", ...; empty: none known
    label: str = ""
    mounts: tuple[str, ...] = ()  # "[SWAP]" where it is swap
    kind: str = "part"  # as the system calls it: part, crypt, lvm, raid1, ...


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A whole disk."""

    path: str  # /dev/sdb, /dev/disk4, \\\\.\\PhysicalDrive2
    size: int  # bytes; 0: a reader without a card
    kind: Kind = Kind.OTHER
    vendor: str = ""
    model: str = ""
    serial: str = ""
    removable: bool = False
    read_only: bool = False
    number: str = ""  # the kernel's (8:16): another disk under the same path has another
    port: str = ""  # where it is plugged in: the same for the next card in this reader
    filesystem: str = ""  # of the disk itself, where it has no partitions
    mounts: tuple[str, ...] = ()  # of the disk itself
    parts: tuple[Partition, ...] = ()  # everything on it, at any depth
    of_system: str = ""  # why it is a disk of the running system; empty: it is not known to be one

    def everything_mounted(self) -> Iterator[str]:
        """Yield every place where something of this disk is in use."""
        yield from self.mounts
        for part in self.parts:
            yield from part.mounts


class DiskSource(Protocol):
    """Who is asked for disks."""

    def disks(self) -> list[Disk]:
        """Return every whole disk there is now. Raises NoDeviceError when nobody answers."""
        ...
