"""Finding the store's file sound, or setting a damaged one aside and starting anyway.

A new file is built beside the old one, synced, and called `.ready`; from then on it is the store,
whatever happens: an interrupted change of names is finished at the next start. A damaged file is
kept as `backlog.db.corrupt-<n>`, at most two of them.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog.sqlite.connection import Connect, is_damage, is_interruption, prepare
from gateway.backlog.sqlite.salvage import salvage
from gateway.backlog.sqlite.schema import PAGE_BYTES, TABLES, VERSION
from gateway.errors import BacklogError

FILE: Final = "backlog.db"
NEW: Final = "backlog.db.new"
READY: Final = "backlog.db.ready"
CORRUPT: Final = "backlog.db.corrupt-"
LOCK: Final = "backlog.lock"
# With a connection's usual work, the agent starts within 10 s in any state of the store.
CHECK_S: Final = 2.0
SALVAGE_S: Final = 5.0
MAX_QUARANTINED: Final = 2


class DamageError(Exception):
    """What the file holds is not a store of this version."""


class Census(msgspec.Struct, frozen=True):
    """How much is kept, and the highest row."""

    bundles: int
    observations: int
    last_row: int


class Found(msgspec.Struct, frozen=True):
    """A sound store, and where a damaged one was put (empty: none was found)."""

    connection: sqlite3.Connection
    census: Census
    quarantined: str


def take_lock(directory: Path) -> int:
    """Make the store's directory ours until the process ends; the descriptor that holds it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        cause = f"another agent is using the store {directory}"
        raise BacklogError(cause, "stop it, or give this one a store.path of its own") from error
    return descriptor


def find_store(directory: Path, connect: Connect, max_bytes: int) -> Found:
    """Return the store in `directory`, made or salvaged as need be. The lock must be held."""
    try:
        return _find(directory, connect, max_bytes)
    except OSError as error:
        raise _unusable(directory, error) from error


def _unusable(directory: Path, error: OSError) -> BacklogError:
    cause = f"the store {directory} cannot be used: {error.strerror}"
    return BacklogError(cause, "check store.path, its owner and the medium")


def _find(directory: Path, connect: Connect, max_bytes: int) -> Found:
    path = directory / FILE
    quarantined = ""
    if (directory / READY).exists():  # the run before was cut short while changing the names
        quarantined = _put_in_place(directory)
    elif not path.exists():
        _build(directory, connect, None)
        _put_in_place(directory)
    connection = connect(path)
    try:
        prepare(connection, max_bytes)
        census = _inspect(connection)
    except (sqlite3.Error, DamageError) as error:
        if isinstance(error, sqlite3.Error) and not is_damage(error):
            connection.close()
            raise
        quarantined = _replace(directory, connect, connection)
        connection = connect(path)
        prepare(connection, max_bytes)
        census = _take_census(connection)
    return Found(connection, census, quarantined)


# --------------------------------------------------------------------------------------- checking
def _inspect(connection: sqlite3.Connection) -> Census:
    """Raise what is wrong with the file: where a run reads at once, and what CHECK_S can find."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        cause = f"schema version {version} instead of {VERSION}"
        raise DamageError(cause)
    for table in ("stream", "counter", "installation"):
        connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names
    census = _take_census(connection)
    with _at_most(connection, CHECK_S):
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamageError(verdict)
    return census


def _take_census(connection: sqlite3.Connection) -> Census:
    """Count by reading every leaf: a count kept on disk could be wrong after a power cut."""
    select = "SELECT count(*), coalesce(sum(count), 0), coalesce(max(id), 0) FROM bundle"
    return Census(*connection.execute(select).fetchone())


@contextmanager
def _at_most(connection: sqlite3.Connection, seconds: float) -> Generator[None]:
    # A timer, for a progress handler is not asked within the check of a b-tree (SQLite 3.40).
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    except sqlite3.Error as error:
        if not is_interruption(error):
            raise
    finally:
        timer.cancel()
        timer.join()


# -------------------------------------------------------------------------------------- replacing
def _replace(directory: Path, connect: Connect, damaged: sqlite3.Connection) -> str:
    try:
        _build(directory, connect, damaged)
    finally:
        damaged.close()
    return _put_in_place(directory)


def _build(directory: Path, connect: Connect, damaged: sqlite3.Connection | None) -> None:
    """Make the READY file. Nothing of it counts before it has that name, so it has no journal."""
    new = directory / NEW
    new.unlink(missing_ok=True)
    connection = connect(new)
    try:
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=OFF", "synchronous=OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("BEGIN")
        for table in TABLES:
            connection.execute(table)
        if damaged is not None:
            end_s = time.monotonic() + SALVAGE_S
            salvage(damaged, connection, lambda: time.monotonic() > end_s)
        _number_sessions(connection, is_first=damaged is None)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    finally:
        connection.close()
    _sync(new)
    new.rename(directory / READY)


def _number_sessions(connection: sqlite3.Connection, *, is_first: bool) -> None:
    """Go on above every number in use; where they were lost, wall time in ms is above them."""
    if connection.execute("SELECT count(*) FROM installation").fetchone()[0]:
        return
    session = 0 if is_first else time.time_ns() // 1_000_000
    connection.execute("INSERT INTO installation(session) VALUES(?)", (session,))


def _put_in_place(directory: Path) -> str:
    """Give the READY file the store's name; return where what had it was put, if anything."""
    path = directory / FILE
    quarantine = directory / f"{CORRUPT}{_last_number(directory) + path.exists()}"
    # A WAL beside a file it does not belong to would be played into it: it goes first to last.
    with suppress(FileNotFoundError):
        path.rename(quarantine)
    with suppress(FileNotFoundError):
        path.with_name(f"{FILE}-wal").rename(quarantine.with_name(f"{quarantine.name}-wal"))
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
            (directory / f"{CORRUPT}{number}{ending}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
