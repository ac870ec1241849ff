"""The backlog that outlives power cuts: the protocol, on one dedicated thread.

What a call does to the file and what it does to the books happens wholly or not at all, also when
its caller is cancelled meanwhile: the work goes on behind it, in order, and rows that nobody is
there to take are given back. A healthy run writes when it opens and when it closes, nothing else.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gateway.backlog import DEFAULT_MAX_BYTES, require_rememberable
from gateway.backlog.sqlite.connection import Connect, connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.ledger import Ledger
from gateway.backlog.sqlite.medium import Free, free_bytes
from gateway.backlog.sqlite.thread import OneThread
from gateway.errors import BacklogError
from gateway.model import (
    Aside,
    Bundle,
    Kept,
    Loss,
    Moment,
    ObservationClass,
    Recovery,
    Row,
    Stream,
)

P = ParamSpec("P")
T = TypeVar("T")


def _nobody_waits(_result: object) -> None:
    """Leave the result of a cancelled call as it is."""


class SqliteBacklog:
    """Keeps bundles in `directory`, at most `max_bytes` of pages, WAL (1 MB) and lock not counted.

    On a medium with less than `keep_free` bytes free the file does not grow; `ballast` bytes are
    held ready there, to be given up when nothing could be deleted for want of room.
    """

    def __init__(  # noqa: PLR0913 - the last two are its way to the machine
        self,
        directory: Path,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        keep_free: int = 0,
        ballast: int = 0,
        connect: Connect = connect,
        free: Free = free_bytes,
    ) -> None:
        limits = Limits(max_bytes=max_bytes, keep_free=keep_free, ballast=ballast)
        self._database = Database(directory, limits, connect, free)
        self._thread: OneThread | None = None  # from open to close
        self._turn = asyncio.Lock()
        self._ledger = Ledger((), next_row=0)
        self._counters: dict[str, int] = {}  # as committed
        self._memories: dict[str, str] = {}  # likewise
        self._damaged: list[Row] = []

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
        return self._database.file.bytes_used

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        return self._ledger.unleased

    @property
    def max_bytes(self) -> int:
        """The most bytes its pages may take."""
        return self._database.file.max_bytes

    @property
    def asides(self) -> int:
        """Bundles set aside."""
        return self._database.asides[0]

    @property
    def aside_bytes(self) -> int:
        """Rendered bytes of what is set aside, at most."""
        return self._database.asides[1]

    @property
    def quarantined(self) -> str:
        """Where this run had to put a damaged or failed file, empty if it had not."""
        return self._database.file.quarantined

    @property
    def is_whole(self) -> bool:
        """Whether no loss range and nothing set aside was left in the quarantined file."""
        return self._database.file.is_whole

    # -------------------------------------------------------------------------------- a run's rim
    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Open or create the store, record the streams of this run, say what was there."""
        return await self._complete(lambda: self._open(tuple(streams)))

    async def _open(self, streams: Sequence[Stream]) -> Recovery:
        if self._thread is None:
            self._thread = OneThread("backlog")
        opened = await self._call(self._database.open, streams)
        self._ledger = Ledger(streams, next_row=opened.next_row)
        self._ledger.found(opened.recovery.bundles, opened.recovery.observations)
        self._counters = dict(opened.recovery.counters)
        self._memories = dict(opened.recovery.memories)
        return opened.recovery

    async def reserve_sessions(self, least: int = 0) -> int:
        """Reserve SESSIONS_PER_RESERVATION more session numbers, from `least` on; the first."""
        return await self._complete(lambda: self._call(self._database.reserve_sessions, least))

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
            for head, bundle in found:
                taken[head.row] = head.count
                resume = head.row + 1
                if bundle is None:
                    self._damaged.append(head)
                else:
                    kept.append(Kept(head.row, bundle))
        finally:
            ledger.end_lease(resume, taken)
        return tuple(kept)

    def damaged(self) -> Sequence[Row]:
        """Return the damaged rows that `lease` has met since the last call, leased."""
        found, self._damaged = self._damaged, []
        return tuple(found)

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

    # ------------------------------------------------------------------- dropped, aside, declared
    async def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        """Delete rows, leased or not, and write their loss ranges, in one transaction."""
        mine = tuple(rows)
        return await self._complete(lambda: self._drop(self._database.drop, mine, reason, at))

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        """Drop the oldest rows of a class for `full` until there is room for `min_bytes`."""
        drop, leased = self._database.drop_oldest, self._ledger.leased
        return await self._complete(lambda: self._drop(drop, klass, min_bytes, at, leased))

    async def _drop(
        self, job: Callable[P, Sequence[Row]], *args: P.args, **kwargs: P.kwargs
    ) -> Sequence[Row]:
        dropped = await self._call(job, *args, **kwargs)
        self._ledger.dropped({row.row: row.count for row in dropped})
        return tuple(dropped)

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        """Put bundles aside and delete their rows; the losses of what was given up for room."""
        mine = tuple(asides)
        return await self._complete(lambda: self._set_aside(mine, at))

    async def _set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        rows, given_up = await self._call(self._database.set_aside, asides, at)
        self._ledger.dropped({row.row: row.count for row in rows})
        return tuple(given_up)

    async def declare(self, losses: Sequence[Loss]) -> None:
        """Write loss ranges of what was never in the backlog."""
        mine = tuple(losses)
        if mine:
            await self._complete(lambda: self._call(self._database.declare, mine))

    async def losses(self) -> Sequence[Loss]:
        """Return the loss ranges that were not forgotten, oldest first."""
        return tuple(await self._complete(lambda: self._call(self._database.losses)))

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        """Delete those ranges that are still exactly so."""
        mine = tuple(losses)
        if mine:
            await self._complete(lambda: self._call(self._database.forget_losses, mine))

    # ----------------------------------------------------------------------------- questions of it
    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept, for its age."""
        return await self._complete(lambda: self._call(self._database.oldest))

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run, None when none is."""
        return await self._complete(lambda: self._first_unsettled(stream))

    async def _first_unsettled(self, stream: str) -> int | None:
        row = self._ledger.to_look_up(stream)
        if row is not None:
            first_seq = await self._call(self._database.first_seq, row)
            if first_seq is not None:
                self._ledger.looked_up(stream, row, first_seq)
        return self._ledger.first_seq(stream)

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit the replay counters that changed."""
        changed = self._changed(counters)
        if changed:
            await self._complete(lambda: self._save_counters(changed))

    async def _save_counters(self, counters: Mapping[str, int]) -> None:
        await self._call(self._database.save_counters, counters)
        self._counters.update(counters)

    async def remember(self, key: str, value: str) -> None:
        """Keep a word for the runs to come; nothing is written when it is known already."""
        require_rememberable(key, value)
        if self._memories.get(key, "") != value:
            await self._complete(lambda: self._remember(key, value))

    async def _remember(self, key: str, value: str) -> None:
        await self._call(self._database.remember, key, value)
        self._memories[key] = value

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
