"""The store's side of delivery: commit by the deadline, delete the settled, lease for replay.

One store operation at a time. When the store has no room, the oldest routine bundles go, events
last. When it is in trouble, observations stay in memory, the state says so, and it is tried again
with back-off; beyond the memory's bound they go in the same order. What goes is declared.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from gateway.books import Books, Parcel
from gateway.condition import Condition, State
from gateway.errands import Errand, Errands
from gateway.errors import BacklogError, BacklogFullError
from gateway.health import Health
from gateway.losses import Losses
from gateway.model import Bundle, Row, Stream
from gateway.paperwork import Paperwork
from gateway.patience import store_in_time
from gateway.refill import Refill, Wanting
from gateway.rim import Rim
from gateway.shedding import Shedding, Waiting
from gateway.stocktaking import Stocktaking

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000
DELETE_AFTER_NS: Final = 250_000_000  # rows are deleted in groups,
DELETE_ROWS: Final = 256  # unless there are many,
DELETE_TAKES_NS: Final = 300_000_000  # in one transaction: a sync, as slow as the promise allows
SAVE_COUNTERS_NS: Final = 15 * 60 * NS
_LITTLE_BYTES: Final = 4096  # a page, for an errand; the store has some above its cap for them
_PROBE: Final = "probe"  # the word that is written to see whether the store works again


class KeepLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of docs/explanation/delivery.md that concern keeping."""

    commit_after_ns: int = 700_000_000
    memory_bytes: int = 4_000_000
    strict: bool = False  # commit before sending


class Desk(Waiting, Wanting, Protocol):
    """The rest of delivery, as the keeper sees it."""

    def oldest_open_ns(self) -> int | None:
        """When the oldest observation of an open bundle was heard."""
        ...

    def committed(self, parcels: Sequence[Parcel]) -> None:
        """Hear that these are durable now."""
        ...

    def relieved(self) -> None:
        """Hear that there may be room again."""
        ...


class Keeper:
    """What is done to one backlog: the task `keep`, and that of `refill`."""

    def __init__(
        self, limits: KeepLimits, *, rim: Rim, books: Books, losses: Losses, health: Health
    ) -> None:
        self._limits = limits
        self._clock = rim.clock
        self._backlog = rim.backlog
        self._counters = rim.counters
        self._backoff_s = rim.backoff_s
        self._books = books
        self._losses = losses
        self._health = health
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._pulse = health.vitals.pulse("keep", self._wake.set)
        self._condition = Condition(rim, books, health)
        self._shedding = Shedding(rim, books, losses)
        self.stock = Stocktaking(rim, losses, on_read=self._pulse.beat)
        self._paperwork = Paperwork(rim, books, losses, self.stock)
        self.refill = Refill(
            rim=rim, books=books, health=health, lock=self._lock, on_damaged=self._found_damaged
        )
        self._desk: Desk
        self._idle = False
        self._closing = False
        self._failures = 0
        self._retry_ns = 0
        self._delete_at_ns = 0
        self._saved: Mapping[str, int] = {}
        self._save_at_ns = 0
        self._errands = Errands(rim)
        losses.on_told = self._wake.set

    def serve(self, desk: Desk) -> None:
        """Take the rest of delivery as it is; before anything else."""
        self._desk = self._shedding.desk = self.refill.desk = desk

    def retune(self, limits: KeepLimits) -> None:
        """Go on with other limits."""
        self._limits = limits
        self._wake.set()

    # ----------------------------------------------------------------------------------- questions
    @property
    def state(self) -> State:
        """As docs/reference/schema.md, storeState."""
        return self._condition.state

    @property
    def oldest(self) -> Bundle | None:
        """The oldest bundle in the backlog, for its age."""
        return self.stock.oldest

    @property
    def has_room(self) -> bool:
        """Whether memory is below its bound; while the store fails, room is made by dropping."""
        # Not while it is tried again: what is being committed cannot go, and what is newer would.
        return not self._full() or (bool(self._failures) and not self._books.is_committing)

    @property
    def commits_first(self) -> bool:
        """Whether only what is durable may be sent."""
        return self._limits.strict and not self._failures

    def _full(self) -> bool:
        # Open bundles do not count: they are two, of 16 kB at most.
        return self._books.memory_bytes >= self._limits.memory_bytes

    # --------------------------------------------------------------------------------------- hints
    def offered(self) -> None:
        """Hear that there is more in memory."""
        if self._failures:
            if self._full():
                self._shedding.shed(self._limits.memory_bytes)
            self._judge()
        if self._idle or self._limits.strict or self._full():
            self._wake.set()

    def settled(self) -> None:
        """Hear that a parcel was acknowledged; its row, if it has one, is deleted soon."""
        if self._books.to_delete:
            if not self._delete_at_ns:
                self._delete_at_ns = self._clock.boot_ns() + DELETE_AFTER_NS
            if self._idle or len(self._books.to_delete) >= DELETE_ROWS:
                self._wake.set()

    def order(self, errand: Errand) -> None:
        """Have the backlog called when it is its turn, again if it fails."""
        self._errands.order(errand)
        self._wake.set()

    def condemn(self, parcel: Parcel, reason: str) -> None:
        """Have a parcel set aside; until that is durable it stays where it is."""
        self._books.condemn(parcel, reason)
        self._wake.set()

    def _found_damaged(self, rows: Sequence[Row]) -> None:
        self.order(partial(self._drop_damaged, rows))

    # ---------------------------------------------------------------------------------------- keep
    async def keep(self) -> None:
        """Commit by the deadline and delete what is settled, until `stop`."""
        self._saved = self._counters()
        self._save_at_ns = self._clock.boot_ns() + SAVE_COUNTERS_NS
        self._judge()
        while not self._closing:
            await self._until_due()
            async with self._lock:
                await self._tend()
        self._health.vitals.end("keep")

    async def _until_due(self) -> None:
        while not self._closing:
            self._pulse.beat()
            keeping = _first(self._commit_due_ns(), self._delete_due_ns())
            self._idle = keeping is None
            due = _first(keeping, self._errand_due_ns())
            next_ns = _first(due, self._save_at_ns, self.stock.due_ns, self._condition.due_ns) or 0
            wait_ns = max(next_ns, self._retry_ns) - self._clock.boot_ns()
            if wait_ns <= 0:
                return
            self._wake.clear()
            try:
                async with asyncio.timeout(wait_ns / NS):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _tend(self) -> None:
        now = self._clock.boot_ns()
        if _passed(self._condition.due_ns, now):
            self._judge()
        if now < self._retry_ns or self._closing:
            return
        try:
            await self._commit_and_delete(now)
            if now >= self._save_at_ns:
                await self._save(now)
            if _passed(self.stock.due_ns, now):
                await self.stock.look()
            # One at a time, for a commit may fall due meanwhile.
            await self._errands.do_next(self._run)
            if self._failures:
                await self._probe(now)
        except BacklogError as error:
            self._failed(error)

    async def _commit_and_delete(self, now: int) -> None:
        delete_due = _passed(self._delete_due_ns(), now)
        # What falls due while rows are deleted would be late: it goes first.
        if _passed(self._commit_due_ns(), now + DELETE_TAKES_NS * delete_due):
            await self._commit_in_room()
        if delete_due:
            await self._delete()
            self._succeeded()

    async def _run(self, errand: Errand) -> None:
        condemned = self._books.condemned if errand == self._paperwork.set_aside else ()
        size = next((parcel.bundle.size for parcel in condemned), _LITTLE_BYTES)
        await self._in_room(errand, lambda: size)

    async def _probe(self, now: int) -> None:
        """Write something, for there may be nothing else by which a store shows that it works."""
        await self._backlog.remember(_PROBE, str(now))
        self._pulse.beat()
        self._succeeded()

    def _errand_due_ns(self) -> int | None:
        standing: Sequence[tuple[Errand, object]] = (
            (self._paperwork.declare, self._losses.undeclared),
            (self._paperwork.forget, self._losses.to_forget()),
            (self._paperwork.set_aside, self._books.condemned),
        )
        for errand, wanted in standing:
            if wanted and errand not in self._errands:
                self._errands.order(errand)
        return 0 if self._failures else self._errands.due_ns

    def _commit_due_ns(self) -> int | None:
        heard = [parcel.heard_at_ns for parcel in self._books.memory.values()]
        oldest_open = self._desk.oldest_open_ns()
        if oldest_open is not None:
            heard.append(oldest_open)
        if not heard:
            return None
        at_once = self._limits.strict or self._full()
        return 0 if at_once else min(heard) + self._limits.commit_after_ns

    def _delete_due_ns(self) -> int | None:
        rows = len(self._books.to_delete)
        if not rows:
            return None
        return 0 if rows >= DELETE_ROWS else self._delete_at_ns

    # --------------------------------------------------------------------------------------- store
    async def _in_room(
        self, act: Callable[[], Awaitable[object]], needed_bytes: Callable[[], int]
    ) -> bool:
        """Act; give back first what is settled, then give up what may go: whether it was."""
        attempt = 0
        while True:
            try:
                await act()
            except BacklogFullError as refusal:
                self._condition.refused()
                self._judge()
                if self._books.to_delete:
                    await self._delete()
                elif await self._shedding.make_room(needed_bytes(), attempt):
                    self._condition.shed(refusal)
                    self.stock.losses_changed()
                    attempt += 1
                else:
                    raise
            else:
                if attempt:
                    self._shedding.fitted()
                self._succeeded()
                return attempt > 0
            finally:
                self._pulse.beat()

    async def _commit_in_room(self) -> None:
        gave_up = await self._in_room(self._commit, lambda: self._books.memory_bytes)
        self._shedding.fitted()
        if not gave_up:
            self._condition.fitted()
            self._judge()

    async def _commit(self) -> None:
        self._desk.seal_all()
        parcels = list(self._books.memory.values())
        counters = self._counters()
        for parcel in parcels:
            parcel.committing = True
        try:
            rows = await self._backlog.append([p.bundle for p in parcels], counters)
        finally:
            for parcel in parcels:
                parcel.committing = False
        self._pulse.beat()
        for parcel, row in zip(parcels, rows, strict=True):
            self._books.commit(parcel, row)
        self._saved = counters
        unsettled = [p for p in parcels if not p.over]
        for parcel in unsettled:
            self.stock.committed(*parcel.bundle.key)
        self._desk.committed(unsettled)
        self.refill.wake()
        if self.stock.oldest is None:
            await self.stock.look()

    async def _delete(self) -> None:
        rows, self._books.to_delete = self._books.to_delete, []
        self._delete_at_ns = 0
        try:
            await self._backlog.settle(rows)
        except BacklogError:
            self._books.to_delete += rows
            raise
        self._pulse.beat()
        self._condition.fitted()
        await self.stock.look()

    async def _save(self, now: int) -> None:
        counters = self._counters()
        if counters != self._saved:
            await self._backlog.save_counters(counters)
            self._pulse.beat()
            self._saved = counters
            self._succeeded()
        self._save_at_ns = now + SAVE_COUNTERS_NS

    async def _drop_damaged(self, rows: Sequence[Row]) -> None:
        await self._shedding.drop_damaged(rows)
        self.stock.losses_changed()

    # ------------------------------------------------------------------------------------- trouble
    def _failed(self, error: BacklogError) -> None:
        if not self._failures:
            log.error("store failed, memory only cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._failures)
        self._failures += 1
        self._retry_ns = self._clock.boot_ns() + int(wait_s * NS)
        self._shedding.shed(self._limits.memory_bytes)
        self._condition.failed(error)
        self._judge()
        self._desk.relieved()

    def _succeeded(self) -> None:
        if self._failures:
            log.warning("store works again after_failures=%d", self._failures)
        self._failures = 0
        self._retry_ns = 0
        self._condition.failed(None)
        self._judge()
        self._desk.relieved()

    def _judge(self) -> None:
        self._condition.judge(self._limits.memory_bytes)

    # ----------------------------------------------------------------------------------------- end
    def stop(self) -> None:
        """End both tasks after what they are at."""
        self._closing = True
        self._wake.set()
        self.refill.stop()

    async def finish(self, streams: Sequence[Stream]) -> None:
        """Commit what is left, and record a clean end.

        Raises BacklogError when that cannot be had: then the next run finds an unclean end, and
        says so.
        """
        async with store_in_time(), self._lock:
            await self._close(streams)

    async def _close(self, streams: Sequence[Stream]) -> None:
        self._desk.seal_all()
        if self._books.memory:
            await self._commit_in_room()
        if self._books.to_delete:
            await self._delete()
        if self._losses.undeclared:
            await self._in_room(self._paperwork.declare, lambda: _LITTLE_BYTES)
        await self._backlog.close(streams, self._counters())


def _first(*dues: int | None) -> int | None:
    return min((due for due in dues if due is not None), default=None)


def _passed(due_ns: int | None, now: int) -> bool:
    return due_ns is not None and due_ns <= now
