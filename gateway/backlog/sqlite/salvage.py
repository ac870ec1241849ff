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
from typing import Final, NamedTuple

from gateway.backlog.sqlite import missing, seal, tables
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, unpacked
from gateway.backlog.sqlite.walk import NOWHERE, Walk, until_damage

log = logging.getLogger(__name__)

_READ: Final = ("stream", "counter", "memory", "installation")  # up to the first damage
_ADDED: Final = frozenset({"kept_seq", "seal"})  # by versions 2 and 3
_STEPPED_OVER: Final[Sequence[tuple[str, Sequence[str]]]] = (("loss", ()), ("aside", ("body",)))


class Salvaged(NamedTuple):
    """What was had whole.

    `is_whole`: loss ranges and bundles set aside; else some may be left behind, and nobody can say
    which. `knows_runs`: how each run ended.
    """

    is_whole: bool
    knows_runs: bool


def salvage(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, is_late: Callable[[], bool]
) -> Salvaged:
    """Copy all that reads, until `is_late`; what is left behind stays in the damaged file."""
    # Without it SQLite refuses a file that is shorter than it should be altogether.
    damaged.execute("PRAGMA writable_schema=ON")
    # What is no text is bytes then: one altered letter does not hide the rows behind it.
    damaged.text_factory = _text
    read = {table: _read(damaged, fresh, table) for table in _READ}
    copied = [_copy(damaged, fresh, table, more) for table, more in _STEPPED_OVER]
    walk = Walk(damaged, "bundle", "body")
    _copy_bundles(walk, fresh, is_late)
    tables.add_losses(fresh, missing.losses(fresh, walk, _tally(damaged)))
    return Salvaged(is_whole=all(copied), knows_runs=read["stream"])


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
    for row in _rows(damaged, "tally"):
        match row:
            case (int(next_row), int(bundles), *_):
                return next_row, bundles
            case _:
                return None
    return None


def _read(damaged: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> bool:
    """Copy a table up to its first damage, without rows that are damaged; whether that was all."""
    insert = seal.insert(table, verb="INSERT OR IGNORE")
    is_whole = _is_sound(damaged, table)
    for row in _rows(damaged, table):
        is_whole = is_whole and row is not None
        if row is not None:
            with contextlib.suppress(sqlite3.IntegrityError):
                fresh.execute(insert, row)
    return is_whole


def _rows(damaged: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...] | None]:
    names = _columns(damaged, table)
    select = f"SELECT {', '.join(names)} FROM {table}"  # noqa: S608 - our own words
    for values in until_damage(damaged, select):
        yield _carried(table, names, values)


def _copy(
    damaged: sqlite3.Connection, fresh: sqlite3.Connection, table: str, more: Sequence[str]
) -> bool:
    """Copy a table past its damages; whether there were none."""
    names = _columns(damaged, table, more)
    insert = seal.insert(table, *more)
    walk = Walk(damaged, table, ", ".join(names))
    for _, *values in walk.rows(0, NOWHERE):
        row = _carried(table, names, values, more)
        try:
            if row is not None:
                fresh.execute(insert, row)
        except sqlite3.IntegrityError:
            row = None
        walk.is_damaged = walk.is_damaged or row is None
    if walk.is_damaged or not _is_sound(damaged, table):
        log.error("store damaged, not all rows could be read table=%s", table)
        return False
    return True


def _columns(damaged: sqlite3.Connection, table: str, more: Sequence[str] = ()) -> Sequence[str]:
    """Return the columns to be read: all but those that an earlier version did not have."""
    found = {name for _, name, *_ in until_damage(damaged, f"PRAGMA table_info({table})")}
    without = _ADDED - found if found else frozenset[str]()
    return [name for name in (*seal.COLUMNS[table], "seal", *more) if name not in without]


def _carried(
    table: str, names: Sequence[str], values: Sequence[object], more: Sequence[str] = ()
) -> tuple[object, ...] | None:
    """Return a row for the new file; None when it is not as it was written, or cannot be."""
    given = {"kept_seq": 0, "seal": None, **dict(zip(names, values, strict=True))}
    own = [given[name] for name in seal.COLUMNS[table]]
    if not seal.fits(table, own) or not seal.is_whole((*own, given["seal"])):
        return None
    return (*seal.sealed(*own), *(given[name] for name in more))


def _is_sound(damaged: sqlite3.Connection, table: str) -> bool:
    """Whether SQLite finds nothing wrong with one table."""
    found = [*until_damage(damaged, f"PRAGMA quick_check('{table}')")]
    return found == [("ok",)]
