"""Rows of bundles in one file: reading them in order, and taking them out."""

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Final

from gateway.backlog.sqlite import connection as rim
from gateway.backlog.sqlite.schema import unpacked
from gateway.model import Bundle, ObservationClass, Row

NOWHERE: Final = 1 << 62  # above every row
_HEAD: Final = "SELECT id, stream, klass, first_seq, count FROM bundle"
_OLDEST_FIRST: Final = f"{_HEAD} WHERE id >= ? AND id < ? ORDER BY id"
_STEP: Final = 16  # rows of one step of `steps`


def heads(
    connection: sqlite3.Connection, start: int, below: int, *, newest: bool = False
) -> Generator[Row]:
    """Yield the rows from `start` up to `below`. A cursor left open holds back checkpoints."""
    select = f"{_OLDEST_FIRST} DESC" if newest else _OLDEST_FIRST
    with closing(connection.execute(select, (start, below))) as found:
        for row in found:
            yield Row(*row)


def head(connection: sqlite3.Connection, row: int) -> Row | None:
    """Return a row without its content, None if it is not there."""
    return next(heads(connection, row, row + 1), None)


def bundle(connection: sqlite3.Connection, row: Row) -> Bundle | None:
    """Read the bundle of a row, None if that is damaged: one bad page does not stop the others."""
    select = "SELECT body FROM bundle WHERE id = ?"
    try:
        (body,) = connection.execute(select, (row.row,)).fetchone()
    except sqlite3.Error as error:
        if rim.is_damage(error):
            return None
        raise
    found = unpacked(body)
    return found if found is not None and len(found.entries) == row.count else None


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
