"""The store's file at work: every statement of a run. Synchronous, for the store's one thread.

Each method is one transaction or none. An error leaves nothing half done: the transaction is
rolled back, and unless the cause was room, the connection is given up and made anew at the next
call; after a failed sync a file handle is not to be trusted. A commit that failed may still have
reached the file; its rows are deleted then, for their owner was told that they are not kept.
"""

import itertools
import logging
import os
import sqlite3
from collections.abc import Container, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog import SESSIONS_PER_RESERVATION
from gateway.backlog.sqlite import connection as rim
from gateway.backlog.sqlite.opening import FILE, Found, find_store, take_lock
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, PAGE_BYTES, row_of, unpacked
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Bundle, PreviousStream, Recovery, Stream

log = logging.getLogger(__name__)

# A file that once was large is made small when nearly nothing is left in it, for then it is cheap.
_NEARLY_NOTHING_PAGES: Final = 64
_WORTH_SHRINKING_PAGES: Final = 2048

# What `lease` says of a row: its number, its observations, its bundle (None: damaged).
Taken = tuple[int, int, Bundle | None]


class Opened(msgspec.Struct, frozen=True):
    """What a run begins with."""

    recovery: Recovery
    next_row: int


class Database:
    """One store in one directory."""

    def __init__(self, directory: Path, *, max_bytes: int, connect: rim.Connect) -> None:
        self.bytes_used = 0  # pages that hold something; written here, read anywhere
        self._directory = directory
        self._path = directory / FILE
        self._max_bytes = max_bytes
        self._connect = connect
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._next_row = 0
        self._run = 0

    # -------------------------------------------------------------------------------- a run's rim
    def open(self, streams: Sequence[Stream]) -> Opened:
        """Find or make the file, begin a run in it, and say what was there."""
        if self._lock is not None:
            cause = f"the store {self._directory} is open already"
            raise BacklogError(cause)
        self._lock = take_lock(self._directory)
        try:
            with self._translated():
                found = find_store(self._directory, self._connect, self._max_bytes)
            self._connection = found.connection
            return self._begin_run(streams, found)
        except BaseException:
            self._let_go()
            raise

    def _begin_run(self, streams: Sequence[Stream], found: Found) -> Opened:
        census = found.census
        self._next_row = census.last_row + 1
        with self._transaction() as connection:
            previous, last_run = self._previous(connection, streams)
            is_unclean = any(not s.clean for s, run in previous if run == last_run)
            recovery = Recovery(
                bundles=census.bundles,
                observations=census.observations,
                session=_reserve_sessions(connection),
                previous=tuple(stream for stream, _ in previous),
                counters=dict(connection.execute("SELECT address, value FROM counter")),
                unclean=is_unclean or bool(found.quarantined and not previous),
                quarantined=found.quarantined,
            )
            connection.executemany(
                "INSERT INTO stream(id, klass, run) VALUES(?, ?, ?)",
                [(stream.id, stream.klass, last_run + 1) for stream in streams],
            )
            used, _ = rim.page_counts(connection)
        self.bytes_used = used * PAGE_BYTES
        self._run = last_run + 1
        return Opened(recovery, self._next_row)

    def _previous(
        self, connection: sqlite3.Connection, streams: Sequence[Stream]
    ) -> tuple[list[tuple[PreviousStream, int]], int]:
        """Return earlier streams with their runs, and the last run. Open ends are judged now."""
        # An attempt to open that failed late may have left our own streams.
        own = [stream.id for stream in streams]
        connection.executemany("DELETE FROM stream WHERE id = ?", [(id_,) for id_ in own])
        connection.execute(
            "UPDATE stream SET next_seq = (SELECT coalesce(max(first_seq + count), 0) FROM bundle"
            " WHERE bundle.stream = stream.id) WHERE next_seq IS NULL"
        )
        found = connection.execute(
            "SELECT id, klass, clean, next_seq, run FROM stream ORDER BY run, id"
        ).fetchall()
        previous = [
            (PreviousStream(id=id_, klass=klass, clean=bool(clean), next_seq=next_seq), run)
            for id_, klass, clean, next_seq, run in found
        ]
        return previous, max((run for _, run in previous), default=0)

    def reserve_sessions(self) -> int:
        """Reserve a block of session numbers; the first of them."""
        with self._transaction() as connection:
            return _reserve_sessions(connection)

    def forget_previous(self) -> None:
        """Delete the stream records of earlier runs."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM stream WHERE run < ?", (self._run,))

    def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end; whether that succeeds or not, let go of file and lock."""
        if self._lock is None:
            return
        try:
            with self._transaction() as connection:
                connection.executemany(
                    "UPDATE stream SET clean = 1, next_seq = ? WHERE id = ?",
                    [(stream.next_seq, stream.id) for stream in streams],
                )
                _put_counters(connection, counters)
        finally:
            self._let_go()

    # --------------------------------------------------------------------------------------- rows
    def append(self, bundles: Sequence[Bundle], counters: Mapping[str, int]) -> Sequence[int]:
        """Commit bundles and counters; their rows."""
        rows = range(self._next_row, self._next_row + len(bundles))
        values = [row_of(row, bundle) for row, bundle in zip(rows, bundles, strict=True)]
        with self._transaction() as connection:
            connection.executemany(INSERT_BUNDLE, values)
            _put_counters(connection, counters)
            used, _ = rim.page_counts(connection)
            if used * PAGE_BYTES > self._max_bytes:
                cause = f"the store {self._path} has reached its {self._max_bytes} bytes"
                raise BacklogFullError(cause, "raise store.max_size, or let it drain")
        self.bytes_used = used * PAGE_BYTES
        self._next_row = rows.stop
        return tuple(rows)

    def lease(self, start: int, limit: int, taken: Container[int]) -> Sequence[Taken]:
        """Read up to `limit` rows from row `start` on, oldest first, without those in `taken`."""
        with self._reading() as connection:
            with closing(_heads(connection, start)) as heads:
                free = (head for head in heads if head[0] not in taken)
                found = list(itertools.islice(free, limit))
            return [(row, count, _bundle(connection, row, count)) for row, count in found]

    def settle(self, rows: Sequence[int]) -> None:
        """Delete rows; a row that is not there is no matter."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM bundle WHERE id = ?", [(row,) for row in rows])
            used, free = rim.page_counts(connection)
        self.bytes_used = used * PAGE_BYTES
        if used <= _NEARLY_NOTHING_PAGES and free >= _WORTH_SHRINKING_PAGES:
            self._shrink()

    def oldest(self) -> Bundle | None:
        """Return the oldest bundle that can be read."""
        with self._reading() as connection, closing(_heads(connection, 0)) as heads:
            bundles = (_bundle(connection, row, count) for row, count in heads)
            return next((bundle for bundle in bundles if bundle is not None), None)

    def lowest(self, stream: str, start: int) -> tuple[int, int] | None:
        """Return row and first sequence number of a stream's first row at or above `start`."""
        select = (
            "SELECT id, first_seq FROM bundle WHERE id >= ? AND stream = ? ORDER BY id LIMIT 1"
        )
        with self._reading() as connection:
            hit: tuple[int, int] | None = connection.execute(select, (start, stream)).fetchone()
            return hit

    def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit replay counters."""
        with self._transaction() as connection:
            _put_counters(connection, counters)

    def _shrink(self) -> None:
        connection = self._connected()
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            # The rows are settled whatever becomes of this; the next settle tries again.
            log.warning("store not shrunk: %s", error)
            self._give_up(connection)

    # --------------------------------------------------------------------------------- connection
    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        with self._translated():
            connection = self._connected()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if isinstance(error, sqlite3.Error) and not rim.is_full(error):
                    self._give_up(connection)
                elif connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with self._translated():
            connection = self._connected()
            try:
                yield connection
            except sqlite3.Error:
                self._give_up(connection)
                raise

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise rim.translated(error, self._path) from error

    def _connected(self) -> sqlite3.Connection:
        if self._lock is None:
            cause = f"the store {self._directory} is not open"
            raise BacklogError(cause)
        if self._connection is None:
            self._connection = self._reconnected()
        return self._connection

    def _reconnected(self) -> sqlite3.Connection:
        connection = self._connect(self._path)
        try:
            rim.prepare(connection, self._max_bytes)
            connection.execute("DELETE FROM bundle WHERE id >= ?", (self._next_row,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, connection: sqlite3.Connection) -> None:
        self._connection = None
        with suppress(sqlite3.Error):  # what is wrong has been said already
            connection.close()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._give_up(self._connection)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _reserve_sessions(connection: sqlite3.Connection) -> int:
    first: int = connection.execute("SELECT session FROM installation").fetchone()[0]
    connection.execute("UPDATE installation SET session = ?", (first + SESSIONS_PER_RESERVATION,))
    return first


def _heads(connection: sqlite3.Connection, start: int) -> Generator[tuple[int, int]]:
    """Yield row and count from row `start` on. A cursor left open would hold back checkpoints."""
    select = "SELECT id, count FROM bundle WHERE id >= ? ORDER BY id"
    with closing(connection.execute(select, (start,))) as rows:
        yield from rows


def _bundle(connection: sqlite3.Connection, row: int, count: int) -> Bundle | None:
    """Read the bundle of a row, None if that is damaged: one bad page does not stop the others."""
    try:
        (body,) = connection.execute("SELECT body FROM bundle WHERE id = ?", (row,)).fetchone()
    except sqlite3.Error as error:
        if rim.is_damage(error):
            return None
        raise
    bundle = unpacked(body)
    return bundle if bundle is not None and len(bundle.entries) == count else None


def _put_counters(connection: sqlite3.Connection, counters: Mapping[str, int]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO counter(address, value) VALUES(?, ?)", list(counters.items())
    )
