"""Whether a file is a sound store: what is asked of it before a run begins.

An earlier version's is made one of this version, with all it holds; not before its pages were
looked at, for in a damaged file to write is to overwrite.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.backlog.sqlite import seal, tally
from gateway.backlog.sqlite.connection import is_interruption
from gateway.backlog.sqlite.schema import TABLES_2, TABLES_3, VERSION

CHECK_S: Final = 2.0  # see opening.SALVAGE_S
_MIGRATIONS: Final = {1: (*TABLES_2, *TABLES_3), 2: TABLES_3}
_UNSEALED: Final = (  # columns that a run names, beside those that have a seal
    "SELECT id, stream, klass, first_seq, count, body FROM bundle LIMIT 0",
    "SELECT id, body FROM aside LIMIT 0",
    "SELECT id FROM loss LIMIT 0",
)
_FORMATS: Final = slice(18, 20)  # in the header: the versions that may write and read the file
_KNOWN: Final = {1, 2}


class DamageError(Exception):
    """What the file holds is not a store of this version."""


def require_header(path: Path) -> None:
    """Raise DamageError for a file of which SQLite would say that nobody may write to it."""
    with path.open("rb") as file:
        if not _KNOWN.issuperset(file.read(_FORMATS.stop)[_FORMATS]):
            cause = "of a format that SQLite does not know"
            raise DamageError(cause)


def require_sound(connection: sqlite3.Connection, *, is_log_damaged: bool) -> None:
    """Raise what is wrong with the file: where a run reads at once, and what CHECK_S can find."""
    if is_log_damaged:
        cause = "commits in the log do not read"
        raise DamageError(cause)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == VERSION:
        require_rows(connection)
        with _at_most(connection, CHECK_S):
            _require_pages(connection)
            _require_count(connection)
        return
    if version not in _MIGRATIONS:
        cause = f"schema version {version} instead of {VERSION}"
        raise DamageError(cause)
    with _at_most(connection, CHECK_S / 2):
        _require_pages(connection)
    _migrate(connection, version)
    require_rows(connection)
    with _at_most(connection, CHECK_S / 2):
        _require_count(connection)


def require_rows(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.Error where what a run reads at once is damaged."""
    seal.require_whole(connection)
    for table in ("tally", "installation"):
        seal.only(connection, table)
    for select in _UNSEALED:
        connection.execute(select).fetchall()


def _require_pages(connection: sqlite3.Connection) -> None:
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise DamageError(verdict)


def _require_count(connection: sqlite3.Connection) -> None:
    # A medium that loses a write leaves pages that are sound and out of date.
    if tally.counted(connection) != tally.current(connection):
        cause = "the rows are not those that were counted"
        raise DamageError(cause)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Make an earlier version's store one of this version: all it holds stays where it is.

    No row is written anew, so that there is room for it on a full medium.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _MIGRATIONS[version]:
            connection.execute(statement)
        if version == 1:
            tally.count_all(connection)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.IntegrityError):  # what stands there is not what it must be
            raise DamageError(str(error)) from error
        raise


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
