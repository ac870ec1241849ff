"""The wheelhouse: all wheels, their hashes, a script that installs from them without a network.

For systems without dpkg. Equal wheels give equal files.
"""

import io
import tarfile
from pathlib import Path
from typing import Final

from tools.package import wheels
from tools.package.target import Target

_SCRIPT: Final = Path(__file__).parent / "install.sh"
_BESIDE: Final = ("config/ugw", "config/ugw.service", "config/ugw-enrol.service", "LICENSE")
_PROGRAMS: Final = ("install", "ugw")


class _Archive:
    """A tar file whose members have no owner, and one time."""

    def __init__(self, archive: tarfile.TarFile, folder: str, epoch_s: int) -> None:
        self._archive = archive
        self._folder = folder
        self._epoch_s = epoch_s

    def add(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(f"{self._folder}/{name}")
        info.size = len(content)
        info.mtime = self._epoch_s
        info.mode = 0o755 if name in _PROGRAMS else 0o644
        self._archive.addfile(info, io.BytesIO(content))


def build(folder: Path, sources: Path, target: Target, epoch_s: int, made: Path) -> Path:
    """Make NAME.tar of the wheels in a folder; unpacking it gives a folder NAME."""
    with tarfile.open(made, "w", format=tarfile.PAX_FORMAT) as file:
        archive = _Archive(file, made.stem, epoch_s)
        archive.add("install", _script(target))
        archive.add("requirements.txt", wheels.requirements(folder).encode())
        for beside in _BESIDE:
            archive.add(Path(beside).name, (sources / beside).read_bytes())
        for wheel in sorted(folder.glob("*.whl")):
            archive.add(f"wheels/{wheel.name}", wheel.read_bytes())
    return made


def _script(target: Target) -> bytes:
    text = _SCRIPT.read_text(encoding="utf-8")
    return (
        text.replace("@PYTHON@", target.python)
        .replace("@MACHINE@", target.machine.python)
        .encode()
    )
