"""Reading a damaged table: a walk that steps over what cannot be read.

It yields each row once, and notes that something was in its way; what it does not yield, no way
of asking SQLite for it yields either.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

# Above every row. Steps past a damage double up to this.
NOWHERE: Final = 1 << 32
# The second: SQLite's own words may quote what is no text.
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)


def until_damage(
    damaged: sqlite3.Connection, select: str, *values: int
) -> Iterator[tuple[Any, ...]]:
    """Yield rows until the end or the first that cannot be read: that is what damage means."""
    with contextlib.suppress(*UNREADABLE):
        yield from damaged.execute(select, values)


def one_by_one(
    damaged: sqlite3.Connection, select: str, start: int, end: int, step: int
) -> Iterator[tuple[Any, ...]]:
    """Yield rows from `start` in the direction of `step`, each by a statement of its own.

    The sqlite3 of Python looks for the next row before it hands one out, and loses it when that
    fails: the last row before a damage is had only like this. Raises sqlite3.Error there.
    """
    while found := damaged.execute(f"{select} LIMIT 1", (start, end)).fetchall():
        yield found[0]
        start = found[0][0] + step


class Walk:
    """A walk through a table by its row numbers."""

    def __init__(self, damaged: sqlite3.Connection, table: str, columns: str) -> None:
        self.is_damaged = False  # something was in the way
        self.is_disordered = False  # a row's number is not its own, or a page not where it was
        self.is_cut_short = False  # there may be more beyond the last row
        self.holes: list[tuple[int, int]] = []  # rows stepped over: first and last of each
        self._damaged = damaged
        self._select = f"SELECT id, {columns} FROM {table}"  # noqa: S608 - our own words

    def rows(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """Go forward to a damage, step beyond it, and from there backward to its other side."""
        start, step = low, 1
        reached = low - 1  # every row up to here was read or cannot be
        while start < high:
            first = None
            for found in self._forward(start, high):
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
        if self.is_damaged and lowest > reached + 1:
            self.holes.append((reached + 1, lowest - 1))

    def _forward(self, start: int, high: int) -> Iterator[tuple[Any, ...]]:
        last = start - 1
        select = f"{self._select} WHERE id >= ? AND id < ? ORDER BY id"
        try:
            for found in self._each(select, start, high, 1):
                row = found[0]
                # A damaged page may lead back to where the walk came from, or elsewhere.
                if not isinstance(row, int) or not last < row < high:
                    self.is_disordered = True
                    self._met_damage(high)
                    return
                last = row
                if high == NOWHERE:
                    self.is_cut_short = False
                yield found
        except UNREADABLE:
            self._met_damage(high)

    def _met_damage(self, high: int) -> None:
        self.is_damaged = True
        self.is_cut_short = self.is_cut_short or high == NOWHERE

    def _backward(self, floor: int, below: int) -> Iterator[tuple[Any, ...]]:
        last = below
        select = f"{self._select} WHERE id <= ? AND id > ? ORDER BY id DESC"
        with contextlib.suppress(*UNREADABLE):
            for found in self._each(select, below - 1, floor, -1):
                row = found[0]
                if not isinstance(row, int) or not floor < row < last:
                    return
                last = row
                yield found

    def _each(self, select: str, start: int, end: int, step: int) -> Iterator[tuple[Any, ...]]:
        """Yield rows all at once until that fails, and then one by one until that does."""
        with contextlib.suppress(*UNREADABLE):
            for found in self._damaged.execute(select, (start, end)):
                yield found
                if not isinstance(found[0], int):
                    return
                start = found[0] + step
            return
        yield from one_by_one(self._damaged, select, start, end, step)
