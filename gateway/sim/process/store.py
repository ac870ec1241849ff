"""The store as it lies on the disk: what stands in it, and how one of its rows goes bad."""

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog.sqlite.schema import unpacked
from gateway.errors import SimulatorError

FILE: Final = "backlog.db"
ROWS: Final = "backlog.db, its rows unpacked"
_BALLAST: Final = "ballast"  # nothing but room
_PIECE: Final = slice(8, 40)  # of a row's body: enough to find it by, and in its first page
_LOCK_WAIT_S: Final = 1.0


def contents(directory: Path) -> Mapping[str, bytes]:
    """Return all that stands in a store's files, and once more what is compressed in its rows.

    Nobody may write to them meanwhile.
    """
    if not directory.is_dir():
        return {}
    there = [path for path in sorted(directory.iterdir()) if path.is_file()]
    found = {path.name: path.read_bytes() for path in there if path.name != _BALLAST}
    if FILE in found:
        found[ROWS] = _rows(directory)
    return found


def _rows(directory: Path) -> bytes:
    """Return the rows of a copy: SQLite plays the journal in, as it does at a start."""
    with tempfile.TemporaryDirectory(prefix="ugw-sim-") as held:
        for path in directory.glob(f"{FILE}*"):
            shutil.copy(path, held)
        with closing(sqlite3.connect(Path(held, FILE))) as connection:
            try:
                found = connection.execute("SELECT body FROM bundle ORDER BY id").fetchall()
            except sqlite3.Error:  # damaged, or not made yet: the files themselves say all
                return b""
    bundles = [unpacked(body) for (body,) in found]
    return b"\n".join(msgspec.json.encode(bundle) for bundle in bundles if bundle is not None)


def damage(directory: Path) -> None:
    """Damage a row in the middle of a store that nobody has open. Raises SimulatorError."""
    path = directory / FILE
    if not path.exists():
        raise _nothing_there()
    with closing(sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None)) as connection:
        try:
            body = middle_row(connection)
        except sqlite3.Error as error:
            cause = f"the store cannot be read, to damage a row of it: {error}"
            raise SimulatorError(cause, "stop the agent first") from None
    if body is None or not flip(path, body):
        raise _nothing_there()


def middle_row(connection: sqlite3.Connection) -> bytes | None:
    """Empty the log into the file; return the body of a row, which then stands in it.

    From the middle: the oldest and the newest may be held in memory already.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (count,) = connection.execute("SELECT count(*) FROM bundle").fetchone()
    select = "SELECT body FROM bundle ORDER BY id LIMIT 1 OFFSET ?"
    row = connection.execute(select, (count // 2,)).fetchone()
    return None if row is None else row[0]


def flip(path: Path, body: bytes) -> bool:
    """Change one bit of a body wherever it stands in a file; whether it stands there."""
    data, piece = path.read_bytes(), body[_PIECE]
    at = data.find(piece)
    was_there = at >= 0
    with path.open("r+b") as file:
        while at >= 0:
            file.seek(at)
            file.write(bytes((piece[0] ^ 1,)))
            at = data.find(piece, at + 1)
    return was_there


def _nothing_there() -> SimulatorError:
    cause = "there is no row in the store that could be damaged"
    return SimulatorError(cause, "rows go once they are acknowledged: have the broker away first")
