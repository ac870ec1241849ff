"""What can still be read of a damaged store, carried over into a new one.

Rows keep their numbers and with them their order. A row counts as read when its body is whole
(zlib's checksum) and is a bundle; everything else about it is taken from the bundle.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from gateway.backlog.sqlite.schema import INSERT_BUNDLE, unpacked

# Steps past a damage double up to this: more rows than any store holds.
_LONGEST_STEP: Final = 1 << 32

_COPIED: Final = (
    (
        "SELECT id, klass, run, clean, next_seq FROM stream",
        "INSERT OR IGNORE INTO stream(id, klass, run, clean, next_seq) VALUES(?, ?, ?, ?, ?)",
    ),
    (
        "SELECT address, value FROM counter",
        "INSERT OR IGNORE INTO counter(address, value) VALUES(?, ?)",
    ),
    (
        "SELECT session FROM installation LIMIT 1",
        "INSERT INTO installation(session) VALUES(?)",
    ),
)


def salvage(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, is_late: Callable[[], bool]
) -> None:
    """Copy all that reads, until `is_late`; what is left behind stays in the damaged file."""
    # Without it SQLite refuses a file that is shorter than it should be altogether.
    damaged.execute("PRAGMA writable_schema=ON")
    for select, insert in _COPIED:
        for values in _until_damage(damaged, select):
            # A value that does not fit the tables is damage too, and is left behind.
            with contextlib.suppress(sqlite3.IntegrityError):
                fresh.execute(insert, values)
    for row, body in _bodies(damaged):
        if is_late():
            return
        bundle = unpacked(body) if isinstance(body, bytes) else None
        if bundle is not None:
            count = len(bundle.entries)
            values = (row, bundle.stream, bundle.klass, bundle.first_seq, count, body)
            fresh.execute(INSERT_BUNDLE, values)


def _bodies(damaged: sqlite3.Connection) -> Iterator[tuple[int, object]]:
    """Go forward to a damage, step beyond it, and from there backward to its other side."""
    start, step = 0, 1
    reached = -1  # every row up to here was read or cannot be
    while step < _LONGEST_STEP:
        first = None
        for row, body in _forward(damaged, start):
            if first is None:
                first = row
                yield from _backward(damaged, reached, row)
            reached = row
            yield row, body
        if first is None:
            start, step = start + step, step * 2
        else:
            start, step = reached + 1, 1


def _forward(damaged: sqlite3.Connection, start: int) -> Iterator[tuple[int, object]]:
    last = start - 1
    select = "SELECT id, body FROM bundle WHERE id >= ? ORDER BY id"
    for row, body in _until_damage(damaged, select, start):
        # A damaged page may lead back to where the walk came from.
        if not isinstance(row, int) or row <= last:
            return
        last = row
        yield row, body


def _backward(damaged: sqlite3.Connection, floor: int, below: int) -> Iterator[tuple[int, object]]:
    last = below
    select = "SELECT id, body FROM bundle WHERE id > ? AND id < ? ORDER BY id DESC"
    for row, body in _until_damage(damaged, select, floor, below):
        if not isinstance(row, int) or row >= last:
            return
        last = row
        yield row, body


def _until_damage(
    damaged: sqlite3.Connection, select: str, *values: int
) -> Iterator[tuple[object, ...]]:
    """Yield rows until the end or the first that cannot be read: that is what damage means."""
    with contextlib.suppress(sqlite3.Error):
        yield from damaged.execute(select, values)
