"""A file that only ever grows, line by line: what was added is on the disk, whatever comes next.

A spreadsheet opens it. A last line that a power cut tore is as if it were not there. Its owner
alone may read it.
"""

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from ugw_flash.batch.cells import parse, render
from ugw_flash.outcome import RefusedError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_BINARY: Final = getattr(os, "O_BINARY", 0)  # Windows would write its own line breaks
_MARK: Final = "\ufeff"  # Excel takes the file for UTF-8


def _any(_cells: Sequence[str]) -> bool:
    return True


class Ledger:
    """Lines of cells below a header."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        separator: str,
        is_whole: Callable[[Sequence[str]], bool] = _any,
    ) -> None:
        """Read what there is. Raises RefusedError for a file that is something else.

        `is_whole` judges the last cell of a last line without an end: torn, or saved by hand?
        """
        self.path = path
        self.lines: list[tuple[str, ...]] = []
        self._columns = tuple(columns)
        self._separator = separator
        self._is_whole = is_whole
        self._torn_at: int | None = None  # bytes of the file that count, if not all do
        self._before_next = _MARK + render(columns, separator)
        content = path.read_bytes() if path.exists() else b""
        if self._before_next.encode().startswith(content):
            self._torn_at = 0
        else:
            self._read(content)

    def add(self, cells: Sequence[str]) -> None:
        """Append a line; when it returns, the line is on the disk. Raises UgwError."""
        text = self._before_next + render(cells, self._separator)
        try:
            self._append(text.encode())
        except OSError as error:
            cause = f"{self.path} cannot be written: {error.strerror}"
            raise UgwError(
                cause, "make room for it; nothing is made that it cannot note"
            ) from None
        self._before_next, self._torn_at = "", None
        self.lines.append(tuple(cells))

    def _append(self, content: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | _BINARY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if self._torn_at is not None:
                file.truncate(self._torn_at)
            file.seek(0, os.SEEK_END)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, content: bytes) -> None:
        table = parse(content.decode("utf-8-sig", errors="replace"))
        lines = [tuple(cell.text for cell in line) for line in table.lines]
        if not lines or lines[0] != self._columns:
            cause = f"{self.path} is there, and is not what `ugw flash` writes to this name"
            raise RefusedError(cause, "move it away")
        self._separator = table.separator  # whatever a spreadsheet has made of it meanwhile
        self._before_next = ""
        if not content.endswith(b"\n"):
            if len(lines[-1]) == len(self._columns) and self._is_whole(lines[-1]):
                self._before_next = "\r\n"
            else:
                self._torn_at = content.rindex(b"\n") + 1
                del lines[-1]
        self.lines = [self._filled(line) for line in lines[1:]]
        for line, cells in zip(self.lines, table.lines[1:], strict=False):
            if len(line) > len(self._columns):
                cause = f"{self.path}:{cells[0].line}: there is more in it than it has columns"
                raise RefusedError(cause, "put this line right: nothing is made on a guess")

    def _filled(self, line: tuple[str, ...]) -> tuple[str, ...]:
        # Excel leaves the separators of last columns out where 16 lines have nothing in them.
        width = len(self._columns)
        return line[:width] + ("",) * (width - len(line)) + tuple(filter(None, line[width:]))


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Be the only one who works on a file. Raises RefusedError when another does.

    The lock goes with its process, whatever ends that.
    """
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("a") as file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            cause = f"another run works on {path.name} right now"
            raise RefusedError(cause, "wait until it is done") from None
        yield


def utc(seconds: float) -> str:
    """Return a Unix time as people and platforms read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def unix_s(text: str) -> int:
    """Return the Unix time of what `utc` wrote. Raises ValueError."""
    return int(datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp())
