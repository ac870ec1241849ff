"""Seeds and boot partitions for tests: the example's gateway, made by mkfs and mtools."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

from gateway.config.secrets import Secret
from tests.config.conftest import EXAMPLE
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Address, Enrolment, ImageFacts, Seed, Wifi

MB = 1 << 20
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=5e3da3da-02 rootfstype=ext4 rootwait"
IMAGE = ImageFacts("raspios-trixie-arm64-lite.img.xz", "a1" * 32, 2_900_000_000, "b2" * 32)
KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfSjEQMBVRpbQ2tUDhnpA6aBQWbGyPbJ1dNwY4HX4sS it@kiel",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2u5aGJr3fXAY5cJz4tVJkKqB8EsiMHO2eNKPe4MfIV",
)
WIFI = Wifi("Stadt Kiel ☕ 5", Secret("file:wifi", "correct horse"), "DE")
ADDRESS = Address("192.0.2.17/24", "192.0.2.1", ("192.0.2.53", "198.51.100.53"))
ENROLMENT = Enrolment(
    "https://est.example/.well-known/est", b"PEM", Secret("claim", "7F2K-SECRET"), 1_900_000_000
)


def _package(site: Path) -> Path:
    """Make something that begins as a Debian package does, beside what stands in /etc/ugw."""
    folder = site.with_name(f"{site.name}-package")
    folder.mkdir(exist_ok=True)
    path = folder / "urban-gateway_0.1.0+deb13_arm64.deb"
    path.write_bytes(
        b"!<arch>\ndebian-binary   1700000000  0     0     100644  4         `\n2.0\n"
    )
    return path


def seed_of(site: Path, **changed: object) -> Seed:
    """Return the seed of the example's gateway, with all that its configuration names."""
    named = [each for each in site.rglob("*") if each.is_file() and each.suffix != ".yaml"]
    etc = {str(each.relative_to(site)): each.read_bytes() for each in named}
    seed = Seed(
        gateway="gw-kiel-0042",
        org="kiel",
        configuration=EXAMPLE.read_text(),
        etc={**etc, "environment": b"# a comment\nUGW_MQTT_PASSWORD='correct horse'\n"},
        package=_package(site),
        user="ugwadmin",
        ssh_keys=KEYS,
        time_zone="Europe/Berlin",
        time_servers=("ptbtime1.ptb.example", "192.0.2.123"),
        network="ethernet",
        wifi=None,
        address=None,
        enrolment=None,
        made_by="ugw 0.1.0",
        made_at_s=1_795_368_000,
    )
    return seed._replace(**changed)  # type: ignore[arg-type] # its own fields, by name


def boot_partition(path: Path, flavour: Flavour = Flavour.CLOUD_INIT, size: int = 16 * MB) -> Path:
    """Make a boot partition as an image has it."""
    path.write_bytes(boot_content(flavour, size))
    return path


@cache
def boot_content(flavour: Flavour, size: int = 16 * MB) -> bytes:
    """Return the bytes of such a partition, made once."""
    names = {
        "cmdline.txt": f"{CMDLINE}\n",
        "config.txt": "arm_64bit=1\n",
        "kernel8.img": "x" * 9999,
    }
    if flavour is Flavour.CLOUD_INIT:
        names |= {"user-data": "#cloud-config\n", "meta-data": "instance_id: rpios-image\n"}
        names |= {"network-config": "# nothing\n"}
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "boot.img"
        with image.open("wb") as file:
            file.truncate(size)
        ran("/usr/sbin/mkfs.vfat", "-F", "16", "-n", "BOOTFS", str(image))
        for name, text in names.items():
            (Path(folder) / name).write_text(text)
            ran("mcopy", "-i", str(image), str(Path(folder) / name), f"::{name}")
        return image.read_bytes()


def ran(*command: str) -> str:
    """Run a program of the system, and return what it says."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fsck(image: Path) -> None:
    """Have the system's own checker look at a partition; the test fails when it finds anything."""
    found = subprocess.run(
        ["/usr/sbin/fsck.vfat", "-n", str(image)], check=False, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout
