"""A checksum over each row of the small tables: a byte that changes is noticed at the next start.

Bundles have one already, zlib's, over their bodies. SQLite has none: it notices what no longer
makes sense, and takes another number or letter for what was written. What is set aside is sealed
but for its body, which is a bundle's. Rows that an earlier version wrote have no seal until they
are written again. A row that is not as it was written stays so, whatever is done beside it.
"""

import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Final, NoReturn

import msgspec

# What is sealed of each table, in the order of the values below, and what it must be.
COLUMNS: Final[Mapping[str, Mapping[str, type | UnionType]]] = {
    "stream": {
        "id": str,
        "klass": str,
        "run": int,
        "clean": int,
        "next_seq": int | None,
        "kept_seq": int,
    },
    "tally": {"next_row": int, "bundles": int, "observations": int, "events": int},
    "counter": {"address": str, "value": int},
    "installation": {"session": int},
    "loss": {
        "stream": str,
        "first": int,
        "last": int,
        "reason": str,
        "boot": str,
        "at_ns": int,
        "wall_offset_ns": int | None,
    },
    "aside": {
        "stream": str,
        "klass": str,
        "first_seq": int,
        "count": int,
        "size": int,
        "reason": str,
        "boot": str,
        "at_ns": int,
        "wall_offset_ns": int | None,
    },
    "memory": {"key": str, "value": str},
}
_MOST: Final = 1 << 62  # of a number that is counted on from

_encoder: Final = msgspec.msgpack.Encoder()


# -------------------------------------------------------------------------------------------- rows
def sealed(*values: object) -> tuple[object, ...]:
    """Return a row's values with its seal, the CRC-32 of them all, types included."""
    return (*values, _seal(values))


def is_whole(row: Sequence[object]) -> bool:
    """Whether a row, its seal last, is as it was written; None: nobody can say."""
    return row[-1] is None or row[-1] == _seal(row[:-1])


def fits(table: str, values: Sequence[object]) -> bool:
    """Whether a row's values are what its columns hold: the table would make others of them."""
    return all(map(_fits, values, COLUMNS[table].values()))


def _fits(value: object, type_: type | UnionType) -> bool:
    return isinstance(value, type_) and (
        type_ is not int or (isinstance(value, int) and 0 <= value < _MOST)
    )


def _seal(values: Sequence[object]) -> int:
    return zlib.crc32(_encoder.encode(tuple(values)))


# -------------------------------------------------------------------------------------- statements
def columns(table: str) -> str:
    """Return the columns of a row and its seal, as SQL names them."""
    return ", ".join((*COLUMNS[table], "seal"))


def insert(table: str, *more: str, verb: str = "INSERT") -> str:
    """Return the statement that takes what `sealed` returns, and values of more columns."""
    names = ", ".join((columns(table), *more))
    places = ", ".join("?" * (len(COLUMNS[table]) + 1 + len(more)))
    return f"{verb} INTO {table}({names}) VALUES({places})"


def update(table: str) -> str:
    """Return the statement that takes what `sealed` returns for the one row of a table."""
    places = ", ".join(f"{name} = ?" for name in (*COLUMNS[table], "seal"))
    return f"UPDATE {table} SET {places}"  # noqa: S608 - our own names


def amend(
    connection: sqlite3.Connection, table: str, key: str, changes: Mapping[str, object]
) -> None:
    """Change columns of a row and seal it anew; one that is not as it was written stays so."""
    names = list(COLUMNS[table])
    where = f"WHERE {names[0]} = ?"
    select = f"SELECT {columns(table)} FROM {table} {where}"  # noqa: S608 - our own names
    for found in connection.execute(select, (key,)).fetchall():
        if is_whole(found):
            values = {**dict(zip(names, found, strict=False)), **changes}.values()
            connection.execute(f"{update(table)} {where}", (*sealed(*values), key))


def whole_rows(
    connection: sqlite3.Connection, table: str, where: str, values: Sequence[object] = ()
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield number and values of the rows that are as they were written."""
    select = f"SELECT rowid, {columns(table)} FROM {table} {where}"  # noqa: S608 - our own names
    for row, *found in connection.execute(select, values).fetchall():
        if is_whole(found):
            yield row, found[:-1]


# ------------------------------------------------------------------------------------------ checks
def only(connection: sqlite3.Connection, table: str) -> tuple[int, ...]:
    """Return the numbers of a table's one row. Raises sqlite3.DatabaseError, damaged."""
    select = f"SELECT {columns(table)} FROM {table}"  # noqa: S608 - our own names
    rows = connection.execute(select).fetchall()
    if len(rows) != 1:
        _refuse(f"{len(rows)} rows instead of 1 in {table}")
    *values, _ = rows[0]
    if not is_whole(rows[0]):
        _refuse(f"a row is not as it was written in {table}")
    if not fits(table, values):
        _refuse(f"no numbers in {table}")
    return tuple(values)


def require_whole(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError, damaged, for a row that is not as it was written."""
    for table in COLUMNS:
        select = f"SELECT {columns(table)} FROM {table}"  # noqa: S608 - our own names
        if not all(map(is_whole, connection.execute(select).fetchall())):
            _refuse(f"a row is not as it was written in {table}")


def _refuse(cause: str) -> NoReturn:
    error = sqlite3.DatabaseError(cause)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error
