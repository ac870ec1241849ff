"""What a card is made on or read from: a disk, or a file that stands for one.

A disk is looked at again right before its first write: another one under the same name is refused.
A file is new, readable for its owner alone, and bears its name only once it is complete.
"""

import os
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

_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


class Target(NamedTuple):
    """Where a card goes."""

    name: str  # for people
    key: str  # the same for the same card, so far as the system can tell cards apart
    serial: str  # empty: it has none
    open: Callable[[int], AbstractContextManager[Medium]]  # told how many bytes have to fit
    recheck: Callable[[], None]  # raises unless it is still what was confirmed


def disk_target(disk: Disk, source: DiskSource) -> Target:
    """Return a disk that was chosen and confirmed."""
    key = f"{disk.serial or disk.port} {disk.size}"
    looks = partial(recheck, source, disk)
    return Target(disk.path, key, disk.serial, partial(_open_disk, disk, source), looks)


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
def _open_disk(disk: Disk, source: DiskSource, needed_bytes: int) -> Generator[Medium]:
    # The desktop may have mounted it since it was chosen. Nothing of another disk in its place may
    # be unmounted, hence the look before.
    recheck(source, disk)
    now = next(each for each in source.disks() if each.path == disk.path)
    with open_disk(now, writable=True) as medium:
        if medium.size < needed_bytes:
            cause = f"{disk.path} is too small: {needed_bytes:,} bytes have to fit"
            cause += f", and it has {medium.size:,}"
            raise RefusedError(cause, "take a larger card")
        yield medium


@contextmanager
def _new_file(path: Path, size: int) -> Generator[Medium]:
    part = path.with_name(f"{path.name}.part")
    try:
        # It gets what is secret: nobody else may read it, not even while it is made.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | _NO_LINK, 0o600))
        part.chmod(0o600)
        os.truncate(part, size)
    except OSError as error:
        cause = f"{part} cannot be made: {error.strerror}"
        raise RefusedError(cause, "name another place") from error
    with _opened(part, writable=True) as file:
        yield file
    _refuse_taken(path)
    part.rename(path)


def _refuse_taken(path: Path) -> None:
    if path.exists():
        cause = f"{path} exists, and no file is ever replaced"
        raise RefusedError(cause, "name another, or delete it")


def _opened(path: Path, *, writable: bool) -> FileMedium:
    try:
        return FileMedium(path, writable=writable)
    except OSError as error:
        cause = f"{path} cannot be opened: {error.strerror}"
        raise RefusedError(cause, "name another file") from error
