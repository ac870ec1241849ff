"""What a card is made on or read from: a disk, or a file that stands for one.

A disk is looked at again right before its first write: another one under the same name is refused.
A file is new, readable for its owner alone, and bears its name only once it is complete.
"""

import os
import stat
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ugw_flash.card.medium import FileMedium, Medium
from ugw_flash.card.raw import open_disk
from ugw_flash.disks.choice import recheck
from ugw_flash.disks.model import Disk, DiskSource
from ugw_flash.outcome import NoDeviceError, RefusedError

# Windows has neither. Without the second, a named pipe would wait for a reader.
_CAREFULLY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Target(NamedTuple):
    """Where a card goes."""

    name: str  # for people
    key: str  # the same for the same card, so far as the system can tell cards apart
    serial: str  # empty: it has none
    open: Callable[[int], AbstractContextManager[Medium]]  # told how many bytes have to fit
    recheck: Callable[[], object]  # raises unless it is still what was confirmed
    holds: Callable[[Path], bool] = lambda _path: False  # whether a file of this computer is on it


def disk_target(disk: Disk, source: DiskSource) -> Target:
    """Return a disk that was chosen and confirmed."""
    key = f"{disk.serial or disk.port} {disk.size}"
    return Target(
        name=disk.path,
        key=key,
        serial=disk.serial,
        open=partial(_open_disk, source, disk),
        recheck=partial(recheck, source, disk),
        holds=partial(_is_on, source, disk),
    )


def file_target(path: Path) -> Target:
    """Return a file that is not there yet. Raises RefusedError when it is."""
    _refuse_taken(path)
    return Target(str(path), str(path.absolute()), "", partial(_new_file, path), lambda: None)


@contextmanager
def to_read(path: str, source: DiskSource) -> Generator[Medium]:
    """Open a card or a file to read it. Raises NoDeviceError, RefusedError."""
    if Path(path).is_file():
        with _opened(Path(path), writable=False) as file:
            yield file
        return
    real = os.path.realpath(path)  # /dev/disk/by-id/... leads to it
    disk = next((each for each in source.disks() if each.path in (path, real)), None)
    if disk is None or not disk.size:
        cause = f"{path} is no card and no file" if disk is None else f"no card is in {path}"
        raise NoDeviceError(cause, "ugw flash list shows what there is")
    with open_disk(disk) as card:
        yield card


@contextmanager
def _open_disk(source: DiskSource, disk: Disk, needed_bytes: int) -> Generator[Medium]:
    # The desktop may have mounted it since it was chosen. Nothing of another disk in its place may
    # be unmounted, hence the look before.
    now = recheck(source, disk)
    with open_disk(now, writable=True) as medium:
        if medium.size < needed_bytes:
            cause = f"{disk.path} is too small: {needed_bytes:,} bytes have to fit"
            cause += f", and it has {medium.size:,}"
            raise RefusedError(cause, "take a larger card")
        yield medium


def _is_on(source: DiskSource, disk: Disk, path: Path) -> bool:
    places = recheck(source, disk).everything_mounted()
    return any(path.resolve().is_relative_to(place) for place in places)


@contextmanager
def _new_file(path: Path, size: int) -> Generator[Medium]:
    part = path.with_name(f"{path.name}.part")
    try:
        # It gets what is secret: nobody else may read it, not even while it is made.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | _CAREFULLY, 0o600)
        try:
            _refuse_foreign(part, os.fstat(descriptor))
        finally:
            os.close(descriptor)
        part.chmod(0o600)
        os.truncate(part, size)
    except OSError as error:
        cause = f"{part} cannot be made: {error.strerror}"
        raise RefusedError(cause, "name another place") from error
    with _opened(part, writable=True) as file:
        yield file
    _refuse_taken(path)
    part.rename(path)


def _refuse_foreign(part: Path, found: os.stat_result) -> None:
    """Raise RefusedError for what is no file of ours alone: an attempt is gone on with in it."""
    ours = os.name != "posix" or found.st_uid == os.geteuid()
    if not (stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and ours):
        cause = f"{part} is there, and was not left by an earlier attempt of this user"
        raise RefusedError(cause, "look what it is, and name another place")


def _refuse_taken(path: Path) -> None:
    if path.exists() and not path.is_file():
        cause = f"{path} is no file, and no disk by its path"
        raise RefusedError(cause, "name a file that is not there yet, or a disk as /dev/sdb")
    if path.exists():
        cause = f"{path} exists, and no file is ever replaced"
        raise RefusedError(cause, "name another, or delete it")


def _opened(path: Path, *, writable: bool) -> FileMedium:
    try:
        return FileMedium(path, writable=writable)
    except OSError as error:
        cause = f"{path} cannot be opened: {error.strerror}"
        raise RefusedError(cause, "name another file") from error
