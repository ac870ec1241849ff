"""Whether a file is a sound store: what is asked of it before a run begins.

An earlier version's is made one of this version, with all it holds.
"""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from gateway.backlog.sqlite import seal, tally
from gateway.backlog.sqlite.connection import is_interruption
from gateway.backlog.sqlite.schema import TABLES_2, TABLES_3, VERSION

CHECK_S: Final = 2.0  # see opening.SALVAGE_S
_MIGRATIONS: Final = {1: (*TABLES_2, *TABLES_3), 2: TABLES_3}


class DamageError(Exception):
    """What the file holds is not a store of this version."""


def require_sound(connection: sqlite3.Connection, *, is_log_damaged: bool) -> None:
    """Raise what is wrong with the file: where a run reads at once, and what CHECK_S can find."""
    if is_log_damaged:
        cause = "commits in the log do not read"
        raise DamageError(cause)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version in _MIGRATIONS:
        _migrate(connection, version)
    elif version != VERSION:
        cause = f"schema version {version} instead of {VERSION}"
        raise DamageError(cause)
    _require_seals(connection)
    for table in ("tally", "installation"):
        _require_one_row(connection, table)
    found = tally.current(connection)
    with _at_most(connection, CHECK_S):
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamageError(verdict)
        # A medium that loses a write leaves pages that are sound and out of date.
        if tally.counted(connection) != found:
            cause = "the rows are not those that were counted"
            raise DamageError(cause)


def _require_seals(connection: sqlite3.Connection) -> None:
    if table := seal.broken(connection):
        cause = f"a row is not as it was written in {table}"
        raise DamageError(cause)


def _require_one_row(connection: sqlite3.Connection, table: str) -> None:
    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own names
    if rows != 1:
        cause = f"{rows} rows instead of 1 in {table}"
        raise DamageError(cause)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Make an earlier version's store one of this version: all it holds stays where it is."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _MIGRATIONS[version]:
            connection.execute(statement)
        seal.seal_all(connection)
        if version == 1:
            tally.count_all(connection)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
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
