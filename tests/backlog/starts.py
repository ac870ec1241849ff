"""Starts of a store that are cut off, by a process of its own for each: SIGKILL, and no excuse.

python -m tests.backlog.starts FOLDER each      at each statement of a start in turn, from the
                                                same store each time; prints how many there are
python -m tests.backlog.starts FOLDER loop N    N times when it is open, from what the last one
                                                left; prints the bytes that each has written
"""

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.connection import LOCK_WAIT_S
from tests.backlog.places import run_streams

_NEVER: Final = 1 << 62


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(sqlite3.Connection):
    """A connection whose process is killed before one of its statements."""

    left = _NEVER

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's
        """Do it, or die."""
        self._count()
        return super().execute(sql, values)

    def executemany(self, sql: str, values: Iterable[Any], /) -> sqlite3.Cursor:
        """Do it, or die."""
        self._count()
        return super().executemany(sql, values)

    @classmethod
    def _count(cls) -> None:
        cls.left -= 1
        if cls.left < 0:
            _die()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None, factory=Mortal)


def _in_a_process_of_its_own(act: Callable[[], None]) -> bool:
    """Whether it ended by itself."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}, status
    return status == 0


def _open(folder: Path, run: str) -> None:
    asyncio.run(SqliteBacklog(folder, connect=_connect).open(run_streams(run)))


def _written_bytes() -> int:
    (line,) = (
        line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("wchar")
    )
    return int(line.split()[1])


# ------------------------------------------------------------------------------------------- tasks
def each(folder: Path) -> None:
    """Cut off at each statement; see that the next start finds all that the first would have."""
    wanted = _found(folder, folder.with_name("whole"))
    statements = 0

    def cut_off() -> None:
        Mortal.left = statements
        _open(folder.with_name("cut"), "CUT")

    while True:
        shutil.copytree(folder, folder.with_name("cut"))
        has_opened = _in_a_process_of_its_own(cut_off)
        found = _found(folder.with_name("cut"), folder.with_name("again"))
        assert found == wanted, (statements, found, wanted)
        shutil.rmtree(folder.with_name("cut"))
        if has_opened:
            break
        statements += 1
    sys.stdout.write(f"{statements}\n")


def _found(folder: Path, copy: Path) -> object:
    """Return what a start finds in a copy, but for the run that was cut off."""
    shutil.copytree(folder, copy)

    async def main() -> object:
        backlog = SqliteBacklog(copy)
        found = await backlog.open(run_streams("NEXT"))
        leased = await backlog.lease(1000)
        await backlog.close((), {})
        previous = [one for one in found.previous if not one.id.startswith("CUT")]
        rows = [each.bundle for each in leased]
        return rows, previous, found.losses, found.counters, found.quarantined

    try:
        return asyncio.run(main())
    finally:
        shutil.rmtree(copy)


def loop(folder: Path, times: int) -> None:
    """Start and be killed, again and again."""
    reader, writer = os.pipe()
    for number in range(times):

        def start(run: str = f"LOOP{number}") -> None:
            before = _written_bytes()
            _open(folder, run)
            os.write(writer, f"{_written_bytes() - before}\n".encode())
            _die()

        assert not _in_a_process_of_its_own(start)
        sys.stdout.write(os.read(reader, 100).decode())
        sys.stdout.flush()  # a child would write it once more


def main(words: Sequence[str]) -> None:
    """Do what the words say."""
    folder, what, *rest = words
    if what == "each":
        each(Path(folder))
    else:
        loop(Path(folder), int(rest[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
