"""The backlog that outlives power cuts: the protocol, on one dedicated thread.

What a call does to the file and what it does to the books happens wholly or not at all, also when
its caller is cancelled meanwhile: the work goes on behind it, in order, and rows that nobody is
there to take are given back. A healthy run writes when it opens and when it closes, nothing else.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.backlog.sqlite.connection import Connect, connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.ledger import Ledger
from gateway.errors import BacklogError
from gateway.model import Bundle, Kept, Recovery, Stream

P = ParamSpec("P")
T = TypeVar("T")


def _nobody_waits(_result: object) -> None:
    """Leave the result of a cancelled call as it is."""


class SqliteBacklog:
    """Keeps bundles in `directory`, at most `max_bytes` of pages, WAL (1 MB) and lock not counted.

    A row whose body is damaged is kept but never handed out (`unreadable`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        connect: Connect = connect,
    ) -> None:
        self._database = Database(directory, max_bytes=max_bytes, connect=connect)
        self._thread: ThreadPoolExecutor | None = None  # from open to close
        self._turn = asyncio.Lock()
        self._ledger = Ledger((), next_row=0)
        self._counters: dict[str, int] = {}  # as committed
        self._unreadable = 0

    # ---------------------------------------------------------------------------------- questions
    @property
    def bundles(self) -> int:
        """Rows committed and not settled, leased or not."""
        return self._ledger.bundles

    @property
    def observations(self) -> int:
        """Observations in those rows."""
        return self._ledger.observations

    @property
    def bytes_used(self) -> int:
        """Bytes of the pages in use: falls as the store drains, though the file keeps its size."""
        return self._database.bytes_used

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        return self._ledger.unleased

    @property
    def unreadable(self) -> int:
        """Rows found damaged in this run."""
        return self._unreadable

    # -------------------------------------------------------------------------------- a run's rim
    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Open or create the store, record the streams of this run, say what was there."""
        return await self._complete(lambda: self._open(tuple(streams)))

    async def _open(self, streams: Sequence[Stream]) -> Recovery:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backlog")
        opened = await self._call(self._database.open, streams)
        self._ledger = Ledger(streams, next_row=opened.next_row)
        self._ledger.found(opened.recovery.bundles, opened.recovery.observations)
        self._counters = dict(opened.recovery.counters)
        return opened.recovery

    async def reserve_sessions(self) -> int:
        """Reserve SESSIONS_PER_RESERVATION more session numbers; the first of them."""
        return await self._complete(lambda: self._call(self._database.reserve_sessions))

    async def forget_previous(self) -> None:
        """Delete the records of earlier runs: their end has been published."""
        await self._complete(lambda: self._call(self._database.forget_previous))

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end of this run and close. What was never opened closes too."""
        changed = self._changed(counters)
        await self._complete(lambda: self._close(tuple(streams), changed))

    async def _close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        if self._thread is None:
            return
        try:
            await self._call(self._database.close, streams, counters)
        finally:
            self._thread.shutdown(wait=True)  # it has nothing left to do
            self._thread = None

    # --------------------------------------------------------------------------------------- rows
    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        """Commit the bundles and changed counters in one transaction; their rows, leased."""
        if not bundles:
            return ()
        brought, changed = tuple(bundles), self._changed(counters)
        return await self._complete(lambda: self._append(brought, changed), self.release)

    async def _append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        rows = await self._call(self._database.append, bundles, counters)
        self._ledger.appended(rows, bundles)
        self._counters.update(counters)
        return rows

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first."""
        if min(limit, self.unleased) <= 0:
            return ()
        return await self._complete(lambda: self._lease(limit), self._give_back)

    async def _lease(self, limit: int) -> Sequence[Kept]:
        ledger = self._ledger
        start = resume = ledger.begin_lease()
        taken: dict[int, int] = {}
        kept: list[Kept] = []
        try:
            wanted = min(limit, ledger.unleased)
            found = await self._call(self._database.lease, start, wanted, ledger.leased)
            for row, count, bundle in found:
                taken[row] = count
                resume = row + 1
                if bundle is None:
                    self._unreadable += 1
                else:
                    kept.append(Kept(row, bundle))
        finally:
            ledger.end_lease(resume, taken)
        return tuple(kept)

    def _give_back(self, kept: Sequence[Kept]) -> None:
        self.release([each.row for each in kept])

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back; rows that are not leased are left alone."""
        self._ledger.release(rows)

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows in one transaction; rows not leased are left alone."""
        mine = tuple(rows)
        await self._complete(lambda: self._settle(mine))

    async def _settle(self, rows: Sequence[int]) -> None:
        mine = self._ledger.begin_settle(rows)
        is_done = False
        try:
            if mine:
                await self._call(self._database.settle, mine)
            is_done = True
        finally:
            self._ledger.end_settle(deleted=is_done)

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept, for its age."""
        return await self._complete(lambda: self._call(self._database.oldest))

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run, None when none is."""
        return await self._complete(lambda: self._first_unsettled(stream))

    async def _first_unsettled(self, stream: str) -> int | None:
        start = self._ledger.to_search(stream)
        if start is not None:
            hit = await self._call(self._database.lowest, stream, start)
            self._ledger.sought(stream, hit)
        return self._ledger.first_seq(stream)

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit the replay counters that changed."""
        changed = self._changed(counters)
        if changed:
            await self._complete(lambda: self._save_counters(changed))

    async def _save_counters(self, counters: Mapping[str, int]) -> None:
        await self._call(self._database.save_counters, counters)
        self._counters.update(counters)

    def _changed(self, counters: Mapping[str, int]) -> Mapping[str, int]:
        committed = self._counters
        return {key: value for key, value in counters.items() if committed.get(key) != value}

    # --------------------------------------------------------------------------------- thread
    async def _call(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._thread is None:
            cause = "the store is not open"
            raise BacklogError(cause)
        work = functools.partial(job, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _complete(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        unwanted: Callable[[T], None] = _nobody_waits,
    ) -> T:
        """Finish `work` whatever happens to the caller; a result it does not see is `unwanted`."""
        task = asyncio.create_task(self._in_turn(work), name="backlog")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(functools.partial(_dispose, unwanted))
            raise

    async def _in_turn(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._turn:
            return await work()


def _dispose(unwanted: Callable[[T], None], task: asyncio.Task[T]) -> None:
    if not task.cancelled() and task.exception() is None:
        unwanted(task.result())
