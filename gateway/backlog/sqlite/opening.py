"""Finding the store's file sound, or setting a damaged one aside and starting anyway.

A new file is built beside the old one, synced, and called `.ready`; from then on it is the store,
whatever happens: an interrupted change of names is finished at the next start. A damaged file is
kept as `backlog.db.corrupt-<n>`, at most two of them.
"""

import errno
import fcntl
import logging
import math
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog.sqlite import log_file, seal, tally
from gateway.backlog.sqlite.connection import Connect, is_damage, is_failed_sync, prepare
from gateway.backlog.sqlite.medium import free_bytes
from gateway.backlog.sqlite.salvage import Salvaged, salvage
from gateway.backlog.sqlite.schema import PAGE_BYTES, TABLES, VERSION
from gateway.backlog.sqlite.soundness import (
    DamageError,
    require_header,
    require_rows,
    require_sound,
)
from gateway.errors import BacklogError

FILE: Final = "backlog.db"
NEW: Final = "backlog.db.new"
READY: Final = "backlog.db.ready"
CORRUPT: Final = "backlog.db.corrupt-"
LOCK: Final = "backlog.lock"
# With what a check may take and a connection's usual work, the agent starts within 10 s in any
# state of the store.
SALVAGE_S: Final = 5.0
MAX_QUARANTINED: Final = 2

log = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """A sound store, where a damaged one was put (empty: none was found), and what is left in it.

    `is_whole`: no loss ranges and no bundles set aside, as far as is known. `knows_runs`: how the
    runs before have ended; not where their records, or the newest commits, cannot be read.
    """

    connection: sqlite3.Connection
    quarantined: str
    is_whole: bool
    knows_runs: bool


def take_lock(directory: Path) -> int:
    """Make the store's directory ours until the process ends; the descriptor that holds it."""
    cause = f"another agent is using the store {directory}"
    return _lock(directory, cause, "stop it, or give this one a store.path of its own")


def take_lock_for_people(directory: Path) -> int:
    """Do the same for someone who wants to look into the store."""
    cause = f"the agent is running, and has the store {directory}"
    return _lock(directory, cause, "stop it first: systemctl stop ugw")


def _lock(directory: Path, cause: str, remedy: str) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BacklogError(cause, remedy) from error
    return descriptor


def find_store(directory: Path, connect: Connect, max_bytes: int) -> Found:
    """Return the store in `directory`, made or salvaged as need be. The lock must be held."""
    try:
        return _find(directory, connect, max_bytes)
    except OSError as error:
        raise unusable(directory, error) from error


def find_as_it_is(directory: Path, connect: Connect, max_bytes: int) -> sqlite3.Connection:
    """Return the store in `directory` if it can be used without mending anything."""
    path = directory / FILE
    if (directory / READY).exists() or not path.exists():
        raise _to_be_mended(path, "is being replaced")
    connection = connect(path)
    try:
        prepare(connection, max_bytes)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            require_rows(connection)
    except sqlite3.Error as error:
        connection.close()
        if is_damage(error):
            raise _to_be_mended(path, f"is damaged or of another version: {error}") from error
        raise
    if version != VERSION:
        connection.close()
        raise _to_be_mended(path, f"is of schema version {version} instead of {VERSION}")
    return connection


def _to_be_mended(path: Path, why: str) -> BacklogError:
    remedy = "start the agent once: it takes over what can be read"
    return BacklogError(f"the store {path} {why}", remedy)


def unusable(directory: Path, error: OSError) -> BacklogError:
    """Return the house's error for one of the file system's."""
    cause = f"the store {directory} cannot be used: {error.strerror}"
    return BacklogError(cause, "check store.path, its owner and the medium")


def _find(directory: Path, connect: Connect, max_bytes: int) -> Found:
    path = directory / FILE
    quarantined, had = "", Salvaged(is_whole=True, knows_runs=True)
    if (directory / READY).exists():  # the run before was cut short while changing the names
        quarantined = _put_in_place(directory)
    elif not path.is_file():  # nothing, or a folder that somebody made there
        _build(directory, connect, None, None)
        quarantined = _put_in_place(directory)
    is_log_damaged = _make_log_durable(directory)
    connection = connect(path)
    try:
        require_header(path)
        prepare(connection, max_bytes)
        require_sound(connection, is_log_damaged=is_log_damaged)
        _empty_log(directory, connection)
    # SQLite's own words may quote what is no text.
    except (sqlite3.Error, DamageError, UnicodeDecodeError) as error:
        try:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise
            quarantined, had = replace(directory, connect, connection, SALVAGE_S)
        finally:
            connection.close()
        connection = connect(path)
        prepare(connection, max_bytes)
    is_whole, knows_runs = (each and not is_log_damaged for each in had)
    return Found(connection, quarantined, is_whole, knows_runs)


def _make_log_durable(directory: Path) -> bool:
    """Write the log of a run that was cut off anew, 1 MB at most; whether it is damaged.

    Where a sync had failed, the kernel may show commits in it that are not on the medium; what is
    added behind them would be lost in a power cut.
    """
    left = directory / f"{FILE}-wal"
    copy = directory / NEW
    try:
        data = left.read_bytes()
    except FileNotFoundError:
        return False
    if data:
        try:
            _write_durably(copy, data)
        except OSError as error:
            copy.unlink(missing_ok=True)
            if error.errno != errno.ENOSPC:
                raise
        else:
            copy.rename(left)
            _sync(directory)
    return log_file.is_damaged(data, directory / FILE)


def _empty_log(directory: Path, connection: sqlite3.Connection) -> None:
    """Play the log of a run that was cut off into the file, if there is room for that.

    Else every start of a crash loop would write it anew, and longer by what that start adds to it.
    A file that takes nothing is no reason not to start, for all is in the log still. After a sync
    that failed all is written once more; nothing may be added to the log before (handle._heal).
    """
    log_bytes = (directory / f"{FILE}-wal").stat().st_size
    if 0 < log_bytes < free_bytes(directory):
        try:
            _checkpoint(connection)
        except sqlite3.Error as error:
            if is_failed_sync(error):
                log.warning("store failed to sync, its log is written into it anew: %s", error)
                _checkpoint(connection)
            elif is_damage(error):
                raise


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, for the mode
        file.write(data)
        file.flush()
        os.fsync(descriptor)


# -------------------------------------------------------------------------------------- replacing
def replace(
    directory: Path, connect: Connect, old: sqlite3.Connection, seconds: float | None
) -> tuple[str, Salvaged]:
    """Put what `old` reads, at most so long, into a new file.

    Return where the old one has been put, and what was had whole. `old` is closed when its file
    has another name: then SQLite leaves that as it is.
    """
    had = _build(directory, connect, old, seconds)
    quarantined = _put_in_place(directory)
    old.close()
    return quarantined, had


def _build(
    directory: Path, connect: Connect, old: sqlite3.Connection | None, seconds: float | None
) -> Salvaged:
    """Make the READY file; what `salvage` had whole of the old one.

    Nothing of it counts before it has that name, so it has no journal.
    """
    new = directory / NEW
    for ending in ("", "-wal", "-journal"):
        new.with_name(f"{NEW}{ending}").unlink(missing_ok=True)
    connection = connect(new)
    try:
        for pragma in (
            "locking_mode=EXCLUSIVE",
            f"page_size={PAGE_BYTES}",
            "journal_mode=OFF",
            "synchronous=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("BEGIN")
        for table in TABLES:
            connection.execute(table)
        had = Salvaged(is_whole=True, knows_runs=True)
        if old is not None:
            end_s = math.inf if seconds is None else time.monotonic() + seconds
            had = salvage(old, connection, lambda: time.monotonic() > end_s)
        _number_sessions(connection)
        tally.count_all(connection)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
        # Here and not later, when it would leave a journal whose deletion is not durable: found
        # again after a power cut, it would be played back.
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
    finally:
        connection.close()
    _sync(new)
    new.rename(directory / READY)
    _sync(directory)  # before the old one may get another name
    return had


def _number_sessions(connection: sqlite3.Connection) -> None:
    """Go on above every number in use, also by a gateway that this one replaces.

    Where none is known, wall time in ms is above them all: there are fewer attempts to connect.
    """
    # A damaged file may have had several; below the highest none is free.
    highest = "SELECT rowid FROM installation ORDER BY session DESC LIMIT 1"
    connection.execute(f"DELETE FROM installation WHERE rowid NOT IN ({highest})")  # noqa: S608
    if connection.execute("SELECT count(*) FROM installation").fetchone()[0]:
        return
    session = time.time_ns() // 1_000_000
    connection.execute(seal.insert("installation"), seal.sealed(session))


def _put_in_place(directory: Path) -> str:
    """Give the READY file the store's name; return where what had it was put, if anything."""
    path = directory / FILE
    quarantine = directory / f"{CORRUPT}{_last_number(directory) + path.exists()}"
    # A WAL beside a file it does not belong to would be played into it: it goes first to last.
    with suppress(FileNotFoundError):
        path.rename(quarantine)
    with suppress(FileNotFoundError):
        path.with_name(f"{FILE}-wal").rename(quarantine.with_name(f"{quarantine.name}-wal"))
    _sync(directory)  # not every file system keeps the order of changes of names
    (directory / READY).rename(path)
    _sync(directory)
    _forget_oldest(directory)
    return str(quarantine) if quarantine.exists() else ""


def _last_number(directory: Path) -> int:
    return max(_numbers(directory), default=0)


def _numbers(directory: Path) -> list[int]:
    endings = (path.name.removeprefix(CORRUPT) for path in directory.glob(f"{CORRUPT}*"))
    return sorted(int(ending) for ending in endings if ending.isdecimal())


def _forget_oldest(directory: Path) -> None:
    for number in _numbers(directory)[:-MAX_QUARANTINED]:
        for ending in ("", "-wal"):
            with suppress(IsADirectoryError):
                (directory / f"{CORRUPT}{number}{ending}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
