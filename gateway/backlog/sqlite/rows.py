"""Rows of bundles in one file: reading them in order, and taking them out."""

import logging
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from typing import Final

from gateway.backlog.sqlite import connection as rim
from gateway.backlog.sqlite.schema import MOST_OBSERVATIONS, unpacked
from gateway.backlog.sqlite.walk import one_by_one
from gateway.model import Bundle, ObservationClass, Row

NOWHERE: Final = 1 << 62  # above every row
# Read so that nothing in a damaged head raises an error: what the body says is what counts.
_HEAD: Final = (
    "SELECT id, CAST(stream AS BLOB), klass = 'event', coalesce(CAST(first_seq AS INTEGER), 0),"
    " coalesce(CAST(count AS INTEGER), 0) FROM bundle"
)
_OLDEST_FIRST: Final = f"{_HEAD} WHERE id >= ? AND id < ? ORDER BY id"
_HIGHEST_SEQ: Final = (1 << 53) - 1
_STEP: Final = 16  # rows of one step of `steps`
_SMALL_STEPS: Final = 32  # past a page that does not read, before steps become longer

log = logging.getLogger(__name__)


def heads(
    connection: sqlite3.Connection, start: int, below: int, *, newest: bool = False
) -> Generator[Row]:
    """Yield the rows from `start` up to `below`. A cursor left open holds back checkpoints."""
    select = f"{_OLDEST_FIRST} DESC" if newest else _OLDEST_FIRST
    with closing(connection.execute(select, (start, below))) as found:
        yield from map(_row, found)


def _row(values: tuple[int, bytes | None, int, int, int]) -> Row:
    row, stream, is_event, first_seq, count = values
    name = (stream or b"").decode(errors="replace")
    klass: ObservationClass = "event" if is_event else "routine"
    if not 0 < count <= MOST_OBSERVATIONS:  # rather too many are declared lost than too few
        count = MOST_OBSERVATIONS
    return Row(row, name, klass, min(max(first_seq, 0), _HIGHEST_SEQ), count)


def is_sensible(head: Row) -> bool:
    """Whether a head without its body says whose numbers those were."""
    return head.stream.isascii() and head.stream.isprintable() and bool(head.stream)


def readable(connection: sqlite3.Connection, start: int, below: int) -> Generator[Row]:
    """Yield the rows from `start` on, and step over pages that cannot be read."""
    step, steps_ = 1, 0
    while start < below:
        try:
            for head in _up_to_damage(connection, start):
                start, step, steps_ = head.row + 1, 1, 0
                yield head
        except sqlite3.Error as error:
            if not rim.is_damage(error):
                raise
        else:
            return
        if not steps_:
            stepped_over(start)
        start, step, steps_ = start + step, step * (1 + (steps_ > _SMALL_STEPS)), steps_ + 1


def _up_to_damage(connection: sqlite3.Connection, start: int) -> Generator[Row]:
    """Yield rows, and raise sqlite3.Error behind the last that can be read (walk.one_by_one)."""
    with suppress(sqlite3.Error):
        for head in heads(connection, start, NOWHERE):
            start = head.row + 1
            yield head
        return
    yield from map(_row, one_by_one(connection, _OLDEST_FIRST, start, NOWHERE, 1))


def stepped_over(row: int) -> None:
    """Say that rows stay where they are until the next start, which declares what was in them."""
    log.error("store damaged, rows stepped over, they do not read from=%d", row)


def head(connection: sqlite3.Connection, row: int) -> Row | None:
    """Return a row without its content, None if it is not there."""
    return next(heads(connection, row, row + 1), None)


def bundle(connection: sqlite3.Connection, row: Row) -> Bundle | None:
    """Read the bundle of a row, None if that is damaged: one bad page does not stop the others."""
    select = "SELECT body FROM bundle WHERE id = ?"
    try:
        found = connection.execute(select, (row.row,)).fetchone()
    except sqlite3.Error as error:
        if rim.is_damage(error):
            return None
        raise
    # A row whose number was altered is come across, and not found under that number.
    return None if found is None else unpacked(found[0])


def head_of(row: int, bundle: Bundle) -> Row:
    """Return what the head of a row must be."""
    return Row(row, bundle.stream, bundle.klass, bundle.first_seq, len(bundle.entries))


def steps(
    connection: sqlite3.Connection, klass: ObservationClass, start: int, below: int
) -> Generator[Sequence[tuple[int, int]]]:
    """Yield the rows of a class with their bytes, some at a time: they may be deleted between."""
    select = (
        "SELECT id, length(body) FROM bundle WHERE id >= ? AND id < ? AND klass = ?"
        " ORDER BY id LIMIT ?"
    )
    while step := connection.execute(select, (start, below, klass, _STEP)).fetchall():
        start = step[-1][0] + 1
        yield step


def delete(connection: sqlite3.Connection, row: int) -> None:
    """Take a row out."""
    connection.execute("DELETE FROM bundle WHERE id = ?", (row,))
