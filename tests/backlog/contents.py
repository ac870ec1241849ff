"""What stands in a store, told so that two of them can be compared; and what was promised of one.

A commit is whole or it is not there: `Content.state` is the same for two stores only if all their
tables are, session numbers apart, for the first of them is made from the time of day.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.backlog.sqlite import seal
from gateway.backlog.sqlite.schema import packed
from gateway.backlog.sqlite.tally import ROWS_BETWEEN
from gateway.model import Bundle

Numbers = frozenset[tuple[str, int]]
MOST_IN_A_COMMIT: Final = 64  # bundles, in the histories

# Without seals, which rows of an earlier version get when they are written again, and without
# numbers of rows that only say their order.
_TABLES: Final = {
    "bundle": "id, stream, klass, first_seq, count, body",
    "aside": f"{', '.join(seal.COLUMNS['aside'])}, body",
    **{
        table: ", ".join(seal.COLUMNS[table])
        for table in ("stream", "tally", "counter", "loss", "memory")
    },
}
_RANGES: Final = (
    "SELECT stream, first_seq, first_seq + count - 1 FROM bundle UNION ALL"
    " SELECT stream, first_seq, first_seq + count - 1 FROM aside UNION ALL"
    " SELECT stream, first, last FROM loss"
)
_COUNTED: Final = (
    "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(klass = 'event'), 0) FROM bundle"
    " WHERE id < (SELECT next_row FROM tally)"
)


_marks: Final[dict[tuple[str, int, int], int]] = {}  # to pack a bundle takes long


class State(NamedTuple):
    """The same where all tables are; where they are but for what a new file counts anew."""

    whole: int
    content: int


class Content(NamedTuple):
    """What stands in a store."""

    state: State
    rows: Mapping[int, int]  # row -> mark of its body
    numbers: Numbers  # in a row, aside, or in a loss range
    counters: Mapping[str, int]
    words: Mapping[str, str]
    session: int
    streams: frozenset[str]


class Promise(NamedTuple):
    """What must be there once so many steps were done. `state` is None where a call has failed."""

    at: int
    state: "State | None" = None
    rows: Mapping[int, int] = {}
    numbers: Numbers = frozenset()
    counters: Mapping[str, int] = {}
    words: Mapping[str, str] = {}
    session: int = 0  # below it none is free
    streams: frozenset[str] = frozenset()  # whose end the next run declares
    is_open: bool = False  # the run was cut off, and the next one must say so
    may_replace: bool = False  # a file that is damaged, or failed to sync, gives way to another


def mark(bundle: Bundle) -> int:
    """Return what a row's body is recognised by. What is in a bundle follows from its numbers."""
    numbers = (bundle.stream, bundle.first_seq, len(bundle.entries))
    if numbers not in _marks:
        _marks[numbers] = hash(packed(bundle))
    return _marks[numbers]


def content_of(store: sqlite3.Connection) -> Content:
    """Read all that stands in a store."""
    tables = {
        table: tuple(store.execute(f"SELECT {columns} FROM {table}"))  # noqa: S608 - our own words
        for table, columns in _TABLES.items()
    }
    ranges = store.execute(_RANGES).fetchall()
    return Content(
        state=_state(tables),
        rows={row[0]: hash(row[-1]) for row in tables["bundle"]},
        numbers=frozenset((stream, n) for stream, a, b in ranges for n in range(a, b + 1)),
        counters=dict(tables["counter"]),
        words=dict(tables["memory"]),
        session=store.execute("SELECT session FROM installation").fetchone()[0],
        streams=frozenset(row[0] for row in tables["stream"]),
    )


def _state(tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> State:
    kept_seq = list(seal.COLUMNS["stream"]).index("kept_seq")
    streams = tuple(row[:kept_seq] + row[kept_seq + 1 :] for row in tables["stream"])
    content = {**tables, "stream": streams, "tally": ()}
    return State(hash(tuple(tables.values())), hash(tuple(content.values())))


def wrong_with(store: sqlite3.Connection) -> str:
    """Say what is wrong with a file that a start takes for sound, empty: nothing."""
    seal.require_whole(store)
    (sound,) = store.execute("PRAGMA integrity_check").fetchone()
    *tally, next_row = store.execute(
        "SELECT bundles, observations, events, next_row FROM tally"
    ).fetchone()
    counted = store.execute(_COUNTED).fetchone()
    if tuple(tally) != counted:
        return f"the tally is {tally} instead of {counted}"
    (last,) = store.execute("SELECT coalesce(max(id), 0) FROM bundle").fetchone()
    if last - next_row > ROWS_BETWEEN + MOST_IN_A_COMMIT:
        return f"a start counts {last - next_row} rows"
    return "" if sound == "ok" else str(sound)


def broken(promise: Promise, content: Content) -> Iterator[str]:
    """Say what was promised and is not there."""
    lost = [row for row, body in promise.rows.items() if content.rows.get(row) != body]
    if lost:
        yield f"rows lost: {lost}"
    if unaccounted := promise.numbers - content.numbers:
        yield f"numbers in no row, not aside and in no loss range: {sorted(unaccounted)[:9]}"
    yield from _forgotten(promise, content)
    if content.session < promise.session:
        yield f"session {content.session} is given out a second time"
    if unknown := promise.streams - content.streams:
        yield f"streams of the run that was cut off are not known: {sorted(unknown)}"


def _forgotten(promise: Promise, content: Content) -> Iterator[str]:
    for address, value in promise.counters.items():
        if content.counters.get(address, -1) < value:
            yield f"the counter of {address} went back behind {value}"
    for key, word in promise.words.items():
        if content.words.get(key, "") != word:
            yield f"the word {key} is not {word[:9]!r}"
