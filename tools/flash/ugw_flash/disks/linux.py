"""The disks of a Linux system: what lsblk, the kernel's mounts and sysfs say, as our records.

What belongs to the running system is found out from all three, for each alone overlooks some: a
second disk of a btrfs, a pool of ZFS, a volume group that reaches onto a disk with nothing
mounted, a root that is an overlay.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.disks.places import SWAP, is_of_system
from ugw_flash.disks.policy import in_use_as
from ugw_flash.disks.programs import Run, run
from ugw_flash.outcome import NoDeviceError

# All columns, for older versions refuse to print any when asked for one they do not know.
LSBLK: Final = ("lsblk", "-J", "-b", "-O")

_WHOLE: Final = frozenset({"disk", "loop"})
# Memory, and the boot and key areas of eMMC, which are disks of their own to the kernel.
_NO_TARGET: Final = re.compile(r"zram\d+|ram\d+|mmcblk\d+(boot\d+|rpmb|gp\d+)")
_KINDS: Final = {"usb": Kind.USB, "sata": Kind.ATA, "ata": Kind.ATA, "nvme": Kind.NVME}
# Members of one whole have one UUID, also those on which nothing is seen to be mounted.
_POOLED: Final = frozenset({"bcache", "bcachefs", "btrfs", "linux_raid_member"})
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


class Node(msgspec.Struct, frozen=True):
    """A block device as lsblk prints it; older versions print numbers as strings."""

    name: str
    kname: str = ""
    path: str = ""
    number: str | None = msgspec.field(default=None, name="maj:min")
    kind: str = msgspec.field(default="disk", name="type")
    size: int | None = None
    removable: bool | None = msgspec.field(default=None, name="rm")
    read_only: bool | None = msgspec.field(default=None, name="ro")
    transport: str | None = msgspec.field(default=None, name="tran")
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    wwn: str | None = None
    filesystem: str | None = msgspec.field(default=None, name="fstype")
    label: str | None = None
    uuid: str | None = None
    mountpoint: str | None = None
    mountpoints: list[str | None] | None = None
    children: list["Node"] = []

    def below(self) -> Iterator["Node"]:
        """Yield what is on it, at any depth; what is on two parts comes twice."""
        for child in self.children:
            yield child
            yield from child.below()

    def tree(self) -> Iterator["Node"]:
        """Yield it and what is on it."""
        yield self
        yield from self.below()


class Mount(NamedTuple):
    """A line of the kernel's table of mounts."""

    number: str  # of the device; an invented one for btrfs, ZFS and overlays
    place: str
    filesystem: str
    source: str


class Hardware(NamedTuple):
    """What sysfs says of a disk."""

    where: str = ""  # its place in the tree of devices
    sequence: str = ""  # another one for every medium that is put in (Linux 5.15)
    card: str = ""  # "SD" or "MMC", for what is behind an mmc controller


class Surroundings(NamedTuple):
    """What the kernel says beside lsblk."""

    mounts: tuple[Mount, ...] = ()
    swaps: tuple[str, ...] = ()  # devices and files
    hardware: Mapping[str, Hardware] = {}


class _Listing(msgspec.Struct):
    blockdevices: list[Node]


class LinuxDisks:
    """Asks this computer; `root` stands for / where a test plays another one."""

    def __init__(self, run: Run = run, root: Path = Path("/")) -> None:
        self._run = run
        self._root = root

    def disks(self) -> list[Disk]:
        """Return every whole disk. Raises NoDeviceError."""
        nodes = parse(self._run(LSBLK))
        return disks_of(nodes, surroundings(self._root, nodes))


def parse(listing: bytes) -> list[Node]:
    """Read what lsblk printed. Raises NoDeviceError when it is not that."""
    text = listing.decode(errors="replace")
    try:
        return msgspec.json.decode(text, type=_Listing, strict=False).blockdevices
    except (msgspec.DecodeError, RecursionError) as error:
        cause = f"lsblk prints something else than a list of disks: {error}"
        raise NoDeviceError(cause, "util-linux 2.33 or newer is needed") from error


def surroundings(root: Path, nodes: Iterable[Node]) -> Surroundings:
    """Read what the kernel says of mounts, swap and these devices."""
    # Also those of the first process, where we may: ours may be another view (a container).
    tables = [_text(root / "proc" / who / "mountinfo") for who in ("self", "1")]
    mounts = dict.fromkeys(
        mount._replace(source=_real(root, mount.source))
        for table in tables
        for mount in parse_mounts(table)
    )
    swaps = _text(root / "proc/swaps").splitlines()[1:]
    hardware = {node.name: _hardware(root / "sys/block" / node.name) for node in nodes}
    found = tuple(_real(root, _unescaped(line.split()[0])) for line in swaps if line.strip())
    return Surroundings(tuple(mounts), found, hardware)


def parse_mounts(table: str) -> Iterator[Mount]:
    """Yield what a mountinfo says (proc(5))."""
    for line in table.splitlines():
        ours, _, others = line.partition(" - ")
        fields, theirs = ours.split(" "), others.split(" ")
        if len(fields) > 4 and len(theirs) > 1:  # noqa: PLR2004 - up to the place and the source
            yield Mount(fields[2], _unescaped(fields[4]), theirs[0], _unescaped(theirs[1]))


def disks_of(nodes: Iterable[Node], around: Surroundings) -> list[Disk]:
    """Return the whole disks of a listing, those of the running system marked."""
    nodes = list(nodes)
    system = _System(nodes, around)
    return [
        _disk(node, system, around)
        for node in nodes
        if node.kind in _WHOLE and not _NO_TARGET.fullmatch(node.name)
    ]


class _System:
    """What the running system is made of, for telling its disks."""

    def __init__(self, nodes: list[Node], around: Surroundings) -> None:
        self._mounts = around.mounts
        self._swaps = _swapping(around)
        self._names = frozenset(node.name for node in nodes)
        everything = [each for node in nodes for each in node.tree()]
        self._pools = {
            mount.source.partition("/")[0]
            for mount in around.mounts
            if mount.filesystem == "zfs" and is_of_system(mount.place)
        }
        roots = {mount.filesystem for mount in around.mounts if mount.place == "/"}
        # No device shows the mounts of a pool, but its members do.
        self._root_is_known = "zfs" in roots or any(
            "/" in self.places(each) for each in everything
        )
        own = [node for node in nodes if self._own_places(node)]
        self._wholes = {each for node in own for each in _wholes(node)}
        self._groups = {
            _group(each) for node in own for each in node.below() if each.kind == "lvm"
        }
        self._wwns = {node.wwn for node in own if node.wwn}

    def places(self, node: Node) -> tuple[str, ...]:
        """Return where a device itself is mounted, by all that is known."""
        places = {each for each in (node.mountpoint, *(node.mountpoints or ())) if each}
        places |= {mount.place for mount in self._mounts if _is_on(mount, node)}
        if any(_is_called(node, swap) or swap == node.number for swap in self._swaps):
            places.add(SWAP)
        return tuple(sorted(places))

    def why(self, node: Node) -> str:
        """Say why a disk is one of the running system; nothing if it is not known to be."""
        return next(self._signs(node), "")

    def is_emmc(self, node: Node) -> bool:
        """Say whether it has boot areas, as only memory that is soldered in has."""
        return f"{node.name}boot0" in self._names

    def _signs(self, node: Node) -> Iterator[str]:
        if places := self._own_places(node):
            yield in_use_as(places)
        if shared := self._wholes & set(_wholes(node)):
            yield f"it is one of several disks of its {min(shared)[0]}"
        if any(_is_pooled(each, self._pools) for each in node.tree()):
            yield f"it is part of its pool {', '.join(sorted(self._pools))} (ZFS)"
        if self._groups and any(_may_be_in(each, self._groups) for each in node.tree()):
            yield "its volume group may reach onto it (LVM)"
        if node.wwn and node.wwn in self._wwns:
            yield "it is one of its disks, seen on another way"
        if not self._root_is_known and any(self.places(each) for each in node.tree()):
            yield "from which disk it runs cannot be told, and this one is mounted: unmount it"

    def _own_places(self, node: Node) -> list[str]:
        return sorted({p for each in node.tree() for p in self.places(each) if is_of_system(p)})


def _disk(node: Node, system: _System, around: Surroundings) -> Disk:
    hardware = around.hardware.get(node.name, Hardware())
    parts = {_path(each): each for each in node.below()}
    return Disk(
        path=_path(node),
        size=node.size or 0,
        kind=_kind(node, hardware, system),
        vendor=_stripped(node.vendor),
        model=_stripped(node.model),
        serial=_stripped(node.serial),
        removable=bool(node.removable),
        read_only=bool(node.read_only),
        number=" #".join(filter(None, (_stripped(node.number), hardware.sequence))),
        port=port(hardware.where),
        filesystem=node.filesystem or "",
        mounts=system.places(node),
        parts=tuple(_part(each, system) for each in parts.values()),
        of_system=system.why(node),
    )


def _part(node: Node, system: _System) -> Partition:
    return Partition(
        path=_path(node),
        size=node.size or 0,
        filesystem=node.filesystem or "",
        label=node.label or "",
        mounts=system.places(node),
        kind=node.kind,
    )


def _kind(node: Node, hardware: Hardware, system: _System) -> Kind:
    if node.kind == "loop":
        return Kind.LOOP
    if node.name.startswith("mmcblk"):
        is_card = hardware.card.startswith("SD") and not system.is_emmc(node)
        return Kind.SD if is_card else Kind.EMMC
    if node.transport is None and "/usb" in hardware.where:
        return Kind.USB
    return _KINDS.get(node.transport or "", Kind.OTHER)


def port(where: str) -> str:
    """Return where a disk is plugged in, without what is counted up at every plugging."""
    where = re.sub(r"/host\d+/target[^/]*/\d+:\d+:\d+:(\d+)/block/[^/]+$", r"/lun\1", where)
    where = re.sub(r"/mmc\d+:[^/]+/block/[^/]+$", "", where)
    return re.sub(r"^.*/(?=usb\d+/)", "", where.removesuffix("/"))


def _wholes(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the wholes of which it holds members: a file system over several disks, an array."""
    for each in node.tree():
        if each.filesystem in _POOLED and each.uuid:
            yield each.filesystem, each.uuid


def _is_pooled(node: Node, pools: set[str]) -> bool:
    # A member's label is the name of its pool; without one it could be of any.
    return bool(pools) and node.filesystem == "zfs_member" and (node.label or "") in {"", *pools}


def _may_be_in(node: Node, groups: set[str]) -> bool:
    if node.kind == "lvm":
        return _group(node) in groups
    # Of which group a member is, only its volumes tell.
    is_member = (node.filesystem or "").startswith("LVM")
    return is_member and not any(each.kind == "lvm" for each in node.below())


def _group(volume: Node) -> str:
    """Return the group's name of a mapped volume: group-volume, hyphens in names doubled."""
    return re.split(r"(?<!-)-(?!-)", volume.name, maxsplit=1)[0]


def _is_on(mount: Mount, node: Node) -> bool:
    return mount.number == (node.number or "").strip() or _is_called(node, mount.source)


def _is_called(node: Node, source: str) -> bool:
    names = {_path(node), f"/dev/{node.kname or node.name}", f"/dev/{node.name}"}
    # bcachefs names all its disks: /dev/sda:/dev/sdb.
    return not names.isdisjoint((source, *source.split(":")))


def _swapping(around: Surroundings) -> frozenset[str]:
    """Return the names and numbers of devices that hold swap, also those with a file for it."""
    return frozenset(name for swap in around.swaps for name in _device_below(swap, around.mounts))


def _device_below(path: str, mounts: Iterable[Mount]) -> tuple[str, ...]:
    if path.startswith("/dev/"):
        return (path,)
    above = [each for each in mounts if path.startswith(each.place.rstrip("/") + "/")]
    nearest = max(above, key=lambda each: len(each.place), default=None)
    return () if nearest is None else (nearest.source, nearest.number)


def _hardware(folder: Path) -> Hardware:
    where = str(folder.resolve()).partition("/devices/")[2] if folder.exists() else ""
    card = _text(folder / "device/type").strip() if folder.name.startswith("mmcblk") else ""
    return Hardware(where, _text(folder / "diskseq").strip(), card)


def _real(root: Path, source: str) -> str:
    """Return the device itself, where its link is named: /dev/disk/by-uuid/..."""
    if not source.startswith("/dev/disk/"):
        return source
    return f"/{(root / source[1:]).resolve().relative_to(root.resolve())}"


def _path(node: Node) -> str:
    return node.path or f"/dev/{node.kname or node.name}"


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # another kernel, another process's: then it says nothing
        return ""


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)
