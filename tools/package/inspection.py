"""Looks at a finished package as a stranger would, and says all that is wrong with it at once.

What it finds is what hurts on a gateway: libraries of another machine, files that others may
change, scripts that are no shell, traces of the machine that made it.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools.package import environment
from tools.package.target import Target

_ELF: Final = b"\x7fELF"
_MACHINE: Final = slice(18, 20)  # e_machine, little-endian on each of our machines
_OTHERS_MAY_WRITE: Final = 0o022
_SPECIAL: Final = 0o7000
_NEVER: Final = ("__pycache__", "direct_url.json", "site-packages/pip/", "site-packages/bin/")
_SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm")
_LIMIT_S: Final = 300.0


class Entry(NamedTuple):
    """One file of the package."""

    name: str  # ./usr/bin/ugw
    of: tarfile.TarInfo
    content: bytes


def findings(package: Path, target: Target, traces: Sequence[str] = ()) -> list[str]:
    """Return what is wrong; `traces` are words that only the machine knows that made it."""
    files = list(_entries(package, "--fsys-tarfile"))
    control = list(_entries(package, "--ctrl-tarfile"))
    found = [words for entry in files for words in _wrong(entry, target)]
    found += [words for entry in files for words in _told(entry, traces)]
    found += _missing({entry.name for entry in files}, target)
    return found + list(_scripts(control))


def _entries(package: Path, what: str) -> Iterator[Entry]:
    content = _dpkg_deb(what, str(package))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for info in archive:
            file = archive.extractfile(info) if info.isreg() else None
            yield Entry(info.name, info, file.read() if file else b"")


def _dpkg_deb(*words: str) -> bytes:
    return subprocess.run(  # noqa: S603 - our own words, no shell
        ["dpkg-deb", *words],  # noqa: S607 - deb.build has found it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=_LIMIT_S,
        check=True,
    ).stdout


def _wrong(entry: Entry, target: Target) -> Iterator[str]:
    info = entry.of
    if (info.uname, info.gname, info.uid, info.gid) != ("root", "root", 0, 0):
        yield f"{entry.name} is not root's"
    if not info.issym() and info.mode & (_OTHERS_MAY_WRITE | _SPECIAL):
        yield f"{entry.name} has mode {info.mode:o}"
    for word in _NEVER:
        if word in entry.name:
            yield f"{entry.name} does not belong into a package"
    if entry.content.startswith(_ELF):
        machine = int.from_bytes(entry.content[_MACHINE], "little")
        if machine != target.machine.elf:
            yield f"{entry.name} is for another machine ({machine}, not {target.machine.elf})"


def _told(entry: Entry, traces: Iterable[str]) -> Iterator[str]:
    for trace in traces:
        if trace.encode() in entry.content:
            yield f"{entry.name} names {trace}, of the machine that made it"


def _missing(names: set[str], target: Target) -> Iterator[str]:
    site = f"./{environment.FOLDER}/lib/python{target.python}/site-packages"
    for name in (
        f"./{environment.FOLDER}/bin/python3",
        f"./{environment.FOLDER}/bin/ugw",
        f"{site}/gateway/cli/main.py",
        "./usr/bin/ugw",
        "./usr/lib/systemd/system/ugw.service",
        "./usr/share/doc/urban-gateway/copyright",
    ):
        if name not in names:
            yield f"{name} is missing"


def _scripts(control: Iterable[Entry]) -> Iterator[str]:
    there = {entry.name.removeprefix("./"): entry for entry in control}
    for name in _SCRIPTS:
        entry = there.get(name)
        if entry is None or not entry.of.mode & 0o100:
            yield f"{name} is missing, or cannot be run"
        elif said := _syntax(entry.content):
            yield f"{name} is no shell: {said}"


def _syntax(script: bytes) -> str:
    ended = subprocess.run(
        ["/bin/sh", "-n"], input=script, capture_output=True, timeout=_LIMIT_S, check=False
    )
    return ended.stderr.decode().strip() if ended.returncode else ""
