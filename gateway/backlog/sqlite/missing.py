"""What a damaged store has lost, told from what was read of it.

A loss range may say too much, never too little: a consumer ignores it for numbers it has data of.
The tally says how many rows there must be, so that rows are missed also where nothing failed to
read: a medium that loses a write leaves a page as it was before, sound and out of date.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.backlog.sqlite.schema import MOST_OBSERVATIONS, unpacked
from gateway.backlog.sqlite.tally import ROWS_BETWEEN
from gateway.backlog.sqlite.walk import NOWHERE, Walk
from gateway.model import Loss, Moment

# One past the highest number that was kept; until the next run has looked, as of the tally.
_TOPS: Final = (
    "SELECT id, CASE clean WHEN 1 THEN kept_seq ELSE max(kept_seq, coalesce(next_seq, 0)) END"
    " FROM stream"
)

Holes = Sequence[tuple[int, int]]  # rows that were not read: first and last of each


def gaps(fresh: sqlite3.Connection) -> Holes:
    """Return the numbers between rows that no row has, each from its first to beyond its last."""
    select = (
        "SELECT before + 1, id FROM"
        " (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM bundle)"
        " WHERE before + 1 < id"
    )
    return fresh.execute(select).fetchall()


def losses(fresh: sqlite3.Connection, walk: Walk, tally: tuple[int, int] | None) -> list[Loss]:
    """Return what streams lack in `fresh`, after the walk that filled it.

    Where the walk stepped over as many rows as are missing, those are the ones. Otherwise, and
    where a row has the number of another, every observation between two that were read may be
    missing, and some will have been settled.
    """
    next_row, kept = (0, NOWHERE) if tally is None else tally
    select = "SELECT count(*) FROM bundle WHERE id < ?"
    (read,) = fresh.execute(select, (next_row,)).fetchone()
    unread = [(first, stop - 1) for first, stop in [*gaps(fresh), *_end(fresh, next_row)]]
    missed = [
        (first, end)
        for first, end in unread
        if any(a <= end and first <= b for a, b in walk.holes)
    ]
    missing = kept - read
    appended = [hole for hole in unread if hole[1] >= next_row]
    beyond = ROWS_BETWEEN if walk.is_cut_short else 0
    if missing == 0:
        missed = []
    holes = sorted({*missed, *appended})
    if missing not in {0, _rows(missed)} or (walk.is_disordered and holes):
        most = _rows(unread) + (NOWHERE if missing < 0 else missing) + beyond
        return [*_between(fresh, most)]
    return [*_told(fresh, holes, beyond)] if holes or beyond else []


def _end(fresh: sqlite3.Connection, next_row: int) -> Holes:
    """Return the gap behind the last row, as `gaps` does."""
    (last,) = fresh.execute("SELECT coalesce(max(id), 0) FROM bundle").fetchone()
    return [(last + 1, next_row)] if last + 1 < next_row else []


def _rows(holes: Holes) -> int:
    return sum(end - first + 1 for first, end in holes)


def _told(fresh: sqlite3.Connection, holes: Holes, beyond: int) -> Iterator[Loss]:
    """Yield what is missing between the rows of each stream, and between its last and its end."""
    ends: dict[str, tuple[int, int]] = {}  # stream -> one past what was read, rows missing then
    missing, at = 0, Moment("", 0)
    ahead = iter([*holes, (NOWHERE, NOWHERE)])
    hole = next(ahead)
    select = "SELECT id, stream, first_seq, count, body FROM bundle ORDER BY id"
    for row, stream, first_seq, count, body in fresh.execute(select):
        while hole[0] < row:
            missing += hole[1] - hole[0] + 1
            hole = next(ahead)
        end, before = ends.get(stream, (None, 0))
        if missing > before:
            at = _moment(body)
            yield from _loss(stream, end, first_seq, missing - before, at)
        ends[stream] = (max(end or 0, first_seq + count), missing)
    missing += _rows([hole, *ahead][:-1]) + beyond
    for stream, top in fresh.execute(_TOPS):
        end, before = ends.get(stream, (None, 0))
        if missing > before:
            yield from _loss(stream, end, top, missing - before, at)


def _between(fresh: sqlite3.Connection, most: int) -> Iterator[Loss]:
    """Yield every number of a stream that no row has; before its first, those of `most` rows."""
    ends: dict[str, int] = {}
    at = Moment("", 0)
    select = "SELECT id, stream, first_seq, count FROM bundle ORDER BY stream, first_seq"
    for row, stream, first_seq, count in fresh.execute(select):  # bodies are not to be sorted
        end = ends.get(stream)
        if end is None or end < first_seq:
            (body,) = fresh.execute("SELECT body FROM bundle WHERE id = ?", (row,)).fetchone()
            at = _moment(body)
            yield from _loss(stream, end, first_seq, most, at)
        ends[stream] = max(end or 0, first_seq + count)
    for stream, top in fresh.execute(_TOPS):
        yield from _loss(stream, ends.get(stream), top, most, at)


def _loss(stream: str, end: int | None, stop: int, rows: int, at: Moment) -> Iterator[Loss]:
    first = max(0, stop - rows * MOST_OBSERVATIONS) if end is None else end
    if first < stop:
        yield Loss(stream, first, stop - 1, "damaged", at)


def _moment(body: bytes) -> Moment:
    bundle = unpacked(body)
    if bundle is None:  # it has just been read
        return Moment("", 0)
    return Moment(bundle.boot, bundle.entries[0].heard_at_ns, bundle.wall_offset_ns)
