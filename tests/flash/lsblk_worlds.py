"""Computers as lsblk and the kernel's table of mounts describe them, with the truth beside.

`worlds` makes up systems on stacks of every kind (and the disks beside them), in the dialects of
old and new versions of lsblk. Each world knows, because it built them, which disks its system
runs from; nothing of what is tested is used for that.
"""

import copy
import itertools
import json
import operator
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from ugw_flash.disks import linux
from ugw_flash.disks.linux import Hardware, Mount, Surroundings
from ugw_flash.disks.model import Disk

GB = 1_000_000_000
TREE = dict[str, Any]
SYSTEM_PLACES = (
    "/",
    "/boot",
    "/boot/firmware",
    "/home",
    "/usr",
    "/var/lib/docker",
    "/run/live/medium",
)


class World:
    """A computer that is being put together."""

    def __init__(self) -> None:
        self.disks: list[TREE] = []
        self.mounts: list[Mount] = []
        self.swaps: list[str] = []
        self.hardware: dict[str, Hardware] = {}
        self.of_system: set[str] = set()
        self._minors = itertools.count()
        self._names = itertools.count()

    def disk(self, name: str = "", **columns: object) -> TREE:
        """Put in a disk."""
        name = name or f"sd{chr(ord('a') + next(self._names))}"
        node = self.node(name, "disk", **{"size": 500 * GB, "tran": "sata", **columns})
        self.disks.append(node)
        return node

    def node(self, name: str, kind: str, **columns: object) -> TREE:
        """Describe a block device."""
        number = f"8:{next(self._minors)}"
        plain = {"name": name, "kname": name, "path": f"/dev/{name}", "maj:min": number}
        return {
            **plain,
            "type": kind,
            "size": 50 * GB,
            "children": [],
            "mountpoints": [],
            **columns,
        }

    def part(self, on: TREE, kind: str = "part", name: str = "", **columns: object) -> TREE:
        """Put a partition, or something mapped, upon a device."""
        name = name or f"{on['name']}{len(on['children']) + 1}"
        made = self.node(name, kind, **columns)
        on["children"].append(made)
        return made

    def mount(self, node: TREE, place: str) -> None:
        """Mount it, as lsblk and the kernel show it."""
        node["mountpoints"].append(place)
        self.mounts.append(
            Mount(node["maj:min"], place, node.get("fstype") or "ext4", node["path"])
        )

    def found(self) -> list[Disk]:
        """Return what is made of it, by way of lsblk's text."""
        nodes = linux.parse(json.dumps({"blockdevices": self.disks}).encode())
        around = Surroundings(tuple(self.mounts), tuple(self.swaps), self.hardware)
        return linux.disks_of(nodes, around)

    def in_old_dialect(self) -> "World":
        """Return it as lsblk before 2.37 prints it: numbers as strings, one mount of several."""
        other = copy.copy(self)
        other.disks = [_old(disk) for disk in self.disks]
        return other

    def in_which_lsblk_sees_no_mounts(self) -> "World":
        """Return it as lsblk prints it in a container: only the kernel's table tells."""
        other = copy.copy(self)
        other.disks = [_mute(disk) for disk in self.disks]
        return other


def _old(node: TREE) -> TREE:
    told = {
        key: str(int(value)) if isinstance(value, int) else value for key, value in node.items()
    }
    places = told.pop("mountpoints")
    told.pop("path")
    return {
        **told,
        "mountpoint": places[0] if places else None,
        "children": [_old(each) for each in node["children"]],
    }


def _mute(node: TREE) -> TREE:
    return {**node, "mountpoints": [None], "children": [_mute(each) for each in node["children"]]}


Layout = Callable[[World, st.DrawFn, str], None]


def plain(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a partition of one disk, whatever that says of itself."""
    disk = world.disk(
        tran=draw(st.sampled_from(["usb", "sata", "nvme", None])),
        rm=draw(st.booleans()),
        size=draw(st.sampled_from([8 * GB, 64 * GB, 12_000 * GB])),
    )
    world.mount(world.part(disk, fstype="ext4"), place)
    world.of_system.add(disk["path"])


def whole(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a disk without partitions."""
    disk = world.disk(tran=draw(st.sampled_from(["usb", "virtio"])), fstype="ext4", size=64 * GB)
    world.mount(disk, place)
    world.of_system.add(disk["path"])


def card_of_a_pi(world: World, draw: st.DrawFn, place: str) -> None:
    """Take an SD card: not removable, says the kernel."""
    number = len(world.disks)
    disk = world.disk(f"mmcblk{number}", tran="mmc", rm=False, size=32 * GB, serial="0xdeadbeef")
    card = draw(st.sampled_from(["SD", "MMC", ""]))
    world.hardware[disk["name"]] = Hardware("platform/emmc2bus/mmc_host/mmc0", "3", card)
    world.mount(world.part(disk, name=f"{disk['name']}p2", fstype="ext4"), place)
    world.of_system.add(disk["path"])


def volumes(world: World, draw: st.DrawFn, place: str) -> None:
    """Take LVM over one or two disks, behind LUKS or not; on the second nothing is mounted."""
    name = f"vg{len(world.disks)}"
    for number in range(draw(st.integers(1, 2))):
        disk = world.disk(tran=draw(st.sampled_from(["usb", "nvme"])), size=64 * GB)
        on = world.part(disk, fstype="LVM2_member")
        if draw(st.booleans()):
            on["fstype"] = "crypto_LUKS"
            on = world.part(on, "crypt", f"luks-{disk['name']}", fstype="LVM2_member")
        if number == 0:
            world.mount(world.part(on, "lvm", f"{name}-sys--tem", fstype="ext4"), place)
        elif draw(st.booleans()):
            world.part(on, "lvm", f"{name}-data", fstype="ext4")
        world.of_system.add(disk["path"])


def array(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a RAID; its array shows under each member, but not under one that failed."""
    uuid = f"array-{len(world.disks)}"
    md = world.node(f"md{len(world.disks)}", "raid1", fstype="ext4")
    world.mount(md, place)
    for number in range(draw(st.integers(2, 3))):
        disk = world.disk(tran=draw(st.sampled_from(["usb", "sata"])), size=64 * GB)
        member = world.part(disk, fstype="linux_raid_member", uuid=uuid)
        if number < 2:
            member["children"].append(md)
        world.of_system.add(disk["path"])


def btrfs(world: World, draw: st.DrawFn, place: str) -> None:
    """Take several disks, of which the kernel names one, under a number of no device."""
    uuid = f"btrfs-{len(world.disks)}"
    for number in range(draw(st.integers(1, 3))):
        disk = world.disk(tran=draw(st.sampled_from(["usb", "sata"])), size=64 * GB)
        part = world.part(disk, fstype="btrfs", uuid=uuid)
        if number == 0:
            world.mounts.append(Mount("0:31", place, "btrfs", part["path"]))
        world.of_system.add(disk["path"])


def zfs(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a pool, which no device shows to be mounted."""
    pool = f"pool{len(world.disks)}"
    world.mounts.append(Mount("0:40", place, "zfs", f"{pool}/ROOT/debian"))
    for _ in range(draw(st.integers(1, 3))):
        disk = world.disk(tran=draw(st.sampled_from(["usb", "sata"])), size=64 * GB)
        label = draw(st.sampled_from([pool, None]))
        world.part(disk, fstype="zfs_member", label=label)
        world.part(disk, name=f"{disk['name']}9")
        world.of_system.add(disk["path"])


def bcachefs(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a file system over two disks, which the kernel names in one string."""
    disks = [world.disk(tran="usb", fstype="bcachefs", size=64 * GB) for _ in range(2)]
    swapped = draw(st.booleans())
    names = [disk["path"] for disk in disks][:: -1 if swapped else 1]
    world.mounts.append(Mount("0:50", place, "bcachefs", ":".join(names)))
    world.of_system.update(names)


def multipath(world: World, draw: st.DrawFn, place: str) -> None:
    """Take one disk on two ways; what is on it may show under the first alone."""
    mpath = world.node(f"mpath{len(world.disks)}", "mpath")
    world.mount(world.part(mpath, name=f"{mpath['name']}-part1"), place)
    wwn = f"0x5000c5{len(world.disks)}"
    for number in range(2):
        disk = world.disk(
            tran="sas", wwn=wwn, fstype=draw(st.sampled_from(["mpath_member", None]))
        )
        if number == 0 or draw(st.booleans()):
            disk["children"].append(mpath)
        world.of_system.add(disk["path"])


def cached(world: World, draw: st.DrawFn, place: str) -> None:
    """Take a disk and the disk that is its cache (bcache)."""
    made = world.node(f"bcache{len(world.disks)}", "disk", fstype="ext4")
    world.mount(made, place)
    for tran in draw(st.permutations(["usb", "nvme"])):
        disk = world.disk(tran=tran, size=64 * GB)
        world.part(disk, fstype="bcache")["children"].append(made)
        world.of_system.add(disk["path"])


LAYOUTS: tuple[Layout, ...] = (
    plain, whole, card_of_a_pi, volumes, array, btrfs, zfs, bcachefs, multipath, cached,
)  # fmt: skip


def _swap(world: World, draw: st.DrawFn) -> None:
    """Put swap on a disk of its own, as a partition or as a file somewhere."""
    disk = world.disk(tran="usb", rm=True, size=32 * GB)
    part = world.part(disk)
    if draw(st.booleans()):
        world.swaps.append(part["path"])
    else:
        world.mount(part, "/mnt/more")
        world.swaps.append("/mnt/more/swap.img")
    world.of_system.add(disk["path"])


def _read_only_root(world: World, draw: st.DrawFn) -> None:
    """Protect the root of a Pi: an overlay, its card mounted where cards are put."""
    disk = world.disk(f"mmcblk{len(world.disks)}", tran="mmc", size=32 * GB)
    world.hardware[disk["name"]] = Hardware("platform/mmc_host/mmc0", "1", "SD")
    world.mounts.append(Mount("0:22", "/", "overlay", "overlayroot"))
    world.mount(world.part(disk), draw(st.sampled_from(["/media/root-ro", "/media/lower"])))
    world.of_system.add(disk["path"])


def card(world: World, **columns: object) -> str:
    """Put a plain card into a reader at USB; return its path."""
    disk = world.disk("", **{"tran": "usb", "size": 32 * GB, "serial": "0001", **columns})
    world.part(disk, fstype="vfat", label="bootfs")
    return str(disk["path"])


def _bystanders(world: World, draw: st.DrawFn) -> None:
    for _ in range(draw(st.integers(0, 2))):
        disk = world.disk(
            tran=draw(st.sampled_from(["usb", "sata", "nvme", None])),
            size=draw(st.sampled_from([0, 4 * GB, 32 * GB, 12_000 * GB])),
            ro=draw(st.booleans()),
            serial=draw(st.sampled_from([None, "0001"])),
        )
        kinds = ["vfat", "ext4", "btrfs", "zfs_member", "LVM2_member", "crypto_LUKS", None]
        part = world.part(disk, fstype=draw(st.sampled_from(kinds)), uuid=f"of-{disk['name']}")
        if draw(st.booleans()):
            world.mount(part, draw(st.sampled_from(["/media/me/CARD", "/mnt/backup"])))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a computer: its root on a stack of any kind, more of it elsewhere, disks beside."""
    world = World()
    if draw(st.integers(0, 5)) == 0:
        _read_only_root(world, draw)
    else:
        draw(st.sampled_from(LAYOUTS))(world, draw, "/")
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from(LAYOUTS))(world, draw, draw(st.sampled_from(SYSTEM_PLACES[1:])))
    if draw(st.booleans()):
        _swap(world, draw)
    _bystanders(world, draw)
    dialects: list[Callable[[World], World]] = [
        lambda told: told,
        operator.methodcaller("in_old_dialect"),
        operator.methodcaller("in_which_lsblk_sees_no_mounts"),
    ]
    return draw(st.sampled_from(dialects))(world)


def disks_by_path(disks: list[Disk]) -> dict[str, Disk]:
    """Return them by their paths."""
    return {disk.path: disk for disk in disks}


class Looks:
    """A DiskSource that answers with one listing after the other, the last one for ever."""

    def __init__(self, *listings: list[Disk]) -> None:
        self._listings: Iterator[list[Disk]] = iter(listings)
        self._now = listings[-1]

    def disks(self) -> list[Disk]:
        """Return the next listing."""
        self._now = next(self._listings, self._now)
        return self._now
