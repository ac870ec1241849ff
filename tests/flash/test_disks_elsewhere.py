"""Disks of macOS and Windows, from output such as they print; real loop devices of Linux."""

import json
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flash.lsblk_worlds import GB, disks_by_path
from ugw_flash.disks.choice import Wanted, choose
from ugw_flash.disks.find import source
from ugw_flash.disks.linux import LinuxDisks
from ugw_flash.disks.macos import MacDisks
from ugw_flash.disks.model import Disk, Kind
from ugw_flash.disks.policy import Grade, judge
from ugw_flash.disks.programs import run
from ugw_flash.disks.windows import WindowsDisks
from ugw_flash.outcome import NoDeviceError, RefusedError
from ugw_flash.progress import Silence

FIELDS = dict[str, Any]


def mac_disks(*wholes: FIELDS, **infos: FIELDS) -> list[Disk]:
    """Return what is made of a Mac with these disks, beside its own, none of them pulled out."""
    return mac_listings(wholes, wholes, **infos).disks()


def mac_listings(*listings: Sequence[FIELDS], **infos: FIELDS) -> MacDisks:
    """Return a Mac that lists these, one time after the other; a disk without infos is silent."""
    coming = iter(listings)
    own: list[FIELDS] = [
        {
            "DeviceIdentifier": "disk0",
            "Content": "GUID_partition_scheme",
            "Size": 500 * GB,
            "OSInternal": False,
            "Partitions": [
                {"DeviceIdentifier": "disk0s1", "Content": "Apple_APFS_ISC", "Size": GB},
                {"DeviceIdentifier": "disk0s2", "Content": "Apple_APFS", "Size": 494 * GB},
            ],
        },
        {
            "DeviceIdentifier": "disk3",
            "APFSPhysicalStores": [{"DeviceIdentifier": "disk0s2"}],
            "APFSVolumes": [
                {"DeviceIdentifier": "disk3s1", "MountPoint": "/System/Volumes/Data"},
                {
                    "DeviceIdentifier": "disk3s3",
                    "MountedSnapshots": [{"SnapshotMountPoint": "/", "Sealed": "Yes"}],
                },
            ],
        },
    ]
    root = {
        "ParentWholeDisk": "disk3",
        "APFSPhysicalStores": [{"APFSPhysicalStore": "disk0s2"}],
    }
    said: dict[str, FIELDS] = {
        "/": root,
        "disk0": {"Size": 500 * GB, "BusProtocol": "Apple Fabric", "Internal": True},
        "disk3": {"Size": 494 * GB, "VirtualOrPhysical": "Virtual"},
        **infos,
    }

    def diskutil(arguments: Sequence[str]) -> bytes:
        if arguments[1] == "list":
            listed = [*own, *next(coming)]
            return plistlib.dumps({"AllDisksAndPartitions": listed, "AllDisks": []})
        if arguments[3] not in said:
            cause = "no such disk"
            raise NoDeviceError(cause)
        return plistlib.dumps(said[arguments[3]])

    return MacDisks(diskutil)


READER = {
    "Size": 64 * GB,
    "BusProtocol": "USB",
    "MediaName": "SD Card Reader Media",
    "RemovableMedia": True,
    "WritableMedia": True,
    "VirtualOrPhysical": "Physical",
    "DeviceTreePath": "IODeviceTree:/usb@1",
}
CARD = {
    "DeviceIdentifier": "disk4",
    "Size": 64 * GB,
    "Partitions": [
        {
            "DeviceIdentifier": "disk4s1",
            "Content": "Windows_FAT_32",
            "VolumeName": "bootfs",
            "MountPoint": "/Volumes/bootfs",
            "Size": GB,
        }
    ],
}


def test_the_disk_below_the_volumes_of_a_mac_is_forbidden() -> None:
    (disk,) = mac_disks()
    assert disk.path == "/dev/disk0"
    assert judge(disk).grade is Grade.FORBIDDEN
    assert disk.of_system == "/, /System/Volumes/Data are on it"


def test_the_disk_a_mac_runs_from_is_forbidden_even_where_no_volume_of_it_shows() -> None:
    hidden = {**READER, "Size": 32 * GB}
    listed = {"DeviceIdentifier": "disk7", "Size": 32 * GB}
    root = {"ParentWholeDisk": "disk7", "APFSPhysicalStores": []}
    disks = mac_disks(listed, disk7=hidden, **{"/": root})
    assert judge(disks_by_path(disks)["/dev/disk7"]).grade is Grade.FORBIDDEN


@pytest.mark.parametrize(
    ("bus", "grade"),
    [
        ("USB", Grade.USABLE),
        ("Secure Digital", Grade.USABLE),  # the slot of a MacBook, which counts as internal
        ("PCI-Express", Grade.UNUSUAL),
        ("Disk Image", Grade.UNUSUAL),
        ("Thunderbolt", Grade.UNUSUAL),
    ],
)
def test_how_a_card_is_connected_to_a_mac_decides(bus: str, grade: Grade) -> None:
    disk = mac_disks(CARD, disk4={**READER, "BusProtocol": bus})[-1]
    assert judge(disk).grade is grade
    assert disk.parts[0].label == "bootfs"
    assert disk.port == "IODeviceTree:/usb@1"


@pytest.mark.parametrize(
    ("fields", "grade"),
    [
        ({"WritableMedia": False}, Grade.FORBIDDEN),
        ({"Size": 0, "TotalSize": 0}, Grade.USABLE),  # then the listing's size counts
        ({"Size": 2_000 * GB}, Grade.UNUSUAL),
        ({"VirtualOrPhysical": "Virtual"}, Grade.UNUSUAL),
    ],
)
def test_what_a_mac_says_of_a_card_decides(fields: FIELDS, grade: Grade) -> None:
    assert judge(mac_disks(CARD, disk4={**READER, **fields})[-1]).grade is grade


def test_a_container_of_apfs_on_a_stick_makes_it_unusual() -> None:
    part = {"DeviceIdentifier": "disk5s1", "Content": "Apple_APFS", "Size": GB}
    stick = {"DeviceIdentifier": "disk5", "Size": 64 * GB, "Partitions": [part]}
    made = {
        "DeviceIdentifier": "disk6",
        "APFSPhysicalStores": [{"DeviceIdentifier": "disk5s1"}],
        "APFSVolumes": [{"DeviceIdentifier": "disk6s1", "MountPoint": "/Volumes/Backup"}],
    }
    disks = disks_by_path(mac_disks(stick, made, disk5=READER, disk6=READER))
    assert "/dev/disk6" not in disks
    assert judge(disks["/dev/disk5"]).grade is Grade.UNUSUAL
    assert "/Volumes/Backup" in disks["/dev/disk5"].everything_mounted()


def test_a_card_that_is_pulled_out_of_a_mac_while_it_is_asked_for_is_left_out() -> None:
    disks = mac_listings([CARD], []).disks()
    assert [disk.path for disk in disks] == ["/dev/disk0"]


def test_a_disk_of_a_mac_that_does_not_answer_is_an_error_for_later_it_would_count_as_new() -> (
    None
):
    with pytest.raises(NoDeviceError, match="no such disk"):
        mac_disks(CARD)


@pytest.mark.parametrize("printed", [b"", b"Could not find disk", plistlib.dumps([1])])
def test_what_diskutil_prints_beside_the_point_is_refused(printed: bytes) -> None:
    with pytest.raises(NoDeviceError, match="something else"):
        MacDisks(lambda _: printed).disks()


def windows_disks(disk: FIELDS, partition: FIELDS, **more: object) -> Disk:
    """Return what is made of the second disk of a Windows computer."""
    own = {"Number": 0, "Size": 512 * GB, "BusType": "NVMe", "IsBoot": True, "IsSystem": True}
    plain = {"Number": 3, "Size": 64 * GB, "BusType": "USB", "IsBoot": False, "IsSystem": False}
    name = "\\\\?\\Volume{11}\\"
    part = {"DiskNumber": 3, "PartitionNumber": 1, "Size": GB, "Type": "IFS"}
    said = {
        "Home": "C:",
        "Disks": [
            own,
            {**plain, "FriendlyName": "SD Card Reader", "SerialNumber": " 77 ", **disk},
        ],
        "Partitions": [
            {"DiskNumber": 0, "PartitionNumber": 3, "AccessPaths": ["C:\\", "\\\\?\\Volume{9}\\"]},
            {**part, "AccessPaths": ["E:\\", name], **partition},
        ],
        "Volumes": [{"Path": name, "FileSystem": "FAT32", "FileSystemLabel": "bootfs"}],
        "PageFiles": ["C:\\pagefile.sys"],
        "Locked": [],
        **more,
    }
    printed = "\ufeff" + json.dumps(said)
    first, second = WindowsDisks(lambda _: printed.encode()).disks()
    assert judge(first).grade is Grade.FORBIDDEN
    return second


def test_a_card_in_a_reader_of_windows_is_usable() -> None:
    disk = windows_disks({}, {})
    assert judge(disk).grade is Grade.USABLE
    assert (disk.path, disk.serial) == ("\\\\.\\PhysicalDrive3", "77")
    assert (disk.parts[0].label, disk.parts[0].mounts) == ("bootfs", ("E:\\",))


@pytest.mark.parametrize(
    ("disk", "partition", "more", "grade"),
    [
        ({"BusType": "SD"}, {}, {}, Grade.USABLE),
        ({"BusType": "MMC"}, {}, {}, Grade.UNUSUAL),
        ({"BusType": "SATA"}, {}, {}, Grade.UNUSUAL),
        ({"BusType": "Spaces"}, {}, {}, Grade.UNUSUAL),
        ({"IsBoot": True}, {}, {}, Grade.FORBIDDEN),
        ({"IsSystem": True}, {}, {}, Grade.FORBIDDEN),
        ({"IsReadOnly": True}, {}, {}, Grade.FORBIDDEN),
        ({"Size": 0}, {}, {}, Grade.FORBIDDEN),
        ({}, {"IsSystem": True}, {}, Grade.FORBIDDEN),
        ({}, {"AccessPaths": ["C:\\"]}, {"PageFiles": []}, Grade.FORBIDDEN),
        ({}, {}, {"PageFiles": ["e:\\pagefile.sys"]}, Grade.FORBIDDEN),
        ({}, {"AccessPaths": ["C:\\mnt\\card\\"]}, {}, Grade.FORBIDDEN),
        ({}, {"AccessPaths": ["D:\\mnt\\card\\"]}, {}, Grade.UNUSUAL),
        ({}, {"Type": "LDM Data"}, {}, Grade.UNUSUAL),
        ({}, {"AccessPaths": None}, {}, Grade.USABLE),
        ({}, {}, {"Locked": ["\\\\?\\Volume{11}\\"]}, Grade.UNUSUAL),
    ],
)
def test_what_windows_says_of_a_disk_decides(
    disk: FIELDS, partition: FIELDS, more: FIELDS, grade: Grade
) -> None:
    assert judge(windows_disks(disk, partition, **more)).grade is grade


@pytest.mark.parametrize("printed", [b"", b"Get-Disk : Access denied", b'{"Disks": 1}', b"\xff"])
def test_what_powershell_prints_beside_the_point_is_refused(printed: bytes) -> None:
    with pytest.raises(NoDeviceError, match="something else"):
        WindowsDisks(lambda _: printed).disks()


def test_a_system_that_is_not_known_has_no_disks_to_write() -> None:
    with pytest.raises(NoDeviceError, match="freebsd"):
        source("freebsd14")
    known = [type(source(platform)) for platform in ("linux", "darwin", "win32")]
    assert known == [LinuxDisks, MacDisks, WindowsDisks]


def test_a_program_that_is_missing_or_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(NoDeviceError, match="there is no no-such-program here"):
        run(("no-such-program",))
    dying = "import sys; sys.exit('lsblk: failed to access sysfs')"
    with pytest.raises(NoDeviceError, match="failed to access sysfs"):
        run((sys.executable, "-c", dying))


@contextmanager
def attached_to(image: Path) -> Generator[str]:
    """Attach a loop device to a new file of 8 GB, which takes no room."""
    with image.open("wb") as file:
        file.truncate(8 * GB)
    missing = [each for each in ("losetup", "mkfs.ext4", "mount") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"this machine (or this user's path) has no {', '.join(missing)}")
    attached = subprocess.run(
        ["losetup", "--find", "--show", image], capture_output=True, text=True, check=False
    )
    if attached.returncode:
        pytest.skip(f"this machine attaches no loop device: {attached.stderr.strip()}")
    path = attached.stdout.strip()
    try:
        yield path
    finally:
        subprocess.run(["losetup", "--detach", path], check=True)


@pytest.fixture
def loop(tmp_path: Path) -> Generator[str]:
    """Return a loop device."""
    with attached_to(tmp_path / "card.img") as path:
        yield path


def test_a_real_loop_device_is_seen_and_unusual(loop: str) -> None:
    disk = disks_by_path(LinuxDisks().disks())[loop]
    assert (disk.size, disk.kind, judge(disk).grade) == (8 * GB, Kind.LOOP, Grade.UNUSUAL)


def test_a_real_disk_that_appears_after_it_was_asked_for_is_noticed(tmp_path: Path) -> None:
    with ExitStack() as plugged:
        images = iter(range(20))

        def pause() -> None:
            if next(images) == 1:
                plugged.enter_context(attached_to(tmp_path / "card.img"))

        # A loop device is none to be written; another test's may appear at the same time.
        with pytest.raises(RefusedError, match=r"/dev/loop"):
            choose(
                LinuxDisks(),
                Wanted(),
                needed_bytes=0,
                ask=None,
                watcher=Silence(),
                pause=pause,
            )


def test_a_real_disk_that_is_mounted_below_a_place_of_the_system_is_forbidden(
    loop: str, tmp_path: Path
) -> None:
    place = tmp_path / "mounted here"
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", loop], check=True, capture_output=True)
    if subprocess.run(["mount", loop, place], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing for us")
    try:
        disk = disks_by_path(LinuxDisks().disks())[loop]
    finally:
        subprocess.run(["umount", place], check=True)
    assert os.fspath(place) in disk.mounts
    assert judge(disk).grade is Grade.FORBIDDEN
    assert judge(disks_by_path(LinuxDisks().disks())[loop]).grade is Grade.UNUSUAL
