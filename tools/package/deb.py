"""The Debian package: its tree, its description, its file.

Equal trees give equal files: owners, modes and times are set, the order is dpkg-deb's.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from tools.package import environment, licences
from tools.package.target import Target

NAME: Final = "urban-gateway"
SCRIPTS: Final = Path(__file__).parent / "debian"
_LONGEST_S: Final = 1800.0

# What is installed where; a folder with all that is in it.
_FILES: Final = (
    ("config/ugw", "usr/bin/ugw"),
    ("config/ugw.service", "usr/lib/systemd/system/ugw.service"),
    ("config/ugw-enrol.service", "usr/lib/systemd/system/ugw-enrol.service"),
    ("config/gateway.example.yaml", "opt/ugw/config/gateway.example.yaml"),
    ("config/polkit", "opt/ugw/config/polkit"),
    ("docs", "opt/ugw/docs"),
    ("CHANGELOG.md", "opt/ugw/CHANGELOG.md"),
    ("LICENSE", "opt/ugw/LICENSE"),
    ("README.md", "opt/ugw/README.md"),
)
_PROGRAMS: Final = ("usr/bin/ugw", "opt/ugw/.venv/bin/ugw")

_CONTROL: Final = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: The ugw team
Installed-Size: {kilobytes}
Depends: python3 (>= {python}), python3 (<< {next_python})
Recommends: bluez, sudo
Section: net
Priority: optional
Description: edge sensor gateway
 Bluetooth LE and serial LoRa sensors in, one uniform schema out over MQTT,
 nothing accepted lost. It has an environment of Python of its own, in
 /opt/ugw/.venv, and needs neither a network nor pip to be installed.
"""


def fill(root: Path, sources: Path, site: Path) -> None:
    """Put all but the environment into the tree: commands, units, documents, licences."""
    for source, place in _FILES:
        _copy(sources / source, root / place)
    there = f"/{site.relative_to(root)}"
    document = root / f"usr/share/doc/{NAME}/copyright"
    document.parent.mkdir(parents=True)
    text = licences.copyright_file(environment.distributions(site), there)
    document.write_text(text, encoding="utf-8")


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, place)
    else:
        shutil.copyfile(source, place)


def build(root: Path, version: str, target: Target, epoch_s: int, folder: Path) -> Path:
    """Make the package of a tree; return its file, URBAN-GATEWAY_VERSION_ARCHITECTURE.deb."""
    debian_version = target.debian_version(version)
    control = root / "DEBIAN"
    shutil.copytree(SCRIPTS, control)
    (control / "md5sums").write_text("".join(_sums(root)), encoding="utf-8")
    (control / "control").write_text(_described(root, debian_version, target), encoding="utf-8")
    for path in (root, *root.rglob("*")):
        _settle(path, root, epoch_s)
    made = folder / f"{NAME}_{debian_version}_{target.architecture}.deb"
    _dpkg_deb(root, made, epoch_s)
    return made


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if (
            path.is_file()
            and not path.is_symlink()
            and "DEBIAN" not in path.relative_to(root).parts
        ):
            yield path


def _sums(root: Path) -> Iterator[str]:
    for path in _files(root):
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        yield f"{digest}  {path.relative_to(root)}\n"


def _described(root: Path, version: str, target: Target) -> str:
    major, minor = target.release.python
    return _CONTROL.format(
        name=NAME,
        version=version,
        architecture=target.architecture,
        kilobytes=sum(-(-path.stat().st_size // 1024) for path in _files(root)),
        python=target.python,
        next_python=f"{major}.{minor + 1}",
    )


def _settle(path: Path, root: Path, epoch_s: int) -> None:
    """Give it the mode and the time that it has whoever makes it, and whenever."""
    name = path.relative_to(root)
    if not path.is_symlink():
        runs = path.is_dir() or str(name) in _PROGRAMS or (SCRIPTS / name.name).is_file()
        path.chmod(0o755 if runs else 0o644)
    os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)


def _dpkg_deb(root: Path, made: Path, epoch_s: int) -> None:
    program = shutil.which("dpkg-deb")
    if program is None:
        cause = "there is no dpkg-deb here"
        raise UgwError(cause, "Make it on Debian, or on a system made of it.")
    made.parent.mkdir(parents=True, exist_ok=True)
    ended = subprocess.run(  # noqa: S603 - dpkg-deb, no shell
        [program, "--root-owner-group", "-Zxz", "--build", str(root), str(made)],
        # How xz divides what it compresses depends on how many work on it.
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s), "DPKG_DEB_THREADS_MAX": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if ended.returncode != 0:
        cause = f"dpkg-deb made no package: {ended.stderr.strip()}"
        raise UgwError(cause)
