"""The disks of a Mac: what diskutil says, as our records. Tried on its output, never on a Mac.

The disks that diskutil makes up for APFS are no disks of their own here: their volumes count as
parts of the disk they are stored on.
"""

import plistlib
import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar
from xml.parsers.expat import ExpatError

import msgspec

from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.disks.places import is_of_system
from ugw_flash.disks.policy import in_use_as
from ugw_flash.disks.programs import Run, run
from ugw_flash.outcome import NoDeviceError

DISKUTIL: Final = "/usr/sbin/diskutil"
ROOT: Final = "/"

_KINDS: Final = {
    "USB": Kind.USB,
    "Secure Digital": Kind.SD,
    "SATA": Kind.ATA,
    "ATA": Kind.ATA,
    "PCI": Kind.NVME,
    "PCI-Express": Kind.NVME,
    "NVMe": Kind.NVME,
    "Apple Fabric": Kind.NVME,
    "Disk Image": Kind.LOOP,
}


class _Lax(msgspec.Struct, frozen=True, rename="pascal"):
    """What diskutil prints; keys we do not know are none of our business."""


class Snapshot(_Lax, frozen=True):
    """A state of a volume that is mounted, as / is."""

    snapshot_mount_point: str = ""


class Part(_Lax, frozen=True):
    """A partition, or a volume of APFS."""

    device_identifier: str
    size: int = 0
    content: str = ""
    volume_name: str = ""
    mount_point: str = ""
    mounted_snapshots: tuple[Snapshot, ...] = ()

    @property
    def mounts(self) -> tuple[str, ...]:
        """Return where it is mounted."""
        states = (each.snapshot_mount_point for each in self.mounted_snapshots)
        return tuple(filter(None, (self.mount_point, *states)))


class Store(_Lax, frozen=True):
    """Where a container of APFS is stored; `list` and `info` use different keys."""

    device_identifier: str = ""
    store: str = msgspec.field(default="", name="APFSPhysicalStore")

    @property
    def name(self) -> str:
        """Return the partition's name, by whichever key it came."""
        return self.device_identifier or self.store


class Whole(Part, frozen=True):
    """A disk, or one that is made up for a container of APFS."""

    partitions: tuple[Part, ...] = ()
    volumes: tuple[Part, ...] = msgspec.field(default=(), name="APFSVolumes")
    stores: tuple[Store, ...] = msgspec.field(default=(), name="APFSPhysicalStores")


class Info(_Lax, frozen=True):
    """What `diskutil info` says of a disk or a volume."""

    size: int = 0
    total_size: int = 0
    media_name: str = ""
    bus_protocol: str = ""
    virtual_or_physical: str = ""
    removable_media: bool = False
    writable_media: bool = True
    device_tree_path: str = ""
    parent_whole_disk: str = ""
    stores: tuple[Store, ...] = msgspec.field(default=(), name="APFSPhysicalStores")


class Listing(_Lax, frozen=True):
    """What `diskutil list` says."""

    all_disks_and_partitions: tuple[Whole, ...]


_Record = TypeVar("_Record", bound=_Lax)


class MacDisks:
    """Asks this computer."""

    def __init__(self, run: Run = run) -> None:
        self._run = run

    def disks(self) -> list[Disk]:
        """Return every whole disk. Raises NoDeviceError."""
        listing = self._listing()
        infos = {ROOT: self._info(ROOT)}
        for name in _names(listing):
            try:
                infos[name] = self._info(name)
            except NoDeviceError:
                # Unless it was just pulled out: left out, it would count as new at the next look.
                if name in _names(self._listing()):
                    raise
        return disks_of(listing, infos)

    def _listing(self) -> Listing:
        return parse(self._run((DISKUTIL, "list", "-plist")), Listing)

    def _info(self, name: str) -> Info:
        return parse(self._run((DISKUTIL, "info", "-plist", name)), Info)


def parse(printed: bytes, what: type[_Record]) -> _Record:
    """Read a property list. Raises NoDeviceError when it is none."""
    try:
        return msgspec.convert(plistlib.loads(printed), what, strict=False)
    except (plistlib.InvalidFileException, ExpatError, ValueError, AttributeError) as error:
        cause = f"diskutil prints something else than was expected: {error}"
        raise NoDeviceError(cause, "report it, with what diskutil list -plist prints") from error


def _names(listing: Listing) -> list[str]:
    return [each.device_identifier for each in listing.all_disks_and_partitions]


def disks_of(listing: Listing, infos: Mapping[str, Info]) -> list[Disk]:
    """Return the whole disks of a listing that are known, those of the running system marked."""
    wholes = listing.all_disks_and_partitions
    containers = [each for each in wholes if each.stores]
    root = infos[ROOT]
    own = {_whole_of(store.name) for store in root.stores} | {root.parent_whole_disk}
    return [
        _disk(each, infos[each.device_identifier], containers, own)
        for each in wholes
        if not each.stores and each.device_identifier in infos
    ]


def _disk(whole: Whole, info: Info, containers: Iterable[Whole], own: set[str]) -> Disk:
    volumes = [
        volume
        for container in containers
        if any(_whole_of(each.name) == whole.device_identifier for each in container.stores)
        for volume in container.volumes
    ]
    parts = (*map(_part, whole.partitions), *map(_part, volumes))
    places = sorted({p for p in (*whole.mounts, *_mounts(parts)) if is_of_system(p)})
    of_system = in_use_as(places) if places else "it runs from it"
    return Disk(
        path=f"/dev/{whole.device_identifier}",
        size=info.size or info.total_size or whole.size,
        kind=_kind(info),
        model=info.media_name.strip(),
        removable=info.removable_media,
        read_only=not info.writable_media,
        port=info.device_tree_path,
        filesystem="" if whole.partitions else whole.content,
        mounts=whole.mounts,
        parts=parts,
        of_system=of_system if places or whole.device_identifier in own else "",
    )


def _part(part: Part) -> Partition:
    return Partition(
        path=f"/dev/{part.device_identifier}",
        size=part.size,
        filesystem=part.content,
        label=part.volume_name,
        mounts=part.mounts,
    )


def _mounts(parts: Iterable[Partition]) -> Iterable[str]:
    return (place for part in parts for place in part.mounts)


def _kind(info: Info) -> Kind:
    kind = _KINDS.get(info.bus_protocol, Kind.OTHER)
    made_up = info.virtual_or_physical == "Virtual" and kind is not Kind.LOOP
    return Kind.OTHER if made_up else kind


def _whole_of(name: str) -> str:
    """Return the disk of a part: disk0 of disk0s2."""
    found = re.match(r"disk\d+", name)
    return found[0] if found else name
