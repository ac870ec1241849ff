"""A connection to a store's file: how it is made, and what its errors mean.

SQLite's errors end here and become the house's: full, or cannot. Which of them mean that the file
is damaged is asked only when a store is opened.
"""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.backlog import MAX_MEMORY_CHARACTERS
from gateway.backlog.sqlite.schema import MAKE_MARK, PAGE_BYTES, PRAGMAS, PUT_MARK, READ_MARK
from gateway.errors import BacklogError, BacklogFullError

_OWNERS_ALONE: Final = 0o600
LOCK_WAIT_S: Final = 1.0  # somebody looks into the file with a tool of his own
# Above the cap, for what is not observations: streams, counters, the pages a delete needs, and the
# two longest words.
HOUSEKEEPING_PAGES: Final = 64 + 2 * (MAX_MEMORY_CHARACTERS // PAGE_BYTES + 1)

_DAMAGE: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,  # no such table, no such column
    sqlite3.SQLITE_IOERR_READ,  # a sector that cannot be read
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
}
_FAILED_SYNC: Final = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}


Connect = Callable[[Path], sqlite3.Connection]


def connect(path: Path) -> sqlite3.Connection:
    """Open a file with the standard library; transactions are begun and ended by hand.

    The file is its owner's alone, whatever its folder allows; SQLite gives the WAL the same mode.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _OWNERS_ALONE)
        try:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) != _OWNERS_ALONE:
                os.fchmod(descriptor, _OWNERS_ALONE)
        finally:
            os.close(descriptor)
    except OSError as error:
        failure = sqlite3.OperationalError(error.strerror)
        failure.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN  # no damage
        raise failure from error
    return sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None)


def prepare(connection: sqlite3.Connection, max_bytes: int) -> None:
    """Make the connection durable and bounded, and have it know what it has committed."""
    for pragma in PRAGMAS:
        connection.execute(pragma).fetchall()
    connection.execute(MAKE_MARK)
    limit_pages(connection, max_pages(max_bytes))


def put_mark(connection: sqlite3.Connection, mark: int) -> None:
    """Note, in memory and within the transaction, that what comes next is its commit."""
    connection.execute(PUT_MARK, (mark,))


def has_mark(connection: sqlite3.Connection, mark: int) -> bool:
    """Whether the transaction that put it is committed.

    SQLite has one error for a commit that failed and for one whose checkpoint did.
    """
    if connection.in_transaction:
        return False
    try:
        found = connection.execute(READ_MARK).fetchone()
    except sqlite3.Error:
        return False
    return bool(found == (mark,))


def max_pages(max_bytes: int) -> int:
    """Return how many pages a file under a cap may have."""
    return max_bytes // PAGE_BYTES + HOUSEKEEPING_PAGES


def limit_pages(connection: sqlite3.Connection, pages: int) -> None:
    """Let the file not grow beyond `pages`, or beyond what it has already."""
    connection.execute(f"PRAGMA max_page_count={pages}").fetchall()


def page_counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many pages are in use and how many are free, as the transaction sees them."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return pages - free, free


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file, not its surroundings, is what is wrong."""
    code = _code(error)
    return code in _DAMAGE or code & 0xFF in _DAMAGE


def is_full(error: BaseException) -> bool:
    """Whether the cap or the end of the medium was reached."""
    return isinstance(error, sqlite3.Error) and _code(error) & 0xFF == sqlite3.SQLITE_FULL


def is_failed_sync(error: BaseException) -> bool:
    """Whether what was written may be lost although the kernel takes it for clean (fsync(2))."""
    return isinstance(error, sqlite3.Error) and _code(error) in _FAILED_SYNC


def is_interruption(error: sqlite3.Error) -> bool:
    """Whether the statement was stopped by `interrupt`."""
    return _code(error) == sqlite3.SQLITE_INTERRUPT


def translated(error: sqlite3.Error, path: Path) -> BacklogError:
    """Return the house's error for one of SQLite's."""
    if is_full(error):
        cause = f"no room in the store {path}: {error}"
        return BacklogFullError(cause, "free space on the medium or raise store.max_size")
    if is_damage(error):
        remedy = "start the agent anew: it takes over what can be read"
        return BacklogError(f"the store {path} is damaged: {error}", remedy)
    return BacklogError(f"the store {path} failed: {error}", "check the medium and its mount")


def _code(error: sqlite3.Error) -> int:
    # Text that is not UTF-8 is refused by the standard library itself, without a code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
