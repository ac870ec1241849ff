"""The store: whether this user may write it, an agent uses it, there is room, the file is sound.

Nothing is left behind: a file made by whoever checks would be in the way of the agent's user.
"""

import errno
import fcntl
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.backlog import inspection
from gateway.backlog.sqlite.opening import FILE as STORE
from gateway.backlog.sqlite.opening import LOCK
from gateway.cli.preflight.verdict import State, Verdict
from gateway.config import StoreSettings
from gateway.errors import BacklogError

NAME: Final = "store"
SPACE: Final = "space"
FILE: Final = "backlog"
NAMES: Final = (NAME, SPACE, FILE)


def agent_runs(directory: Path) -> bool:
    """Whether an agent holds the store's lock; a lock we may not look at is nobody's."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def look(settings: StoreSettings) -> Iterator[Verdict]:
    """Say how the store and its medium stand."""
    directory = settings.path
    if not directory.exists():
        yield _to_be_made(directory)
        yield from (Verdict.skipped(name, "nothing there yet") for name in (SPACE, FILE))
        return
    written = _written(directory)
    yield written
    if not directory.is_dir():
        yield from (Verdict.skipped(name, "there is no folder") for name in (SPACE, FILE))
        return
    yield _space(settings)
    yield _file(settings, usable=written.state is not State.FAILED)


def _to_be_made(directory: Path) -> Verdict:
    """Try it as `_written` does: neither root's rights nor /proc's modes say it for sure."""
    parent = next(path for path in directory.parents if path.exists())
    if not parent.is_dir():
        return Verdict.failed(NAME, f"{parent} is not a directory", "check store.path")
    try:
        _try_to_write(parent)
    except OSError as error:
        return _not_to_be_made(directory, parent, error)
    return Verdict.ok(NAME, f"{directory} will be made by the agent")


def _not_to_be_made(directory: Path, parent: Path, error: OSError) -> Verdict:
    cause = f"{directory} is not there, and this user cannot make it in {parent}: {error.strerror}"
    if error.errno == errno.ENOSPC:
        return Verdict.failed(NAME, cause, "free some space")
    if os.geteuid() == 0:
        return Verdict.failed(NAME, cause, "store.path must name a folder of a writable medium")
    remedy = f"sudo install --directory --mode=700 --owner={_owner(os.geteuid())} {directory}"
    return Verdict.failed(NAME, cause, remedy)


def _written(directory: Path) -> Verdict:
    """Write a file and remove it: neither modes nor mount options say it for sure."""
    try:
        _try_to_write(directory)
    except OSError as error:
        return _unwritable(directory, error)
    strange = next((path for path in directory.glob("backlog*") if not _usable(path)), None)
    owner = _owner(directory.stat().st_uid)
    if strange is not None:
        cause = f"{strange} belongs to {_owner(strange.stat().st_uid)}, its folder to {owner}"
        return Verdict.failed(NAME, cause, f"sudo chown --recursive {owner}: {directory}")
    return Verdict.ok(NAME, f"{directory} can be written; it belongs to {owner}")


def _try_to_write(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory, prefix="ugw-check-") as probe:
        probe.write(b"ugw")
        probe.flush()
        os.fsync(probe.fileno())


def _unwritable(directory: Path, error: OSError) -> Verdict:
    owner = directory.stat().st_uid
    if error.errno == errno.ENOSPC:  # the agent has its ballast, and its memory
        return Verdict.warning(NAME, f"{directory}: no room on its medium", "free some space")
    if error.errno == errno.EROFS:
        remedy = "the medium is mounted read-only: is it worn out? see dmesg"
    elif error.errno == errno.EACCES and owner != os.geteuid():
        remedy = f"it belongs to {_owner(owner)}: sudo -u {_owner(owner)} ugw check"
    else:
        remedy = f"sudo chown {_owner(os.geteuid())}: {directory}"
    return Verdict.failed(NAME, f"{directory} cannot be written: {error.strerror}", remedy)


def _usable(path: Path) -> bool:
    """Whether the agent can use a file of its store; root could use any, and is not asked."""
    if os.geteuid() == 0:
        return path.stat().st_uid == path.parent.stat().st_uid
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # a user without an entry, as in some containers
        return str(number)


# ---------------------------------------------------------------------------------------- room
def _space(settings: StoreSettings) -> Verdict:
    """Compare what is free with what the store may take and has to leave."""
    medium = os.statvfs(settings.path)
    free = medium.f_bavail * medium.f_frsize
    if free < settings.keep_free_bytes:
        cause = f"{_mb(free)} free; below {_mb(settings.keep_free_bytes)} nothing is written"
        return Verdict.warning(SPACE, cause, "free some space, or lower store.keep_free")
    room = free - settings.keep_free_bytes + _taken(settings.path)
    if room < settings.max_size_bytes:
        cause = f"{_mb(free)} free: the store gets {_mb(room)}, not {_mb(settings.max_size_bytes)}"
        return Verdict.warning(SPACE, cause, "free some space, or lower store.max_size")
    return Verdict.ok(SPACE, f"{_mb(free)} free")


def _taken(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("backlog.db*"))


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.0f} MB".replace(",", " ")


# ---------------------------------------------------------------------------------------- file
def _file(settings: StoreSettings, *, usable: bool) -> Verdict:
    """Read the store's file as it is; what is wrong with it the agent mends when it starts."""
    directory = settings.path
    if agent_runs(directory):
        return Verdict.skipped(FILE, "an agent is running and has it: ugw status")
    # Without the lock's file one would have to be made, and it would belong to whoever checks.
    if not (usable and (directory / LOCK).exists() and (directory / STORE).exists()):
        return Verdict.skipped(FILE, "there is none yet" if usable else "cannot be opened")
    try:
        with inspection.opened(directory, max_bytes=settings.max_size_bytes) as store:
            found = store.stats()
    except BacklogError as error:
        return Verdict.of(FILE, error)
    waiting = f"{found.observations} observations wait" if found.observations else "nothing waits"
    if found.quarantined:
        beside = f"{waiting}; beside it damaged files: {', '.join(found.quarantined)}"
        return Verdict.warning(FILE, beside, "the medium may be worn out; they may be deleted")
    return Verdict.ok(FILE, f"readable, {waiting}")
