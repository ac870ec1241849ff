"""Disks of Linux: whose they are, and what must never be written."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.lsblk_worlds import GB, World, card, disks_by_path, worlds
from ugw_flash.disks import linux
from ugw_flash.disks.linux import Hardware, LinuxDisks, Mount, Surroundings
from ugw_flash.disks.model import Disk, Kind
from ugw_flash.disks.policy import Grade, judge, name
from ugw_flash.outcome import NoDeviceError


@settings(max_examples=250, deadline=None)
@given(world=worlds())
def test_no_disk_of_the_running_system_is_ever_anything_but_forbidden(world: World) -> None:
    found = disks_by_path(world.found())
    grades = {path: judge(found[path]).grade for path in world.of_system}
    assert set(grades.values()) == {Grade.FORBIDDEN}, (grades, found)


@settings(max_examples=60, deadline=None)
@given(world=worlds())
def test_a_plain_card_beside_any_system_is_usable(world: World) -> None:
    path = card(world)
    assert judge(disks_by_path(world.found())[path]).grade is Grade.USABLE


@settings(max_examples=60, deadline=None)
@given(world=worlds(), limit=st.sampled_from([0, 1 * GB]))
def test_every_disk_that_is_not_usable_says_why(world: World, limit: int) -> None:
    for disk in world.found():
        verdict = judge(disk, needed_bytes=limit)
        assert bool(verdict.reasons) == (verdict.grade is not Grade.USABLE)
        assert all(reason.strip() for reason in verdict.reasons)


def only(world: World) -> Disk:
    (disk,) = world.found()
    return disk


def rooted() -> World:
    """Return a computer whose system is on an NVMe disk."""
    world = World()
    world.mount(world.part(world.disk("nvme0n1", tran="nvme", size=512 * GB)), "/")
    return world


def graded(world: World, path: str) -> Grade:
    return judge(disks_by_path(world.found())[path]).grade


def test_a_raid_of_12_tb_at_usb_is_not_taken_for_a_card() -> None:
    # rpi-imager#234: it was "the only one in the list", and is gone.
    world = rooted()
    disk = world.disk(tran="usb", rm=True, hotplug=True, size=12_000 * GB, model="RAID")
    world.part(disk, fstype="ntfs", label="years of work")
    assert graded(world, disk["path"]) is Grade.UNUSUAL
    assert "12.0 TB" in str(judge(world.found()[-1]))


def test_a_card_behind_an_mmc_controller_is_usable_though_it_denies_to_be_removable() -> None:
    # util-linux#2379: neither RM nor HOTPLUG say that it is a card.
    world = rooted()
    world.disk("mmcblk0", tran="mmc", rm=False, hotplug=False, size=32 * GB)
    world.hardware["mmcblk0"] = Hardware("pci0000:00/rtsx_pci_sdmmc.0/mmc_host/mmc0", "5", "SD")
    assert graded(world, "/dev/mmcblk0") is Grade.USABLE


@pytest.mark.parametrize("told", ["MMC", "", "SD"])
def test_memory_that_is_soldered_in_is_no_card(told: str) -> None:
    world = rooted()
    world.disk("mmcblk0", tran="mmc", size=32 * GB)
    world.disk("mmcblk0boot0", size=4_000_000, ro=True)
    world.hardware["mmcblk0"] = Hardware("soc/mmc_host/mmc0", "", told)
    assert graded(world, "/dev/mmcblk0") is Grade.UNUSUAL
    assert "/dev/mmcblk0boot0" not in disks_by_path(world.found())


@pytest.mark.parametrize("told", ["MMC", ""])
def test_what_is_not_known_to_be_a_card_behind_an_mmc_controller_is_none(told: str) -> None:
    world = rooted()
    world.disk("mmcblk1", tran="mmc", size=32 * GB)
    world.hardware["mmcblk1"] = Hardware("soc/mmc_host/mmc1", "", told)
    assert graded(world, "/dev/mmcblk1") is Grade.UNUSUAL


def test_a_disk_that_claims_to_be_removable_is_still_inside_the_computer() -> None:
    world = rooted()
    disk = world.disk(tran="sata", rm=True, hotplug=True, size=64 * GB)
    assert graded(world, disk["path"]) is Grade.UNUSUAL


@pytest.mark.parametrize(
    ("size", "grade"),
    [
        (1_900_000_000, Grade.UNUSUAL),
        (2_000_000_000, Grade.USABLE),
        (256_060_514_304, Grade.USABLE),  # what is sold as 256 GB
        (320_000_000_000, Grade.UNUSUAL),
    ],
)
def test_what_is_as_large_as_a_card_is_usable(size: int, grade: Grade) -> None:
    world = rooted()
    assert graded(world, card(world, size=size)) is grade


def test_a_reader_without_a_card_is_forbidden_and_says_so() -> None:
    world = rooted()
    path = card(world, size=0)
    verdict = judge(disks_by_path(world.found())[path])
    assert verdict.grade is Grade.FORBIDDEN
    assert "no card" in str(verdict)


@pytest.mark.parametrize(
    ("place", "grade"),
    [
        ("/media/me/bootfs", Grade.USABLE),
        ("/run/media/me/bootfs", Grade.USABLE),
        ("/mnt/backup", Grade.UNUSUAL),
        ("/media/root-ro", Grade.FORBIDDEN),
        ("/run/live/medium", Grade.FORBIDDEN),
        ("/home/me/usb", Grade.FORBIDDEN),
        ("/boot/efi", Grade.FORBIDDEN),
        ("[SWAP]", Grade.FORBIDDEN),
    ],
)
def test_where_a_card_is_mounted_decides(place: str, grade: Grade) -> None:
    world = rooted()
    disk = world.disk(tran="usb", size=32 * GB)
    world.mount(world.part(disk, fstype="vfat"), place)
    assert graded(world, disk["path"]) is grade


def test_a_second_mount_that_an_old_lsblk_does_not_show_counts() -> None:
    world = rooted()
    disk = world.disk(tran="usb", size=32 * GB)
    part = world.part(disk, fstype="ext4")
    world.mount(part, "/media/me/CARD")
    world.mount(part, "/var/lib/docker")
    assert graded(world.in_old_dialect(), disk["path"]) is Grade.FORBIDDEN


def test_what_an_old_lsblk_alone_says_of_mounts_counts() -> None:
    world = rooted()
    world.mounts.clear()  # /proc is not to be read
    assert graded(world.in_old_dialect(), "/dev/nvme0n1") is Grade.FORBIDDEN


def test_a_mounted_card_is_usable_where_the_root_is_on_zfs() -> None:
    world = World()
    world.mounts.append(Mount("0:40", "/", "zfs", "rpool/ROOT/debian"))
    world.part(world.disk("nvme0n1", tran="nvme"), fstype="zfs_member", label="rpool")
    disk = world.disk(tran="usb", size=32 * GB)
    world.mount(world.part(disk, fstype="vfat"), "/media/me/bootfs")
    assert graded(world, disk["path"]) is Grade.USABLE


@pytest.mark.parametrize("filesystem", ["crypto_LUKS", "LVM2_member", "zfs_member", "BitLocker"])
def test_a_signature_of_something_larger_or_locked_makes_a_stick_unusual(filesystem: str) -> None:
    world = rooted()
    disk = world.disk(tran="usb", size=32 * GB)
    world.part(disk, fstype=filesystem)
    assert graded(world, disk["path"]) is Grade.UNUSUAL


@pytest.mark.parametrize("kind", ["crypt", "lvm", "raid1", "mpath", "dm", "disk"])
def test_a_stick_on_which_something_is_built_is_unusual(kind: str) -> None:
    world = rooted()
    disk = world.disk(tran="usb", size=32 * GB)
    world.part(world.part(disk), kind, "built")  # the signature itself is not always known
    assert graded(world, disk["path"]) is Grade.UNUSUAL


def test_a_card_with_the_image_that_the_desk_itself_runs_is_usable() -> None:
    # On a Pi that makes cards: both file systems have the UUIDs of the image.
    world = World()
    own = world.disk("mmcblk0", tran="mmc", size=32 * GB)
    world.hardware["mmcblk0"] = Hardware("platform/mmc_host/mmc0", "1", "SD")
    world.mount(world.part(own, fstype="ext4", uuid="of-the-image"), "/")
    disk = world.disk(tran="usb", size=32 * GB)
    world.part(disk, fstype="ext4", uuid="of-the-image")
    assert graded(world, "/dev/mmcblk0") is Grade.FORBIDDEN
    assert graded(world, disk["path"]) is Grade.USABLE


def test_a_loop_device_is_unusual_and_called_by_its_path() -> None:
    world = rooted()
    world.disks.append(world.node("loop0", "loop", size=64 * GB))
    disk = world.found()[-1]
    assert (disk.kind, judge(disk).grade, name(disk)) == (Kind.LOOP, Grade.UNUSUAL, "/dev/loop0")


def test_another_medium_in_the_same_reader_has_another_number_and_the_same_port() -> None:
    def reader(sequence: str, host: str) -> Disk:
        world = World()
        card(world)
        where = f"pci0000:00/0000:00:14.0/usb2/2-2/2-2:1.0/{host}/block/sda"
        world.hardware["sda"] = Hardware(where, sequence)
        return only(world)

    first = reader("11", "host6/target6:0:0/6:0:0:1")
    second = reader("12", "host7/target7:0:0/7:0:0:1")
    assert first.number != second.number
    assert first.port == second.port == "usb2/2-2/2-2:1.0/lun1"


def test_the_slots_of_one_reader_are_different_ports() -> None:
    where = "pci0000:00/usb2/2-2/2-2:1.0/host6/target6:0:0/6:0:0:{}/block/sd{}"
    assert linux.port(where.format(0, "b")) != linux.port(where.format(1, "c"))


def test_a_disk_that_has_no_bus_but_sits_at_usb_is_at_usb() -> None:
    world = rooted()
    disk = world.disk(tran=None, size=32 * GB)
    world.hardware[disk["name"]] = Hardware("pci0000:00/usb1/1-1/1-1:1.0/host2/x/block/sda", "1")
    assert disks_by_path(world.found())[disk["path"]].kind is Kind.USB


@pytest.mark.parametrize("printed", [b"", b"lsblk: unknown column", b"[]", b'{"blockdevices": 1}'])
def test_what_is_no_listing_is_refused(printed: bytes) -> None:
    with pytest.raises(NoDeviceError, match="something else"):
        linux.parse(printed)


def test_the_kernels_tables_are_read_with_their_escapes_and_links(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "dev/disk/by-uuid").mkdir(parents=True)
    (tmp_path / "dev/sdb1").touch()
    (tmp_path / "dev/disk/by-uuid/1234").symlink_to("../../sdb1")
    (tmp_path / "proc/self/mountinfo").write_text(
        "36 35 8:17 / /home/my\\040disk rw shared:1 - ext4 /dev/disk/by-uuid/1234 rw\n"
        "37 35 0:22 / /proc rw - proc proc rw\nnonsense\n"
    )
    (tmp_path / "proc/swaps").write_text(
        "Filename Type\n/dev/disk/by-uuid/1234 partition 1 0 -2\n"
    )
    around = linux.surroundings(tmp_path, [])
    assert around.mounts[0] == Mount("8:17", "/home/my disk", "ext4", "/dev/sdb1")
    assert around.swaps == ("/dev/sdb1",)


def test_sysfs_tells_where_a_card_is_and_which_one(tmp_path: Path) -> None:
    real = tmp_path / "sys/devices/platform/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0"
    (real / "device").mkdir(parents=True)
    (real / "device/type").write_text("SD\n")
    (real / "diskseq").write_text("7\n")
    (tmp_path / "sys/block").mkdir()
    (tmp_path / "sys/block/mmcblk0").symlink_to(real)
    listing = {"blockdevices": [World().node("mmcblk0", "disk", size=32 * GB, tran="mmc")]}
    (disk,) = LinuxDisks(lambda _: json.dumps(listing).encode(), tmp_path).disks()
    assert disk.kind is Kind.SD
    assert disk.number.endswith("#7")
    assert disk.port == "platform/mmc_host/mmc0"


def test_this_computer_never_offers_the_disk_it_runs_from() -> None:
    try:
        asked = ["findmnt", "-nvo", "SOURCE", "/"]
        root = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
        disks = LinuxDisks().disks()
    except (OSError, subprocess.CalledProcessError, NoDeviceError) as error:
        pytest.skip(f"this machine does not tell its disks: {error}")
    below = [d for d in disks if root in {d.path, *(part.path for part in d.parts)}]
    if not below:
        pytest.skip(f"the root of this machine is on {root}, which is no disk (a container?)")
    assert {judge(disk).grade for disk in below} == {Grade.FORBIDDEN}


def test_the_surroundings_of_a_kernel_that_says_nothing_are_empty(tmp_path: Path) -> None:
    assert linux.surroundings(tmp_path, []) == Surroundings((), (), {})
