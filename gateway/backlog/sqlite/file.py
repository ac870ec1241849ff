"""The store's file and the room for it: opened, written within its bounds, replaced, closed."""

import logging
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import msgspec

from gateway.backlog.sqlite import connection as rim
from gateway.backlog.sqlite import tally as tallies
from gateway.backlog.sqlite.handle import Handle
from gateway.backlog.sqlite.medium import Free, Medium, free_bytes
from gateway.backlog.sqlite.opening import (
    FILE,
    find_as_it_is,
    find_store,
    replace,
    take_lock,
    unusable,
)
from gateway.backlog.sqlite.schema import PAGE_BYTES
from gateway.errors import BacklogError, BacklogFullError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# A file that once was large is made small when nearly nothing is left in it, for then it is cheap.
_NEARLY_NOTHING_PAGES: Final = 64
_WORTH_SHRINKING_PAGES: Final = 2048
_SPARE: Final = 2  # what bundles take in pages is less than this many times their bytes


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes: the most the file may take, what must stay free beside it, and the ballast."""

    max_bytes: int
    keep_free: int = 0
    ballast: int = 0


class StoreFile:
    """One file in one directory. `tally` is as of the last commit."""

    def __init__(
        self, directory: Path, limits: Limits, connect: rim.Connect, free: Free = free_bytes
    ) -> None:
        self.path = directory / FILE
        self.max_bytes = limits.max_bytes
        self.tally = tallies.Tally()
        self.bytes_used = 0  # pages that hold something; written here, read anywhere
        self.quarantined = ""  # where a damaged or failed file was put; likewise
        self.is_whole = True  # no loss ranges and nothing set aside was left in there; likewise
        self.knows_runs = True  # how those before have ended, as far as it can be known
        self._free_pages = 0
        self._connect = connect
        self._page_limit = rim.max_pages(limits.max_bytes)
        self._medium = Medium(
            directory, keep_free=limits.keep_free, ballast=limits.ballast, free=free
        )
        self._handle = Handle(self.path, self)
        self._lock: int | None = None
        self._identity = (0, 0)  # of the file that is open

    # ------------------------------------------------------------------------------ open and close
    @property
    def is_open(self) -> bool:
        """Whether it is ours."""
        return self._lock is not None

    def open(self) -> None:
        """Find the store sound, make it, or make the best of what is there."""
        self._handle.end()
        if self._lock is None:
            self._lock = take_lock(self.path.parent)
        with self._handle.translated():
            found = find_store(self.path.parent, self._connect, self.max_bytes)
            self.quarantined = found.quarantined or self.quarantined
            self.is_whole = self.is_whole and found.is_whole
            self.knows_runs = self.knows_runs and found.knows_runs
            self._begin(found.connection)

    def open_as_it_is(self, lock: int) -> None:
        """Open the store if nothing has to be mended for that; the lock is held already."""
        self._lock = lock
        try:
            with self._handle.translated():
                self._begin(find_as_it_is(self.path.parent, self._connect, self.max_bytes))
        except BaseException:
            self.close()
            raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        self._handle.begin(connection)
        self._identity = self._found()
        self.tally = tallies.current(connection)
        self._take_measure(*rim.page_counts(connection))

    def close(self) -> None:
        """Let go of file and lock."""
        self._handle.end()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def reconnected(self) -> sqlite3.Connection:
        """Open the file again and put right what a failed commit may have left in it."""
        connection = self._connect(self.path)
        try:
            rim.prepare(connection, self.max_bytes)
            self._put_right(connection)
        except BaseException:
            connection.close()
            raise
        self._identity = self._found()
        return connection

    def _put_right(self, connection: sqlite3.Connection) -> None:
        """Undo what a failed commit has left in the file after all, and count what is there."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            tally = tallies.put_right(connection, self.tally.next_row)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.tally = msgspec.structs.replace(tally, ends=self.tally.ends)

    def replace(self, failed: sqlite3.Connection) -> None:
        """Put everything that `failed` reads into a new file that takes the old one's place."""
        try:
            self.quarantined, had = replace(self.path.parent, self._connect, failed, None)
        except OSError as error:
            raise unusable(self.path.parent, error) from error
        self.is_whole = self.is_whole and had.is_whole
        log.error("store goes on in a new file, the old one is %s", self.quarantined)

    # ------------------------------------------------------------------------------------- writing
    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Read as of the last commit."""
        return self._handle.reading()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Commit what is done within, or nothing of it."""
        self._require_in_place()
        with self._handle.transaction() as connection:
            yield connection
            measured = rim.page_counts(connection)
        self._take_measure(*measured)

    def _require_in_place(self) -> None:
        """Raise BacklogError when a start would not find the file that is open.

        Somebody took it or its folder away. It can still be read, and written to; but what is
        written is gone when it is closed.
        """
        if self.is_open and self._found() != self._identity:
            cause = f"the store {self.path} was taken away while it was in use"
            raise BacklogError(cause, "put it back, or restart the agent for a new one")

    def _found(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0)
        return found.st_dev, found.st_ino

    @contextmanager
    def growing(self) -> Generator[sqlite3.Connection]:
        """Commit what is done within, if the cap and what is free on the medium allow it."""
        is_scarce = self._medium.is_scarce
        try:
            with self.transaction() as connection:
                self._limit(connection, is_scarce=is_scarce)
                try:
                    yield connection
                    if self.room(connection) < 0:
                        cause = f"the store {self.path} has reached its {self.max_bytes} bytes"
                        raise BacklogFullError(cause, "raise store.max_size, or let it drain")
                finally:
                    self._limit(connection, is_scarce=False)
        except BacklogFullError as error:
            if is_scarce:
                raise self._below_floor() from error
            raise

    def _limit(self, connection: sqlite3.Connection, *, is_scarce: bool) -> None:
        """Let the file not grow while the medium is scarce: only what is free in it is written."""
        rim.limit_pages(connection, 1 if is_scarce else self._page_limit)

    def _below_floor(self) -> BacklogFullError:
        floor = self._medium.floor_bytes
        cause = f"beside the store {self.path} are less than {floor} bytes free: store.keep_free"
        return BacklogFullError(cause, "free space on the medium, or let the store drain")

    def room(self, connection: sqlite3.Connection) -> int:
        """Return how many bytes `growing` could still write, as the transaction sees it."""
        used, free = rim.page_counts(connection)
        below_cap = self.max_bytes - used * PAGE_BYTES
        return min(below_cap, free * PAGE_BYTES) if self._medium.is_scarce else below_cap

    def appended(self, job: Callable[[], T], size: int) -> T:
        """Do `job`, which grows by about `size` bytes.

        It is done again without the ballast if there is room in the file, but none for the log.
        """
        try:
            return job()
        except BacklogFullError:
            below_cap = self.max_bytes - self.bytes_used
            if min(below_cap, self._free_pages * PAGE_BYTES) < _SPARE * size:
                raise
            if not self._medium.give_up_ballast():
                raise
            return job()

    def relieved(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `job`, again without the ballast if the medium had no room for it."""
        try:
            return job(*args, **kwargs)
        except BacklogFullError:
            if not self._medium.give_up_ballast():
                raise
            return job(*args, **kwargs)

    def tidy(self) -> None:
        """Give space back that is not needed, and have the ballast again when there is room."""
        used = self.bytes_used // PAGE_BYTES
        if used <= _NEARLY_NOTHING_PAGES and self._free_pages >= _WORTH_SHRINKING_PAGES:
            self._handle.shrink()
        self._medium.take_ballast()

    def _take_measure(self, used_pages: int, free_pages: int) -> None:
        self.bytes_used, self._free_pages = used_pages * PAGE_BYTES, free_pages
