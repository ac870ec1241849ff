"""What can still be read of a damaged store, carried over into a new one.

Rows keep their numbers and with them their order. A row counts as read when its body is whole
(zlib's checksum) and is a bundle; everything else about it is taken from the bundle. What must
have been in the rows that were not read is declared lost (`missing`). Which loss ranges stood in a
page that cannot be read nobody knows; that there may have been some is said.
"""

import contextlib
import itertools
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.backlog.sqlite import missing, seal, tables
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, unpacked
from gateway.backlog.sqlite.walk import NOWHERE, Walk, until_damage

log = logging.getLogger(__name__)

_READ: Final = ("stream", "counter", "memory", "installation")  # up to the first damage
_STEPPED_OVER: Final[Sequence[tuple[str, Sequence[str]]]] = (("loss", ()), ("aside", ("body",)))


def salvage(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, is_late: Callable[[], bool]
) -> bool:
    """Copy all that reads, until `is_late`; what is left behind stays in the damaged file.

    False: loss ranges or bundles set aside may be left behind, and nobody can say which.
    """
    # Without it SQLite refuses a file that is shorter than it should be altogether.
    damaged.execute("PRAGMA writable_schema=ON")
    # What is no text is bytes then: one altered letter does not hide the rows behind it.
    damaged.text_factory = _text
    for table in _READ:
        _read(damaged, fresh, table)
    copied = [_copy(damaged, fresh, table, more) for table, more in _STEPPED_OVER]
    walk = Walk(damaged, "bundle", "body")
    _copy_bundles(walk, fresh, is_late)
    tables.add_losses(fresh, missing.losses(fresh, walk, _tally(damaged)))
    return all(copied)


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _copy_bundles(walk: Walk, fresh: sqlite3.Connection, is_late: Callable[[], bool]) -> None:
    """Copy what is whole, first in order, then what is between."""
    stretches: Sequence[tuple[int, int]] = [(0, NOWHERE)]
    while stretches:
        for row, body in itertools.chain.from_iterable(walk.rows(*each) for each in stretches):
            if is_late():
                walk.is_damaged = walk.is_cut_short = True
                return
            bundle = unpacked(body)
            if bundle is None:
                walk.is_damaged = True
                walk.holes.append((row, row))
            else:
                head = (bundle.stream, bundle.klass, bundle.first_seq, len(bundle.entries))
                fresh.execute(INSERT_BUNDLE, (row, *head, body))
        # A damaged page may have led past sound ones: they are looked for, once.
        again = walk.is_damaged and stretches[0][1] == NOWHERE
        stretches = missing.gaps(fresh) if again else ()


def _tally(damaged: sqlite3.Connection) -> tuple[int, int] | None:
    """Return the row from which on nothing was deleted, and how many are kept below it."""
    for next_row, bundles, *_ in _sound_rows(damaged, "tally"):
        if isinstance(next_row, int) and isinstance(bundles, int):
            return next_row, bundles
    return None


def _read(damaged: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> None:
    """Copy a table up to its first damage, without rows that are not as they were written."""
    insert = seal.insert(table, verb="INSERT OR IGNORE")
    for row in _sound_rows(damaged, table):
        # A value that does not fit the tables is damage too, and is left behind.
        with contextlib.suppress(sqlite3.IntegrityError):
            fresh.execute(insert, row)


def _sound_rows(damaged: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    names = _columns(damaged, table)
    select = f"SELECT {', '.join(names)} FROM {table}"  # noqa: S608 - our own words
    for values in until_damage(damaged, select):
        if row := _carried(table, names, values):
            yield row


def _copy(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, table: str, more: Sequence[str]
) -> bool:
    """Copy a table past its damages; whether there were none."""
    names = _columns(damaged, table, more)
    insert = seal.insert(table, *more)
    walk = Walk(damaged, table, ", ".join(names))
    for _, *values in walk.rows(0, NOWHERE):
        try:
            if row := _carried(table, names, values, more):
                fresh.execute(insert, row)
            else:
                walk.is_damaged = True
        except sqlite3.IntegrityError:
            walk.is_damaged = True
    if walk.is_damaged or not _is_sound(damaged, table):
        log.error("store damaged, not all rows could be read table=%s", table)
        return False
    return True


def _columns(damaged: sqlite3.Connection, table: str, more: Sequence[str] = ()) -> Sequence[str]:
    """Return the columns to be read; an earlier version did not have all of them."""
    found = {name for _, name, *_ in until_damage(damaged, f"PRAGMA table_info({table})")}
    return [name for name in (*seal.COLUMNS[table], "seal", *more) if name in found or not found]


def _carried(
    table: str, names: Sequence[str], values: Sequence[object], more: Sequence[str] = ()
) -> tuple[object, ...] | None:
    """Return a row for the new file; None when it is not as it was written."""
    given = dict(zip(names, values, strict=True))
    own = [given.get(name, 0) for name in seal.COLUMNS[table]]
    if "seal" in given and not seal.is_whole((*own, given["seal"])):
        return None
    return (*seal.sealed(*own), *(given[name] for name in more))


def _is_sound(damaged: sqlite3.Connection, table: str) -> bool:
    """Whether SQLite finds nothing wrong with one table."""
    found = [*until_damage(damaged, f"PRAGMA quick_check('{table}')")]
    return found == [("ok",)]
