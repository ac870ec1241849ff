"""A real Debian in a folder, with a seeded boot partition: no network, processes of its own.

What runs in it runs as on a gateway, but for systemd; the power can be cut within any program. The
boot partition is planted and read back as FAT; between these it is a folder, for not every kernel
has vfat.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.flash.seeds import IMAGE, MB, boot_partition, ran
from ugw_flash.card.medium import FileMedium
from ugw_flash.progress import Silence
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Seed
from ugw_flash.seed.plant import plant
from ugw_flash.seed.read_back import Planted, read_back

CACHE: Final = Path(__file__).resolve().parents[2] / ".cache/first-boot"
FLAVOURS: Final = {"bookworm": Flavour.FIRSTRUN, "trixie": Flavour.CLOUD_INIT}
HANG_S: Final = 300.0
_PATH: Final = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Mounts end with their namespace; so does every process, once the first has ended.
_ISOLATED: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
_INSIDE: Final = """
root=$1; shift
mount -t proc proc "$root/proc" || exit 99
chroot "$root" "$@" &
wait $!
"""
# Everything dies at once, the caller last, as if the power had gone.
_CUT: Final = "kill -9 -1; kill -9 $$"
_AT_THE_NTH: Final = """#!/bin/sh
n=$(cat /tmp/count 2>/dev/null || echo 0)
echo $((n + 1)) >/tmp/count
[ $((n + 1)) -ne {nth} ] || {{ {cut}; }}
exec {program} "$@"
"""
_UNPACKING: Final = """#!/bin/sh
case "$*" in
*--fsys-tarfile*) /usr/bin/dpkg-deb "$@" | head -c 20000000; {cut} ;;
esac
exec /usr/bin/dpkg-deb "$@"
"""


class Cut(NamedTuple):
    """Where the power goes: before the n-th call of a program; 0: within it (dpkg-deb)."""

    program: str
    nth: int


class Ended(NamedTuple):
    """How a program ended in there."""

    status: int
    said: str

    @property
    def cut(self) -> bool:
        """Whether the power went."""
        return self.status == 128 + signal.SIGKILL


class Debian:
    """One gateway with a seeded card."""

    def __init__(self, folder: Path, suite: str, seed: Seed) -> None:
        self.root = folder / "root"
        self.boot = self.root / "boot/firmware"
        self._image = folder / "boot.img"
        # Owners, and devices as what they are: nothing of Python's copies those.
        subprocess.run(["cp", "--archive", CACHE / suite, self.root], check=True)
        self.boot.mkdir(parents=True)
        (package,) = (CACHE / f"{suite}.made").glob("*.deb")
        boot_partition(self._image, FLAVOURS[suite], 64 * MB)
        with FileMedium(self._image, writable=True) as medium:
            plant(medium, seed._replace(package=package), IMAGE, Silence())
        ran("mcopy", "-s", "-i", str(self._image), "::*", str(self.boot))

    def run(self, *words: str) -> Ended:
        """Run a program in it, without a network."""
        ended = subprocess.run(
            [*_ISOLATED, "sh", "-c", _INSIDE, "sh", self.root, *words],
            env={"PATH": _PATH, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANG_S,
            check=False,
        )
        assert ended.returncode != 99, ended.stdout
        return Ended(ended.returncode, ended.stdout)

    def first_boot(self, cut: Cut | None = None) -> Ended:
        """Run the script as its unit does; the power goes where that is asked."""
        if cut is None:
            return self.run("sh", "/boot/firmware/ugw/first-boot", "run")
        found = shutil.which(cut.program, path=_PATH.removeprefix("/usr/local/bin:"))
        body = _AT_THE_NTH if cut.nth else _UNPACKING
        wrapper = self.root / "usr/local/bin" / cut.program
        wrapper.write_text(body.format(nth=cut.nth, program=found, cut=_CUT), encoding="utf-8")
        wrapper.chmod(0o755)
        try:
            return self.run("sh", "/boot/firmware/ugw/first-boot", "run")
        finally:
            wrapper.unlink()
            (self.root / "tmp/count").unlink(missing_ok=True)

    def as_ugw(self, *words: str) -> Ended:
        """Run ugw as the service runs it: its user, its environment."""
        script = 'set -a; . /etc/ugw/environment; exec /opt/ugw/.venv/bin/ugw "$@"'
        return self.run("runuser", "-u", "ugw", "--", "sh", "-c", script, "ugw", *words)

    def owner(self, path: str) -> str:
        """Return who owns a file and who may do what with it: root:ugw 640."""
        return self.run("stat", "-c", "%U:%G %a", path).said.strip()

    def files(self) -> dict[str, bytes]:
        """Return what lies on the boot partition."""
        found = (path for path in self.boot.rglob("*") if path.is_file())
        return {str(path.relative_to(self.boot)): path.read_bytes() for path in found}

    def card(self) -> Planted:
        """Return what `ugw flash verify` finds on the boot partition."""
        self._image.unlink()
        with self._image.open("wb") as file:
            file.truncate(64 * MB)
        ran("mkfs.vfat", "-F", "16", str(self._image))
        files = [str(path) for path in self.boot.iterdir()]
        ran("mcopy", "-s", "-i", str(self._image), *files, "::")
        with FileMedium(self._image) as medium:
            return read_back(medium)


def missing(suite: str) -> str:
    """Say why no first boot of that suite can be played here; nothing when it can."""
    if os.geteuid() != 0:
        return "playing a first boot needs root"
    if not (CACHE / suite).is_dir() or not (CACHE / f"{suite}.made").is_dir():
        return f"there is no Debian {suite} to play in: make first-boot"
    return ""


def skip_without(suite: str) -> None:
    """Skip the test, with a sentence, where it cannot run."""
    if why := missing(suite):
        pytest.skip(why)
