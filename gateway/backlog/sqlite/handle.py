"""The connection to the store's file through a run: transactions, errors, and starting over.

An error leaves nothing half done: the transaction is rolled back, and unless the cause was room,
the connection is given up and made anew at the next call. Where only the checkpoint after a commit
has failed, the commit has not. A failed sync is worse, for the kernel then forgets what it could
not write and takes it for written: see `_heal`.
"""

import itertools
import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from gateway.backlog.sqlite import connection as rim
from gateway.errors import BacklogError

log = logging.getLogger(__name__)


class Owner(Protocol):
    """Who makes the connections."""

    def reconnected(self) -> sqlite3.Connection:
        """Open the file again and put right what a failed commit may have left in it."""
        ...

    def replace(self, failed: sqlite3.Connection) -> None:
        """Put everything that `failed` reads into a new file that takes the old one's place.

        `failed` is closed, unless an error is raised.
        """
        ...


class Handle:
    """At most one connection."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self._path = path
        self._owner = owner
        self._is_open = False
        self._connection: sqlite3.Connection | None = None
        self._failed: sqlite3.Connection | None = None  # its last sync failed: it only reads
        self._marks = itertools.count(1)

    def begin(self, connection: sqlite3.Connection) -> None:
        """Take over a connection to a sound file."""
        self._connection, self._is_open = connection, True

    def end(self) -> None:
        """Close what is open."""
        self._is_open = False
        for connection in (self._connection, self._failed):
            if connection is not None:
                _close(connection)
        self._connection = self._failed = None

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Commit what is done within, or nothing of it."""
        with self.translated():
            connection = self._to_write()
            mark = next(self._marks)
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                rim.put_mark(connection, mark)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                is_committed = rim.has_mark(connection, mark)
                self._recover(connection, error)
                if not is_committed:
                    raise
                log.warning("store committed, what came after the commit failed: %s", error)
            except BaseException as error:
                self._recover(connection, error)
                raise

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Read as of the last commit, also from a file that cannot be written to."""
        with self.translated():
            connection = self._failed or self._to_write()
            try:
                yield connection
            except sqlite3.Error:
                if connection is self._connection:
                    self._give_up(connection)
                raise

    @contextmanager
    def translated(self) -> Generator[None]:
        """Turn SQLite's errors into the house's."""
        try:
            yield
        except sqlite3.Error as error:
            raise rim.translated(error, self._path) from error

    def shrink(self) -> None:
        """Give the medium the file's free pages back."""
        connection = self._to_write()
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            log.warning("store not shrunk: %s", error)
            self._recover(connection, error)

    # ------------------------------------------------------------------------------------- trouble
    def _to_write(self) -> sqlite3.Connection:
        if not self._is_open:
            cause = f"the store {self._path.parent} is not open"
            raise BacklogError(cause)
        if self._failed is not None:
            self._heal(self._failed)
        if self._connection is None:
            self._connection = self._owner.reconnected()
        return self._connection

    def _recover(self, connection: sqlite3.Connection, error: BaseException) -> None:
        if rim.is_failed_sync(error):
            log.error("store failed to sync, nothing more is committed to it as it is: %s", error)
            self._connection, self._failed = None, connection
        elif isinstance(error, sqlite3.Error) and not rim.is_full(error):
            self._give_up(connection)
            return
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def _heal(self, failed: sqlite3.Connection) -> None:
        """Get rid of the log that failed to sync, or else of the whole file.

        All commits before the failed one are safe in the log. A checkpoint writes them into the
        file anew, syncs it, and only then empties the log; what the kernel dropped goes with that.
        Until then nothing is added to the log: after a hole in it nothing would be found again.
        """
        if _emptied_log(failed):
            log.warning("store healed after a failed sync")
            self._connection = failed
        else:
            self._owner.replace(failed)
        self._failed = None

    def _give_up(self, connection: sqlite3.Connection) -> None:
        self._connection = None
        _close(connection)


def _emptied_log(connection: sqlite3.Connection) -> bool:
    try:
        (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        log.warning("store not to be healed, it goes into a new file: %s", error)
        return False
    return not is_busy


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # what is wrong has been said already
        connection.close()
