"""A disk that writes down what SQLite does to it, and can fail or lose its power at any point.

It is a VFS for apsw. The files are real, so that reading works; syncs are only written down. What
a power cut leaves is worked out from the record: everything synced, and of the rest any sectors.
`connection` makes the store run on it: an apsw connection with the face of sqlite3's.
"""

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

SECTOR = 512


class Write(NamedTuple):
    """Bytes put at an offset; the file grows as needed."""

    file: str
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """The end of a file taken away."""

    file: str
    size: int


class Sync(NamedTuple):
    """Everything done to the file so far made durable."""

    file: str


class Lost(NamedTuple):
    """A sync that failed: the kernel drops what was written and takes it for clean (fsync(2))."""

    file: str


class Delete(NamedTuple):
    """A file taken away."""

    file: str


Operation = Write | Truncate | Sync | Lost | Delete
Fault = Callable[[], BaseException]
FileName = str | apsw.URIFilename | None


def io_error(code: int) -> Fault:
    """Return what makes the failure of one operation, with SQLite's extended code."""

    def fault() -> BaseException:
        error: Any = apsw.FullError() if code == apsw.SQLITE_FULL else apsw.IOError()
        error.extendedresult = code
        return cast("BaseException", error)

    return fault


class Disk(apsw.VFS):
    """The record, and which operations fail, counted from 0."""

    def __init__(
        self, name: str, *, failing: range = range(0), fault: Fault | None = None
    ) -> None:
        super().__init__(name, "unix")
        self.name = name
        self.operations: list[Operation] = []
        self.read_bytes = 0
        self.failing_syncs: dict[str, range] = {}  # file -> which of its syncs from now on fail
        self._failing = failing
        self._fault = fault

    def did(self, operation: Operation) -> None:
        fails = self._fault is not None and len(self.operations) in self._failing
        if isinstance(operation, Sync) and (self._sync_fails(operation.file) or fails):
            self.operations.append(Lost(operation.file))
            fault = io_error(apsw.SQLITE_IOERR_FSYNC)  # whatever the cause, SQLite says this
            raise fault()
        self.operations.append(operation)
        if fails and self._fault is not None:
            raise self._fault()

    def _sync_fails(self, file: str) -> bool:
        failing = self.failing_syncs.get(file, range(0))
        self.failing_syncs[file] = range(failing.start - 1, failing.stop - 1)
        return 0 in failing

    def fail_next(self, fault: Fault) -> None:
        """Fail the next operation from now."""
        self._failing, self._fault = range(len(self.operations), len(self.operations) + 1), fault

    @property
    def written_bytes(self) -> int:
        return sum(len(each.data) for each in self.operations if isinstance(each, Write))

    def xOpen(self, name: FileName, flags: list[int]) -> "File":  # noqa: N802 - apsw's name
        return File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001 - apsw's
        self.did(Delete(Path(filename).name))
        super().xDelete(filename, syncdir)


class File(apsw.VFSFile):
    """One open file."""

    def __init__(self, disk: Disk, name: FileName, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._name = Path(path or "temporary").name
        super().__init__("unix", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - apsw's name
        data = super().xRead(amount, offset)
        self._disk.read_bytes += len(data)
        return data

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - apsw's name
        self._disk.did(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        self._disk.did(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 - apsw's
        self._disk.did(Sync(self._name))


# ------------------------------------------------------------------------------------ power cut
def cuts(
    before: Mapping[str, bytes], operations: Sequence[Operation], chance: random.Random
) -> Iterator[tuple[int, Mapping[str, bytes]]]:
    """For every number of operations done: files as power cuts at that moment may leave them.

    All that was not synced is there, or any sectors of it, or nothing; the last only where a sync
    has just changed what is durable, for in between it is the same as there.
    """
    durable = {name: bytearray(data) for name, data in before.items()}
    pending: list[Operation] = []
    for done, operation in enumerate([None, *operations]):
        if operation is not None:
            pending = _become(durable, pending, operation)
        keeps = [_all, lambda: chance.random() < 0.5]
        if isinstance(operation, Sync):
            keeps.append(lambda: False)
        for keep in keeps:
            files = {name: bytearray(data) for name, data in durable.items()}
            for each in pending:
                _do(files, each, keep)
            yield done, {name: bytes(data) for name, data in files.items()}


def _become(
    durable: dict[str, bytearray], pending: list[Operation], operation: Operation
) -> list[Operation]:
    """Do one operation to the durable files; return what is not durable after it."""
    if not isinstance(operation, Sync | Lost):
        return [*pending, operation]
    for each in pending:
        if each.file == operation.file and isinstance(operation, Sync):
            _do(durable, each, _all)
    return [each for each in pending if each.file != operation.file]


def _all() -> bool:
    return True


def _do(files: dict[str, bytearray], operation: Operation, keep: Callable[[], bool]) -> None:
    if isinstance(operation, Write):
        data = files.setdefault(operation.file, bytearray())
        for start in range(0, len(operation.data), SECTOR):
            if keep():
                _put(data, operation.offset + start, operation.data[start : start + SECTOR])
    elif keep():
        if isinstance(operation, Truncate):
            del files.setdefault(operation.file, bytearray())[operation.size :]
        else:
            files.pop(operation.file, None)


def _put(data: bytearray, offset: int, piece: bytes) -> None:
    data.extend(bytes(max(0, offset + len(piece) - len(data))))
    data[offset : offset + len(piece)] = piece


# ----------------------------------------------------------------------------------- connection
class ApswConnection:
    """An apsw connection that answers and fails as one of sqlite3 does; `weaken` edits its SQL."""

    def __init__(self, path: Path, vfs: str, weaken: Mapping[str, str]) -> None:
        with _as_sqlite3():
            self._connection = apsw.Connection(str(path), vfs=vfs)
        self._weaken = weaken

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> "Rows":
        with _as_sqlite3():
            return Rows(self._connection.execute(self._weaken.get(sql, sql), values))

    def executemany(self, sql: str, values: Iterable[Sequence[Any]]) -> "Rows":
        with _as_sqlite3():
            return Rows(self._connection.executemany(sql, values))

    def interrupt(self) -> None:
        self._connection.interrupt()

    def close(self) -> None:
        with _as_sqlite3():
            self._connection.close(True)  # noqa: FBT003 - force: as sqlite3 does


class Rows:
    """A cursor, likewise."""

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor

    def fetchone(self) -> object:
        with _as_sqlite3():
            return self._cursor.fetchone()

    def fetchall(self) -> object:
        with _as_sqlite3():
            return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        with _as_sqlite3():
            yield from self._cursor

    def close(self) -> None:
        self._cursor.close(True)  # noqa: FBT003 - force: as sqlite3 does


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        copy = sqlite3.OperationalError(str(error))
        copy.sqlite_errorcode = cast("Any", error).extendedresult
        raise copy from error


def connection(
    disk: Disk, weaken: Mapping[str, str] | None = None
) -> Callable[[Path], sqlite3.Connection]:
    """Return what the store opens its files with; `weaken` replaces statements."""
    replaced = {} if weaken is None else weaken
    return lambda path: cast("sqlite3.Connection", ApswConnection(path, disk.name, replaced))
