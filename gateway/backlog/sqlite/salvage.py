"""What can still be read of a damaged store, carried over into a new one.

Rows keep their numbers and with them their order. A row counts as read when its body is whole
(zlib's checksum) and is a bundle; everything else about it is taken from the bundle. What must
have been in the rows that were not read is declared lost: at least that, for it is told from the
rows around them, and a consumer ignores a loss range for numbers it has data of. Which loss ranges
stood in a page that cannot be read nobody knows; that there was one is said.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

from gateway.backlog.sqlite import tables
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, unpacked
from gateway.backlog.sqlite.tally import ROWS_BETWEEN
from gateway.model import Loss, Moment

log = logging.getLogger(__name__)

# Steps past a damage double up to this: more rows than any store holds.
_LONGEST_STEP: Final = 1 << 32
_MOST_OBSERVATIONS: Final = 100  # of a bundle (docs/reference/schema.md)

_LOSS: Final = "stream, first, last, reason, boot, at_ns, wall_offset_ns"
_ASIDE: Final = "stream, klass, first_seq, count, size, reason, boot, at_ns, wall_offset_ns, body"
_COPIED: Final = (
    (
        "SELECT id, klass, run, clean, next_seq FROM stream",
        "INSERT OR IGNORE INTO stream(id, klass, run, clean, next_seq) VALUES(?, ?, ?, ?, ?)",
    ),
    (
        "SELECT address, value FROM counter",
        "INSERT OR IGNORE INTO counter(address, value) VALUES(?, ?)",
    ),
    ("SELECT kept_seq, id FROM stream", "UPDATE stream SET kept_seq = ? WHERE id = ?"),
    ("SELECT key, value FROM memory", "INSERT OR IGNORE INTO memory(key, value) VALUES(?, ?)"),
    (
        "SELECT session FROM installation LIMIT 1",
        "INSERT INTO installation(session) VALUES(?)",
    ),
)
_STEPPED_OVER: Final = (("loss", _LOSS), ("aside", _ASIDE))


def salvage(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, is_late: Callable[[], bool]
) -> bool:
    """Copy all that reads, until `is_late`; what is left behind stays in the damaged file.

    False: loss ranges or bundles set aside may be left behind, and nobody can say which.
    """
    # Without it SQLite refuses a file that is shorter than it should be altogether.
    damaged.execute("PRAGMA writable_schema=ON")
    for select, insert in _COPIED:
        for values in _until_damage(damaged, select):
            # A value that does not fit the tables is damage too, and is left behind.
            with contextlib.suppress(sqlite3.IntegrityError):
                fresh.execute(insert, values)
    copied = [_copy(damaged, fresh, table, columns) for table, columns in _STEPPED_OVER]
    walk = _Walk(damaged, "bundle", "body")
    for row, body in walk.rows():
        if is_late():
            walk.is_cut_short = True
            break
        bundle = unpacked(body) if isinstance(body, bytes) else None
        if bundle is None:
            walk.holes.append((row, row))
        else:
            count = len(bundle.entries)
            values = (row, bundle.stream, bundle.klass, bundle.first_seq, count, body)
            fresh.execute(INSERT_BUNDLE, values)
    if walk.holes or walk.is_cut_short:
        lost_rows = _rows_kept(damaged) if walk.is_cut_short else 0
        tables.add_losses(fresh, _missing(fresh, sorted(walk.holes), lost_rows))
    return all(copied)


def _copy(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, table: str, columns: str
) -> bool:
    """Copy a table past its damages; whether there were none."""
    places = ", ".join("?" * len(columns.split(",")))
    insert = f"INSERT INTO {table}({columns}) VALUES({places})"
    walk = _Walk(damaged, table, columns)
    is_whole = True
    for _, *values in walk.rows():
        try:
            fresh.execute(insert, values)
        except sqlite3.IntegrityError:
            is_whole = False
    if walk.holes or walk.is_cut_short or not is_whole:
        log.error("store damaged, not all rows could be read table=%s", table)
        return False
    return True


def _rows_kept(damaged: sqlite3.Connection) -> int:
    """Return how many rows there may have been."""
    for bundles, *_ in _until_damage(damaged, "SELECT bundles FROM tally"):
        if isinstance(bundles, int):
            return bundles + ROWS_BETWEEN
    return _LONGEST_STEP


def _missing(
    fresh: sqlite3.Connection, holes: list[tuple[int, int]], rows_kept: int
) -> list[Loss]:
    """Return what streams lack between the rows around the holes.

    If there were rows after the last one that was read, `rows_kept` is how many in all, at most.
    """
    ends: dict[str, tuple[int, int]] = {}  # stream -> one past what was read, rows missing then
    found: list[Loss] = []
    missing, at = 0, Moment("", 0)
    ahead = iter([*holes, (_LONGEST_STEP, _LONGEST_STEP)])
    hole = next(ahead)
    select = "SELECT id, stream, first_seq, count, body FROM bundle ORDER BY id"
    for row, stream, first_seq, count, body in fresh.execute(select):
        while hole[0] < row:
            missing += hole[1] - hole[0] + 1
            hole = next(ahead)
        end, before = ends.get(stream, (None, 0))
        if missing > before:
            at = _moment(body)
            found += _loss(stream, end, first_seq, missing - before, at)
        ends[stream] = (max(end or 0, first_seq + count), missing)
    if rows_kept or hole[0] < _LONGEST_STEP:
        (rows_read,) = fresh.execute("SELECT count(*) FROM bundle").fetchone()
        missing = max(rows_kept - rows_read, 1)
        select = "SELECT id, max(kept_seq, coalesce(next_seq, 0)) FROM stream"
        for stream, next_seq in fresh.execute(select):
            end, _ = ends.get(stream, (0, 0))
            lowest = max(end, next_seq - missing * _MOST_OBSERVATIONS)
            found += _loss(stream, lowest, next_seq, 0, at)
    return found


def _loss(stream: str, end: int | None, first_seq: int, rows: int, at: Moment) -> list[Loss]:
    first = max(0, first_seq - rows * _MOST_OBSERVATIONS) if end is None else end
    return [Loss(stream, first, first_seq - 1, "damaged", at)] if first < first_seq else []


def _moment(body: bytes) -> Moment:
    bundle = unpacked(body)
    if bundle is None:  # it has just been read
        return Moment("", 0)
    return Moment(bundle.boot, bundle.entries[0].heard_at_ns, bundle.wall_offset_ns)


class _Walk:
    """A walk through a table that steps over damage, and the row numbers it stepped over."""

    def __init__(self, damaged: sqlite3.Connection, table: str, columns: str) -> None:
        self.holes: list[tuple[int, int]] = []  # first and last row of each
        self.is_cut_short = False  # there may be more beyond the last row
        self._damaged = damaged
        self._select = f"SELECT id, {columns} FROM {table}"  # noqa: S608 - our own words

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Go forward to a damage, step beyond it, and from there backward to its other side."""
        start, step = 0, 1
        reached = -1  # every row up to here was read or cannot be
        while step < _LONGEST_STEP:
            first = None
            for found in self._forward(start):
                row = found[0]
                if first is None:
                    first = row
                    yield from self._other_side(reached, row)
                reached = row
                yield found
            if first is None:
                start, step = start + step, step * 2
            else:
                start, step = reached + 1, 1

    def _other_side(self, reached: int, row: int) -> Iterator[tuple[Any, ...]]:
        lowest = row
        for found in self._backward(reached, row):
            lowest = found[0]
            yield found
        if reached >= 0 and lowest > reached + 1:
            self.holes.append((reached + 1, lowest - 1))

    def _forward(self, start: int) -> Iterator[tuple[Any, ...]]:
        last = start - 1
        select = f"{self._select} WHERE id >= ? ORDER BY id"
        try:
            for found in self._damaged.execute(select, (start,)):
                row = found[0]
                # A damaged page may lead back to where the walk came from.
                if not isinstance(row, int) or row <= last:
                    self.is_cut_short = True
                    return
                last = row
                self.is_cut_short = False
                yield found
        except sqlite3.Error:
            self.is_cut_short = True

    def _backward(self, floor: int, below: int) -> Iterator[tuple[Any, ...]]:
        last = below
        select = f"{self._select} WHERE id > ? AND id < ? ORDER BY id DESC"
        for found in _until_damage(self._damaged, select, floor, below):
            row = found[0]
            if not isinstance(row, int) or row >= last:
                return
            last = row
            yield found


def _until_damage(
    damaged: sqlite3.Connection, select: str, *values: int
) -> Iterator[tuple[object, ...]]:
    """Yield rows until the end or the first that cannot be read: that is what damage means."""
    with contextlib.suppress(sqlite3.Error):
        yield from damaged.execute(select, values)
