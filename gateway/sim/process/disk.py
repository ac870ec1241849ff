"""The disk of an agent that was started through the launcher: the real store, failing as told.

Injected are SQLite's own errors, with their true codes, where a medium makes SQLite raise them:
when a transaction commits. What failed is rolled back. A full disk is one with nothing free, on
which the store's file cannot grow. Not reproduced: a commit that failed and is found in the log by
a later start all the same; a log that finds no room.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from gateway.backlog.contract import Backlog
from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.medium import free_bytes
from gateway.config import StoreSettings
from gateway.sim.process import store
from gateway.sim.process.levers import Levers, Look
from gateway.sim.troubles import TROUBLES, DiskTrouble

_NS_PER_S: Final = 1e9
_LOOK_S: Final = 0.01
_INJECTED: Final = "(injected by the simulator)"
_FAILURES: Final[dict[DiskTrouble, tuple[int, str]]] = {
    "eio": (sqlite3.SQLITE_IOERR_WRITE, "disk I/O error"),
    "fsync_eio": (sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"),
    "readonly": (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}


class LeverDisk:
    """The bench's end. `levers` raises SimulatorError where the agent has no such disk."""

    def __init__(
        self, levers: Callable[[], Levers], is_running: Callable[[], bool], directory: Path
    ) -> None:
        self._levers = levers
        self._is_running = is_running
        self._directory = directory

    def trouble(self, kind: DiskTrouble, *, seconds: float = 0.0) -> None:
        """Misbehave from now on until `heal`; `seconds` is how long each write takes ("slow")."""
        self._levers().pull(
            trouble_number=TROUBLES.index(kind) + 1, slow_ns=round(seconds * _NS_PER_S)
        )

    def heal(self) -> None:
        """Behave again."""
        self._levers().pull(trouble_number=0)

    def damage(self) -> None:
        """Flip a bit of a row that was committed, in the store's file.

        While the agent runs, that happens when it next uses its store, and nothing happens when
        there is no row then. While it does not, SimulatorError says so.
        """
        if not self._is_running():
            store.damage(self._directory)
            return
        levers = self._levers()
        levers.pull(damages=levers.told.damages + 1)


class LeverStore:
    """The agent's end: makes its store."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def __call__(self, given: StoreSettings) -> Backlog:
        """Return the store on this machine's disk; it is not open."""
        return SqliteBacklog(
            given.path,
            max_bytes=given.max_size_bytes,
            keep_free=given.keep_free_bytes,
            ballast=given.ballast_bytes,
            connect=self._connect,
            free=self._free,
        )

    def _connect(self, path: Path) -> sqlite3.Connection:
        return cast("sqlite3.Connection", LeverConnection(path, self._look))

    def _free(self, directory: Path) -> int:
        return 0 if self._look().trouble == "full" else free_bytes(directory)


class LeverConnection:
    """A connection with as much of sqlite3's face as the store uses, which fails as told."""

    def __init__(self, path: Path, look: Look) -> None:
        self._path = path
        self._look = look
        self._damages = look().damages
        self._connection = connect(path)

    @property
    def in_transaction(self) -> bool:
        """As sqlite3 has it."""
        return self._connection.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Do it, or fail as told."""
        if sql.startswith("BEGIN"):
            self._begin()
        elif _writes(sql):
            self._commit()
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, values: Iterable[Sequence[Any]]) -> sqlite3.Cursor:
        """Do it: it becomes durable, or not, with the transaction."""
        return self._connection.executemany(sql, values)

    def interrupt(self) -> None:
        """As sqlite3 has it."""
        self._connection.interrupt()

    def close(self) -> None:
        """As sqlite3 has it."""
        self._connection.close()

    # ------------------------------------------------------------------------------------ trouble
    def _begin(self) -> None:
        told = self._look()
        if told.damages != self._damages:
            self._damages = told.damages
            self._damage()
        if told.trouble == "readonly":
            raise _failure(told.trouble)

    def _damage(self) -> None:
        # With its descriptor the process gives up SQLite's locks (fcntl(2)), not the agent's own.
        body = store.middle_row(self._connection)
        if body is not None:
            store.flip(self._path, body)
        self._connection.execute("PRAGMA shrink_memory")  # else the page is never read again

    def _commit(self) -> None:
        told = self._look()
        while told.trouble == "hang":
            time.sleep(_LOOK_S)
            told = self._look()
        if told.trouble == "slow":
            time.sleep(told.slow_ns / _NS_PER_S)
        if told.trouble in _FAILURES:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise _failure(told.trouble)


def _writes(sql: str) -> bool:
    """Whether a statement, in the store's words, is where bytes reach the medium."""
    return sql in {"COMMIT", "VACUUM"} or "wal_checkpoint" in sql


def _failure(trouble: DiskTrouble) -> sqlite3.OperationalError:
    code, text = _FAILURES[trouble]
    failure = sqlite3.OperationalError(f"{text} {_INJECTED}")
    failure.sqlite_errorcode = code
    return failure
