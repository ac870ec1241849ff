"""The real lsblk over made-up kernels (`lsblk --sysroot`): stacks that this machine does not have.

A kernel is a folder with sys, proc and dev in it, as util-linux itself is tested.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.flash.lsblk_worlds import GB, disks_by_path
from ugw_flash.disks.linux import LinuxDisks
from ugw_flash.disks.model import Disk, Kind
from ugw_flash.disks.policy import Grade, judge

_SECTOR: Final = 512


class Kernel:
    """A kernel that is being put together."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._mounts = ""
        for folder in ("sys/block", "sys/dev/block", "proc/self", "dev"):
            (root / folder).mkdir(parents=True)
        self.write("proc/swaps", "Filename Type Size Used Priority\n")
        self.write("proc/self/mountinfo", "")

    def write(self, path: str, text: str) -> None:
        """Write a file of it."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def disk(self, where: str, number: str, size: int, **properties: str) -> str:
        """Put in a disk at a place below /sys/devices; return that place."""
        folder = f"sys/devices/{where}"
        self.device(folder, number, size, **properties)
        for queued in ("slaves", "holders", "queue"):
            (self.root / folder / queued).mkdir(exist_ok=True)
        (self.root / "sys/block" / Path(where).name).symlink_to(self.root / folder)
        return folder

    def device(self, folder: str, number: str, size: int, **properties: str) -> None:
        """Describe a disk or a partition; properties are those that udev finds out."""
        self.write(f"{folder}/dev", f"{number}\n")
        self.write(f"{folder}/size", f"{size // _SECTOR}\n")
        self.write(f"{folder}/ro", "0\n")
        self.write(f"{folder}/removable", "0\n")
        lines = "".join(f"{key}={value}\n" for key, value in properties.items())
        self.write(f"dev/{Path(folder).name}", lines)
        (self.root / "sys/dev/block" / number).symlink_to(self.root / folder)

    def part(self, disk: str, name: str, number: str, **properties: str) -> str:
        """Put a partition onto a disk."""
        folder = f"{disk}/{name}"
        self.device(folder, number, GB, **properties)
        self.write(f"{folder}/partition", "1\n")
        (self.root / folder / "holders").mkdir()
        return folder

    def mapped(self, name: str, title: str, uuid: str, below: Sequence[str]) -> str:
        """Map a volume upon others."""
        folder = self.disk(f"virtual/block/{name}", f"253:{name[3:]}", GB)
        self.write(f"{folder}/dm/name", f"{title}\n")
        self.write(f"{folder}/dm/uuid", f"{uuid}\n")
        for each in below:
            (self.root / folder / "slaves" / Path(each).name).symlink_to(self.root / each)
            (self.root / each / "holders" / name).symlink_to(self.root / folder)
        return folder

    def mount(self, number: str, place: str, source: str) -> None:
        """Mount something."""
        self._mounts += f"30 1 {number} / {place} rw - ext4 {source} rw\n"
        self.write("proc/self/mountinfo", self._mounts)

    def disks(self) -> dict[str, Disk]:
        """Ask the real lsblk for its disks."""

        def lsblk(arguments: Sequence[str]) -> bytes:
            asked = [*arguments, "--sysroot", os.fspath(self.root)]
            return subprocess.run(asked, capture_output=True, check=True).stdout

        return disks_by_path(LinuxDisks(lsblk, self.root).disks())


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return a kernel without disks, if there is an lsblk that can look at it."""
    try:
        said = subprocess.run(["lsblk", "--help"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine has no lsblk: {error}")
    if "--sysroot" not in said.stdout:
        pytest.skip("the lsblk of this machine cannot look at another system (--sysroot)")
    return Kernel(tmp_path)


def test_a_root_on_lvm_on_luks_on_an_nvme_disk_is_found(kernel: Kernel) -> None:
    disk = kernel.disk("pci0000:00/nvme/nvme0/nvme0n1", "259:0", 512 * GB, ID_SERIAL_SHORT="N1")
    part = kernel.part(disk, "nvme0n1p3", "259:3", ID_FS_TYPE="crypto_LUKS")
    crypt = kernel.mapped("dm-0", "nvme0n1p3_crypt", "CRYPT-LUKS2-1", [part])
    kernel.mapped("dm-1", "city--vg-root", "LVM-1", [crypt])
    kernel.mount("253:1", "/", "/dev/mapper/city--vg-root")
    found = kernel.disks()["/dev/nvme0n1"]
    assert [part.kind for part in found.parts] == ["part", "crypt", "lvm"]
    assert found.of_system == "/ is on it"
    assert judge(found).grade is Grade.FORBIDDEN


def test_a_stick_that_belongs_to_the_volume_group_of_the_root_is_found(kernel: Kernel) -> None:
    disk = kernel.disk("pci0000:00/nvme/nvme0/nvme0n1", "259:0", 512 * GB)
    part = kernel.part(disk, "nvme0n1p3", "259:3", ID_FS_TYPE="LVM2_member")
    kernel.mapped("dm-0", "city--vg-root", "LVM-1", [part])
    kernel.mount("253:0", "/", "/dev/mapper/city--vg-root")
    stick = kernel.disk(
        "pci0000:00/usb2/2-2/2-2:1.0/host6/target6:0:0/6:0:0:0/block/sda", "8:0", 64 * GB
    )
    kernel.part(stick, "sda1", "8:1", ID_FS_TYPE="LVM2_member")
    assert judge(kernel.disks()["/dev/sda"]).grade is Grade.FORBIDDEN


def test_an_sd_card_and_a_stick_are_told_from_what_is_soldered_in(kernel: Kernel) -> None:
    kernel.disk("virtual/block/vda", "254:0", 512 * GB)
    kernel.mount("254:0", "/", "/dev/vda")
    for name, number, card in (("mmcblk0", "179:0", "SD"), ("mmcblk1", "179:8", "MMC")):
        host = f"platform/soc/mmc_host/mmc{number[-1]}"
        disk = kernel.disk(f"{host}/mmc0:aaaa/block/{name}", number, 32 * GB)
        kernel.write(f"{disk}/device/type", f"{card}\n")
        kernel.write(f"{disk}/device/serial", "0x1234abcd\n")
    reader = "pci0000:00/usb2/2-2/2-2:1.0/host6/target6:0:0/6:0:0:1/block/sdb"
    stick = kernel.disk(reader, "8:16", 64 * GB, ID_SERIAL_SHORT="00012345", ID_BUS="usb")
    kernel.write(f"{stick}/diskseq", "42\n")
    kernel.part(stick, "sdb1", "8:17", ID_FS_TYPE="vfat", ID_FS_LABEL_ENC="bootfs")
    found = kernel.disks()
    sd = found["/dev/mmcblk0"]
    assert (sd.kind, sd.port) == (Kind.SD, "platform/soc/mmc_host/mmc0")
    assert judge(sd).grade is Grade.USABLE
    assert found["/dev/mmcblk1"].kind is Kind.EMMC
    assert judge(found["/dev/mmcblk1"]).grade is Grade.UNUSUAL
    usb = found["/dev/sdb"]
    assert (usb.kind, usb.serial, usb.number) == (Kind.USB, "00012345", "8:16 #42")
    assert usb.port == "usb2/2-2/2-2:1.0/lun1"
    assert [part.label for part in usb.parts] == ["bootfs"]
    assert judge(usb).grade is Grade.USABLE


def test_swap_on_a_stick_is_found(kernel: Kernel) -> None:
    kernel.disk("virtual/block/vda", "254:0", 512 * GB)
    kernel.mount("254:0", "/", "/dev/vda")
    where = "pci0000:00/usb2/2-2/2-2:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
    kernel.part(kernel.disk(where, "8:16", 64 * GB), "sdb1", "8:17", ID_FS_TYPE="swap")
    assert judge(kernel.disks()["/dev/sdb"]).grade is Grade.USABLE
    kernel.write("proc/swaps", "Filename Type\n/dev/sdb1 partition 1 0 -2\n")
    assert judge(kernel.disks()["/dev/sdb"]).grade is Grade.FORBIDDEN
