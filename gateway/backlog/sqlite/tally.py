"""How much a store's file holds, without reading it all: the table `tally`.

What is counted there are the rows below `next_row`; those from there on were appended since, and
none of them was deleted, because a deletion writes the tally.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec

from gateway.backlog.sqlite import runs, seal
from gateway.model import Bundle, ObservationClass, Row

# Appended rows after which it is written, so that a start never counts more than these.
ROWS_BETWEEN: Final = 512

_UPDATE: Final = seal.update("tally")
COUNT_ALL: Final = (
    "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(klass = 'event'), 0) FROM bundle"
)


class Tally(msgspec.Struct, frozen=True):
    """Rows below `next_row`: how many, the observations in them, how many are of class event.

    `ends`: for each stream of this run, one past the highest number that was ever kept.
    """

    next_row: int = 1
    bundles: int = 0
    observations: int = 0
    events: int = 0
    ends: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])

    def of(self, klass: ObservationClass) -> int:
        """Return the bundles of a class."""
        return self.events if klass == "event" else self.bundles - self.events

    def plus(self, next_row: int, bundles: Iterable[Bundle]) -> Self:
        """Return it with bundles appended, the last in the row before `next_row`."""
        ends = dict(self.ends)
        counts = [(0, 0, 0)]
        for bundle in bundles:
            count = len(bundle.entries)
            counts.append((1, count, bundle.klass == "event"))
            if bundle.stream in ends:
                ends[bundle.stream] = max(ends[bundle.stream], bundle.first_seq + count)
        sums = map(sum, zip(*counts, strict=True))
        return msgspec.structs.replace(self._moved(next_row, *sums), ends=ends)

    def minus(self, rows: Iterable[Row]) -> Self:
        """Return it without rows."""
        counts = [(0, 0, 0), *((-1, -row.count, -(row.klass == "event")) for row in rows)]
        return self._moved(self.next_row, *map(sum, zip(*counts, strict=True)))

    def with_rows(self, connection: sqlite3.Connection, first: int, stop: int, sign: int) -> Self:
        """Return it with the rows from `first` up to `stop` counted in (sign 1) or out (-1)."""
        found = connection.execute(f"{COUNT_ALL} WHERE id >= ? AND id < ?", (first, stop))
        return self._moved(stop, *(sign * number for number in found.fetchone()))

    def _moved(self, next_row: int, bundles: int, observations: int, events: int) -> Self:
        return msgspec.structs.replace(
            self,
            next_row=next_row,
            bundles=self.bundles + bundles,
            observations=self.observations + observations,
            events=self.events + events,
        )


def stored(connection: sqlite3.Connection) -> Tally:
    """Return the tally as it stands in the file."""
    next_row, bundles, observations, events = seal.only(connection, "tally")
    return Tally(next_row, bundles, observations, events)


def current(connection: sqlite3.Connection) -> Tally:
    """Return what the file holds now."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM bundle").fetchone()
    tally = stored(connection)
    return tally.with_rows(connection, tally.next_row, max(last + 1, tally.next_row), 1)


def counted(connection: sqlite3.Connection) -> Tally:
    """Return what the file holds now, by reading all of its rows."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM bundle").fetchone()
    next_row = max(last + 1, stored(connection).next_row)
    return Tally(next_row, *connection.execute(COUNT_ALL).fetchone())


def write(connection: sqlite3.Connection, tally: Tally) -> None:
    """Write the tally, and how far the streams of this run are kept where that has changed."""
    values = (tally.next_row, tally.bundles, tally.observations, tally.events)
    connection.execute(_UPDATE, seal.sealed(*values))
    runs.keep(connection, tally.ends)


def count_all(connection: sqlite3.Connection) -> None:
    """Make the tally of a file that has none, by reading all of it."""
    connection.execute(seal.insert("tally"), seal.sealed(0, 0, 0, 0))
    select = (
        "SELECT stream.id, max(kept_seq, max(first_seq + count)) FROM stream"
        " JOIN bundle ON bundle.stream = stream.id GROUP BY stream.id"
    )
    tops = dict(connection.execute(select).fetchall())
    write(connection, msgspec.structs.replace(current(connection), ends=tops))


def put_right(connection: sqlite3.Connection, next_row: int) -> Tally:
    """Delete rows from `next_row` on: a commit that failed has reached the file after all."""
    tally = stored(connection)
    if tally.next_row > next_row:
        tally = tally.with_rows(connection, next_row, tally.next_row, -1)
        tally = msgspec.structs.replace(tally, next_row=next_row)
    else:
        tally = tally.with_rows(connection, tally.next_row, next_row, 1)
    connection.execute("DELETE FROM bundle WHERE id >= ?", (next_row,))
    write(connection, tally)
    return tally
