"""The store's file at work: every statement of a run. Synchronous, for the store's one thread.

Each method is one transaction or none. A commit that failed may still have reached the file; its
rows are deleted then, for their owner was told that they are not kept.
"""

import logging
import sqlite3
from collections.abc import Callable, Container, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from gateway.backlog import MAX_DROP_BYTES, max_aside_bytes, ranges
from gateway.backlog.sqlite import connection as rim
from gateway.backlog.sqlite import rows as rows_
from gateway.backlog.sqlite import runs, tables
from gateway.backlog.sqlite import tally as tallies
from gateway.backlog.sqlite.file import Limits, StoreFile
from gateway.backlog.sqlite.medium import Free, free_bytes
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, RowValues, row_of
from gateway.backlog.sqlite.tally import ROWS_BETWEEN, Tally
from gateway.errors import BacklogError
from gateway.model import (
    Aside,
    Bundle,
    Loss,
    Moment,
    ObservationClass,
    Recovery,
    Row,
    Stream,
)

log = logging.getLogger(__name__)

# What `lease` says of a row: its head, its bundle (None: damaged).
Taken = tuple[Row, Bundle | None]


class Opened(msgspec.Struct, frozen=True):
    """What a run begins with."""

    recovery: Recovery
    next_row: int


class Database:
    """One store in one directory."""

    def __init__(
        self, directory: Path, limits: Limits, connect: rim.Connect, free: Free = free_bytes
    ) -> None:
        self.file = StoreFile(directory, limits, connect, free)
        self.asides = (0, 0)  # bundles and bytes set aside; written here, read anywhere
        self._written_row = 0  # the next row, as the tally in the file has it
        self._run = 0
        self._true_heads: dict[int, Row] = {}  # of rows that are damaged beside their body

    # -------------------------------------------------------------------------------- a run's rim
    def open(self, streams: Sequence[Stream]) -> Opened:
        """Find or make the file, begin a run in it, and say what was there."""
        self._require_closed()
        try:
            return self.file.relieved(self._open, streams)
        except BaseException:
            self.file.close()
            raise

    def _require_closed(self) -> None:
        if self.file.is_open:
            cause = f"the store {self.file.path.parent} is open already"
            raise BacklogError(cause)

    def _open(self, streams: Sequence[Stream]) -> Opened:
        self.file.open()
        found = self.file.tally
        with self.file.transaction() as connection:
            self._run, previous, is_unclean = runs.begin(connection, streams)
            if self.file.quarantined:  # what was read may be older than what the broker has seen
                tables.reserve_sessions(connection)
            recovery = Recovery(
                bundles=found.bundles,
                observations=found.observations,
                session=tables.reserve_sessions(connection),
                previous=previous,
                counters=tables.counters(connection),
                unclean=is_unclean
                or bool(self.file.quarantined and not previous)
                or not self.file.knows_runs,
                quarantined=self.file.quarantined,
                losses=tuple(tables.losses(connection)),
                memories=tables.memories(connection),
            )
            mine = msgspec.structs.replace(found, ends={stream.id: 0 for stream in streams})
            self._write_tally(connection, mine)
            asides = tables.aside_totals(connection)
        self.file.tally, self.asides = mine, asides
        self.file.tidy()
        return Opened(recovery, mine.next_row)

    def reserve_sessions(self, least: int = 0) -> int:
        """Reserve a block of session numbers, none below `least`; the first of them."""
        with self.file.transaction() as connection:
            return tables.reserve_sessions(connection, least)

    def forget_previous(self) -> None:
        """Delete the stream records of earlier runs."""
        with self.file.transaction() as connection:
            runs.forget_before(connection, self._run)

    def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end; whether that succeeds or not, let go of file and lock."""
        if not self.file.is_open:
            return
        try:
            self.file.relieved(self._end, streams, counters)
        finally:
            self.file.close()

    def _end(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        with self.file.transaction() as connection:
            runs.end(connection, streams)
            tables.put_counters(connection, counters)
            self._write_tally(connection, self.file.tally)

    # ------------------------------------------------------------------------------ append, lease
    def append(self, bundles: Sequence[Bundle], counters: Mapping[str, int]) -> Sequence[int]:
        """Commit bundles and counters; their rows."""
        first = self.file.tally.next_row
        rows = range(first, first + len(bundles))
        values = [row_of(row, bundle) for row, bundle in zip(rows, bundles, strict=True)]
        size = sum(len(body) for *_, body in values)
        self.file.appended(lambda: self._append(values, bundles, counters), size)
        return tuple(rows)

    def _append(
        self, values: Sequence[RowValues], bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> None:
        with self.file.growing() as connection:
            # Not before: after a failure the transaction begins by putting the count right.
            after = self.file.tally.plus(self.file.tally.next_row + len(bundles), bundles)
            connection.executemany(INSERT_BUNDLE, values)
            tables.put_counters(connection, counters)
            if after.next_row - self._written_row >= ROWS_BETWEEN:
                self._write_tally(connection, after)
        self.file.tally = after

    def lease(self, start: int, limit: int, taken: Container[int]) -> Sequence[Taken]:
        """Read up to `limit` sound rows from `start` on, oldest first, without those in `taken`.

        The damaged rows between them are among the result.
        """
        found: list[Taken] = []
        with self.file.reading() as connection:
            heads = rows_.readable(connection, start, self.file.tally.next_row)
            with closing(heads):
                for head in heads:
                    if limit <= 0:
                        break
                    if head.row in taken:
                        continue
                    bundle = rows_.bundle(connection, head)
                    if bundle is None and not rows_.is_sensible(head):
                        rows_.stepped_over(head.row)  # the next start declares what was in it
                        continue
                    found.append(self._taken(head, bundle))
                    limit -= bundle is not None
        return found

    def _taken(self, head: Row, bundle: Bundle | None) -> Taken:
        """Return a row as its body has it, whose checksum says that it is as it was written."""
        if bundle is None or head == (true := rows_.head_of(head.row, bundle)):
            return head, bundle
        log.error("store damaged, a row is not as it was written, put right row=%d", head.row)
        self._true_heads[head.row] = true
        return true, bundle

    def oldest(self) -> Bundle | None:
        """Return the oldest bundle that can be read."""
        with self.file.reading() as connection:
            heads = rows_.heads(connection, 0, rows_.NOWHERE)
            with closing(heads):
                found = (rows_.bundle(connection, head) for head in heads)
                return next((bundle for bundle in found if bundle is not None), None)

    def first_seq(self, row: int) -> int | None:
        """Return the first sequence number in a row, None if there is no such row."""
        with self.file.reading() as connection:
            head = rows_.head(connection, row)
        return None if head is None else head.first_seq

    # --------------------------------------------------------------------- settle, drop, set aside
    def settle(self, rows: Sequence[int]) -> Sequence[Row]:
        """Delete rows; those that were there."""
        return self.file.relieved(self._delete, rows, lambda _connection, _rows: None)

    def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        """Delete rows and write their loss ranges; the rows that were there."""

        def declare(connection: sqlite3.Connection, dropped: Sequence[Row]) -> None:
            tables.add_losses(connection, [ranges.of_row(row, reason, at) for row in dropped])

        return self.file.relieved(self._delete, rows, declare)

    def _delete(
        self,
        rows: Iterable[int],
        declare: Callable[[sqlite3.Connection, Sequence[Row]], None],
    ) -> Sequence[Row]:
        with self.file.transaction() as connection:
            there, after = self._take_out(connection, self.file.tally, rows)
            declare(connection, there)
        self.file.tally = after
        self.file.tidy()
        return there

    def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment, leased: Container[int]
    ) -> Sequence[Row]:
        """Drop the oldest rows of a class, those in `leased` last, until there is room."""
        return self.file.relieved(self._drop_oldest, klass, min_bytes, at, leased)

    def _drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment, leased: Container[int]
    ) -> Sequence[Row]:
        dropped: list[Row] = []
        budget = MAX_DROP_BYTES
        with self.file.transaction() as connection:
            after = self.file.tally
            steps = self._oldest_steps(connection, klass, leased)
            while after.of(klass) and budget > 0 and self.file.room(connection) < min_bytes:
                step = next(steps, None)
                if step is None:
                    break
                there, after = self._take_out(connection, after, [row for row, _ in step])
                dropped += there
                budget -= sum(size for _, size in step)
            dropped.sort(key=lambda row: row.row)  # losses are told oldest first, leased or not
            tables.add_losses(connection, [ranges.of_row(row, "full", at) for row in dropped])
        self.file.tally = after
        self.file.tidy()
        return dropped

    def _oldest_steps(
        self, connection: sqlite3.Connection, klass: ObservationClass, leased: Container[int]
    ) -> Generator[Sequence[tuple[int, int]]]:
        """Yield the rows of a class some at a time, oldest first, the leased ones in the end."""
        for are_leased in (False, True):
            for step in rows_.steps(connection, klass, 0, rows_.NOWHERE):
                yield [each for each in step if (each[0] in leased) is are_leased]

    def set_aside(
        self, asides: Sequence[Aside], at: Moment
    ) -> tuple[Sequence[Row], Sequence[Loss]]:
        """Put bundles aside; the rows deleted, and what was given up for want of room."""
        return self.file.relieved(self._set_aside, asides, at)

    def _set_aside(
        self, asides: Sequence[Aside], at: Moment
    ) -> tuple[Sequence[Row], Sequence[Loss]]:
        bound = max_aside_bytes(self.file.max_bytes)
        with self.file.transaction() as connection:
            rows = [aside.row for aside in asides if aside.row is not None]
            there, after = self._take_out(connection, self.file.tally, rows)
            given_up = tables.add_asides(connection, asides, at, bound)
            totals = tables.aside_totals(connection)
        self.file.tally, self.asides = after, totals
        return there, given_up

    def _take_out(
        self, connection: sqlite3.Connection, before: Tally, rows: Iterable[int]
    ) -> tuple[list[Row], Tally]:
        """Delete rows; those that were there, in order, and how much is kept without them."""
        there: list[Row] = []
        for row in sorted(set(rows)):
            head = rows_.head(connection, row)
            if head is not None:
                rows_.delete(connection, row)
                there.append(self._true_heads.get(row, head))
        after = before.minus(there)
        if there:
            self._write_tally(connection, after)
        return there, after

    def _write_tally(self, connection: sqlite3.Connection, tally: Tally) -> None:
        tallies.write(connection, tally)
        self._written_row = tally.next_row

    def requeue(self, aside: int, bundle: Bundle) -> None:
        """Move a bundle from aside to the end of the backlog."""
        with self.file.growing() as connection:
            row = self.file.tally.next_row
            after = self.file.tally.plus(row + 1, [bundle])
            tables.delete_asides(connection, [aside])
            connection.execute(INSERT_BUNDLE, row_of(row, bundle))
            self._write_tally(connection, after)
        self.file.tally = after

    def drop_asides(self, asides: Sequence[int], at: Moment) -> Sequence[Row]:
        """Delete what was set aside, declared as purged; what there was of it."""
        with self.file.transaction() as connection:
            heads = tables.delete_asides(connection, asides)
            tables.add_losses(connection, [ranges.of_row(head, "purged", at) for head in heads])
        return heads

    # -------------------------------------------------------------------------------- small tables
    def declare(self, losses: Sequence[Loss]) -> None:
        """Write loss ranges."""
        with self.file.transaction() as connection:
            tables.add_losses(connection, losses)

    def losses(self) -> Sequence[Loss]:
        """Return the loss ranges, oldest first."""
        with self.file.reading() as connection:
            return tables.losses(connection)

    def forget_losses(self, losses: Sequence[Loss]) -> None:
        """Delete loss ranges that are still exactly so."""
        with self.file.transaction() as connection:
            tables.forget_losses(connection, losses)

    def remember(self, key: str, value: str) -> None:
        """Keep a word, or forget it when it is empty."""
        with self.file.transaction() as connection:
            tables.remember(connection, key, value)

    def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit replay counters."""
        with self.file.transaction() as connection:
            tables.put_counters(connection, counters)
