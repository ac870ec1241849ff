"""A checksum over each row of the small tables: a byte that changes is noticed at the next start.

Bundles have one already, zlib's, over their bodies. SQLite has none: it notices what no longer
makes sense, and takes another number or letter for what was written. What is set aside is sealed
but for its body, which is a bundle's.
"""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

# What is sealed of each table, in the order of the values below.
COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "stream": ("id", "klass", "run", "clean", "next_seq", "kept_seq"),
    "tally": ("next_row", "bundles", "observations", "events"),
    "counter": ("address", "value"),
    "installation": ("session",),
    "loss": ("stream", "first", "last", "reason", "boot", "at_ns", "wall_offset_ns"),
    "aside": (
        *("stream", "klass", "first_seq", "count", "size"),
        *("reason", "boot", "at_ns", "wall_offset_ns"),
    ),
    "memory": ("key", "value"),
}
_KEYED: Final = ("stream", "counter", "memory")  # by their first column; the others by row number

_encoder: Final = msgspec.msgpack.Encoder()


def sealed(*values: object) -> tuple[object, ...]:
    """Return a row's values with its seal, the CRC-32 of them all, types included."""
    return (*values, _seal(values))


def is_whole(row: Sequence[object]) -> bool:
    """Whether a row, its seal last, is as it was written."""
    return row[-1] == _seal(row[:-1])


def _seal(values: Sequence[object]) -> int:
    return zlib.crc32(_encoder.encode(tuple(values)))


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
    return f"UPDATE {table} SET {_places(table)}"  # noqa: S608 - our own names


def _places(table: str) -> str:
    return ", ".join(f"{name} = ?" for name in (*COLUMNS[table], "seal"))


def amend(
    connection: sqlite3.Connection, table: str, key: str, changes: Mapping[str, object]
) -> None:
    """Change columns of a row and seal it anew; one that is not as it was written stays so."""
    names = COLUMNS[table]
    where = f"WHERE {names[0]} = ?"
    select = f"SELECT {columns(table)} FROM {table} {where}"  # noqa: S608 - our own names
    for found in connection.execute(select, (key,)).fetchall():
        if is_whole(found):
            values = {**dict(zip(names, found, strict=False)), **changes}.values()
            connection.execute(f"{update(table)} {where}", (*sealed(*values), key))


def broken(connection: sqlite3.Connection) -> str:
    """Return the first table with a row that is not as it was written; "" if there is none."""
    for table in COLUMNS:
        select = f"SELECT {columns(table)} FROM {table}"  # noqa: S608 - our own names
        if not all(map(is_whole, connection.execute(select).fetchall())):
            return table
    return ""


def seal_all(connection: sqlite3.Connection) -> None:
    """Seal every row as it is: it was written by a version that had no seals."""
    for table, names in COLUMNS.items():
        key = names[0] if table in _KEYED else "rowid"
        select = f"SELECT {key}, {', '.join(names)} FROM {table}"  # noqa: S608 - our own names
        found: list[tuple[Any, ...]] = connection.execute(select).fetchall()
        seals = [(_seal(values), id_) for id_, *values in found]
        connection.executemany(f"UPDATE {table} SET seal = ? WHERE {key} = ?", seals)  # noqa: S608
