"""Choosing the disk to write: the card that appears once it was asked for, or one that was named.

Never "the only one there is". Nothing is chosen that policy forbids, nothing unusual without its
serial number and --i-know, and nothing that was there before without a word typed for it.
"""

import os
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from ugw_flash.disks.model import Disk, DiskSource, Kind, Partition
from ugw_flash.disks.policy import Grade, Verdict, judge, name, size_text
from ugw_flash.outcome import NoDeviceError, RefusedError
from ugw_flash.progress import Watcher

_LAST: Final = 4  # characters of a serial number, to be typed
_MOST_PAUSES: Final = 3600  # half an hour, at half a second each

Ask = Callable[[str], str]
"""Shows a question and returns the line that was typed."""
Pause = Callable[[], None]
"""Waits a moment until disks are looked for again; may raise to end the wait."""


class Wanted(NamedTuple):
    """What the command line says about the disk."""

    path: str | None = None  # --to
    allow_disk: str | None = None  # its serial number; its path where it has none
    i_know: bool = False
    port: str | None = None  # only what is plugged in there


class _Identity(NamedTuple):
    """What tells one disk from another that is found in its place."""

    path: str
    number: str
    serial: str
    model: str
    size: int
    port: str


def choose(  # noqa: PLR0913 - what it needs of the world is handed in
    source: DiskSource,
    wanted: Wanted,
    *,
    needed_bytes: int,
    ask: Ask | None,
    watcher: Watcher,
    pause: Pause,
) -> Disk:
    """Return the disk to write, confirmed.

    `ask` None means that --yes was said: enough for a card that appears now, and for a disk named
    by its serial number. Raises NoDeviceError, and RefusedError with every reason.
    """
    appeared = not (wanted.path or wanted.allow_disk)
    if appeared:
        where = "" if wanted.port is None else " into the same reader"
        watcher.say(f"Insert the card{where} now; if it is in already, pull it out and insert it.")
        seen = _here(source.disks())
        disk = _the_new_one(source, seen, wanted.port, watcher, pause)
    else:
        disk = _named(source.disks(), wanted)
    _permit(disk, judge(disk, needed_bytes=needed_bytes), wanted)
    watcher.say("\n".join(described(disk)))
    if ask is not None:
        _confirm(disk, ask)
    elif not appeared and wanted.allow_disk is None:
        cause = f"{disk.path} was there before, and --yes alone does not say that it is meant"
        remedy = f"insert the card when asked (no --to), or say --allow-disk {name(disk)}"
        raise RefusedError(cause, remedy)
    return disk


def named(source: DiskSource, wanted: Wanted) -> Disk:
    """Return the disk that was named, if it may be written to; nobody is asked.

    For what changes a card that is ours already. Raises NoDeviceError, RefusedError.
    """
    disk = _named(source.disks(), wanted)
    _permit(disk, judge(disk), wanted)
    return disk


def choose_next(
    source: DiskSource, last: Disk, *, needed_bytes: int, watcher: Watcher, pause: Pause
) -> Disk:
    """Return the next card of a batch, once it is in the reader of the last one; no question.

    What appears there and is not clearly another card is said, and the next waited for. Raises
    RefusedError where nobody knows in which reader the last one was, NoDeviceError.
    """
    if not last.port:
        cause = f"the system does not say in which reader {last.path} is"
        raise RefusedError(cause, "make cards one by one with ugw flash pi")
    watcher.say("Insert the next card into the same reader.")
    # What took the place of the last card meanwhile counts as new.
    seen = {_identity(last)}
    while True:
        disk = _the_new_one(source, seen, last.port, watcher, pause)
        try:
            _refuse_no_next(disk, last)
            _permit(disk, judge(disk, needed_bytes=needed_bytes), Wanted())
        except RefusedError as error:
            watcher.say(f"{error}. The remedy: {error.remedy}.")
            seen = _here(source.disks())
        else:
            watcher.say("\n".join(described(disk)))
            return disk


def recheck(source: DiskSource, disk: Disk) -> Disk:
    """Return the disk as it is now: only if it is the very same still, and judged no worse.

    Raises NoDeviceError when it is gone, RefusedError otherwise; to be asked right before the
    first write.
    """
    now = next((each for each in source.disks() if each.path == disk.path), None)
    if now is None or not now.size:
        cause = f"{disk.path} went away before anything was written"
        raise NoDeviceError(cause, "insert the card again and start anew")
    if _identity(now) != _identity(disk):
        cause = f"{disk.path} is another disk than the one that was confirmed; nothing was written"
        raise RefusedError(cause, "leave the card in its reader and start anew")
    if not _has_same_content(disk, now):
        cause = f"something else is on {disk.path} than what was confirmed; nothing was written"
        raise RefusedError(cause, "leave the card in its reader and start anew")
    then, verdict = judge(disk), judge(now)
    if not set(verdict.reasons) <= set(then.reasons):
        cause = f"{disk.path} has changed since it was confirmed: {verdict}; nothing was written"
        raise RefusedError(cause, "close what uses the card and start anew")
    return now


def described(disk: Disk) -> Iterator[str]:
    """Yield in lines which disk it is, and what will be lost on it."""
    called = _called(disk)
    serial = f"serial {disk.serial}" if disk.serial else "no serial number"
    yield f"{disk.path}: {called}, {size_text(disk.size)}, {serial}"
    if disk.filesystem:
        yield f"  lost: a {disk.filesystem} file system on all of it"
    for part in disk.parts:
        yield f"  lost: {_content(part)}"
    if not (disk.filesystem or disk.parts):
        yield "  lost: nothing that is known; it has no partitions"


def _called(disk: Disk) -> str:
    return " ".join(filter(None, (disk.vendor, disk.model))) or "no name"


def _content(part: Partition) -> str:
    what = part.filesystem or "content unknown"
    label = f" {part.label!r}" if part.label else ""
    mounted = f", now at {', '.join(part.mounts)}" if part.mounts else ""
    return f"{part.path}{label}, {what}, {size_text(part.size)}{mounted}"


def _identity(disk: Disk) -> _Identity:
    return _Identity(disk.path, disk.number, disk.serial, disk.model, disk.size, disk.port)


def _here(disks: Collection[Disk]) -> set[_Identity]:
    return {_identity(disk) for disk in disks if disk.size}


def _the_new_one(
    source: DiskSource, seen: set[_Identity], port: str | None, watcher: Watcher, pause: Pause
) -> Disk:
    """Wait for a disk that was not seen before, until it changes no more."""
    watcher.phase("wait for the card")
    before: list[Disk] = []
    for _ in range(_MOST_PAUSES):
        disks = [each for each in source.disks() if port is None or each.port == port]
        # What was pulled out meanwhile is new when it comes back.
        seen = seen & _here(disks)
        new = [each for each in disks if each.size and _identity(each) not in seen]
        # Partitions and labels come a moment after the disk.
        if new and new == before:
            return _only(new)
        before = new
        pause()
    cause = "no card was inserted"
    raise NoDeviceError(cause, "ugw flash list shows the disks that are seen")


def _has_same_content(then: Disk, now: Disk) -> bool:
    """Say whether the parts are those that were shown; what is not known is no difference.

    It tells a card that was swapped where its reader has the serial and no medium a number.
    """
    if len(then.parts) != len(now.parts) or not _is_alike(then.filesystem, now.filesystem):
        return False
    return all(
        (old.path, old.size) == (new.path, new.size)
        and _is_alike(old.filesystem, new.filesystem)
        and _is_alike(old.label, new.label)
        for old, new in zip(_by_path(then), _by_path(now), strict=True)
    )


def _by_path(disk: Disk) -> list[Partition]:
    return sorted(disk.parts, key=lambda part: part.path)


def _is_alike(then: str, now: str) -> bool:
    return not then or not now or then == now


def _refuse_no_next(disk: Disk, last: Disk) -> None:
    """Raise RefusedError for the last card, and for a stick in the port where the reader was.

    Nobody is asked again. On USB vendor, model and serial are the reader's, elsewhere the card's.
    """
    if Kind.USB in (disk.kind, last.kind):
        if (disk.kind, _called(disk)) != (last.kind, _called(last)):
            cause = f"in the place of {_called(last)} there is another device: {_called(disk)}"
            raise RefusedError(cause, "insert the next card into the same reader")
    elif disk.kind is Kind.SD and disk.serial and disk.serial == last.serial:
        cause = "that is the card that was just made"
        raise RefusedError(cause, "insert the next one")


def _only(new: list[Disk]) -> Disk:
    if len(new) > 1:
        found = ", ".join(disk.path for disk in new)
        cause = f"several disks appeared at the same time: {found}"
        raise RefusedError(cause, "pull them out and insert one card only")
    return new[0]


def _named(disks: list[Disk], wanted: Wanted) -> Disk:
    if wanted.path is not None:
        return _at(disks, wanted.path)
    found = [disk for disk in disks if name(disk) == wanted.allow_disk]
    # The slots of a reader have its serial number in common; those without a card are not meant.
    found = [disk for disk in found if disk.size] or found
    if not found:
        cause = f"there is no disk with the serial number {wanted.allow_disk}"
        raise NoDeviceError(cause, "ugw flash list shows which there are")
    if len(found) > 1:
        paths = ", ".join(disk.path for disk in found)
        cause = f"several disks have the serial number {wanted.allow_disk}: {paths}"
        raise RefusedError(cause, "say which with --to, or pull the others out")
    return found[0]


def _at(disks: list[Disk], path: str) -> Disk:
    real = os.path.realpath(path)  # /dev/disk/by-id/... leads to it
    for disk in disks:
        if disk.path in (path, real):
            return disk
        if any(part.path in (path, real) for part in disk.parts):
            cause = f"{path} is a part of {disk.path}; an image takes the whole disk"
            raise RefusedError(cause, f"say --to {disk.path}, if that is meant")
    cause = f"{path} is no disk here"
    raise NoDeviceError(cause, "ugw flash list shows which there are")


def _permit(disk: Disk, verdict: Verdict, wanted: Wanted) -> None:
    """Raise RefusedError unless policy, and what was said on the command line, allow it."""
    if verdict.grade is Grade.FORBIDDEN:
        cause = f"{disk.path} must not be written: {verdict}"
        raise RefusedError(cause, "insert another card; ugw flash list shows all disks")
    if wanted.allow_disk is not None and wanted.allow_disk != name(disk):
        cause = f"--allow-disk says {wanted.allow_disk}, but {disk.path} is {name(disk)}"
        raise RefusedError(cause, "ugw flash list shows which disk is which")
    if verdict.grade is Grade.UNUSUAL and not (wanted.allow_disk and wanted.i_know):
        cause = f"{disk.path} is not clearly a card: {verdict}"
        meant = f"--to {disk.path} --allow-disk {name(disk)} --i-know"
        raise RefusedError(cause, f"insert a card; if this very disk is meant, say {meant}")


def _confirm(disk: Disk, ask: Ask) -> None:
    """Raise RefusedError unless the person types what only this disk's line says."""
    if disk.serial:
        expected = disk.serial[-_LAST:]
        question = f"Everything on it will be lost. Type the end of its serial, {expected}: "
    else:
        expected = size_text(disk.size)
        question = f"Everything on it will be lost. Type its size, {expected}: "
    if _squeezed(ask(question)) != _squeezed(expected):
        cause = f"{disk.path} was not confirmed; nothing was written"
        raise RefusedError(cause, "start anew, and type what the question shows")


def _squeezed(typed: str) -> str:
    return "".join(typed.split()).casefold().replace(",", ".")
