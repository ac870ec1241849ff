"""The store's side of delivery: commit by the deadline, delete the settled, lease for replay.

One store operation at a time. When the store is in trouble, observations stay in memory, the state
says so, and it is tried again with back-off; beyond the memory's bound the oldest routine bundles
are dropped, declared, events last.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from gateway.books import Books, Parcel
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Bundle, Stream
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000
DELETE_AFTER_NS: Final = 250_000_000  # rows are deleted in groups,
DELETE_ROWS: Final = 256  # unless there are many,
DELETE_TAKES_NS: Final = 300_000_000  # in one transaction: a sync, as slow as the promise allows
SAVE_COUNTERS_NS: Final = 15 * 60 * NS


Errand = Callable[[], Awaitable[object]]  # a call of the backlog


class KeepLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of docs/explanation/delivery.md that concern keeping."""

    commit_after_ns: int = 700_000_000
    memory_bytes: int = 4_000_000


class Desk(Protocol):
    """The rest of delivery, as the keeper sees it."""

    def oldest_open_ns(self) -> int | None:
        """When the oldest observation of an open bundle was heard."""
        ...

    def seal_all(self) -> None:
        """Close open bundles and enter them into the books."""
        ...

    def committed(self, parcels: Sequence[Parcel]) -> None:
        """Hear that these are durable now; those not in flight go by the replay lane."""
        ...

    def wanted_rows(self) -> int:
        """How many rows the replay lane could use."""
        ...

    def leased(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels for the replay lane."""
        ...

    def dropped(self, parcel: Parcel) -> None:
        """Forget a parcel that was given up."""
        ...

    def relieved(self) -> None:
        """Hear that there may be room again."""
        ...


class Keeper:
    """Two tasks, `keep` and `refill`, on one backlog."""

    def __init__(
        self,
        limits: KeepLimits,
        *,
        rim: Rim,
        books: Books,
    ) -> None:
        self._limits = limits
        self._clock = rim.clock
        self._backlog = rim.backlog
        self._counters = rim.counters
        self._backoff_s = rim.backoff_s
        self._books = books
        self.desk: Desk
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._refill_wake = asyncio.Event()
        self._idle = False
        self._closing = False
        self._failures = 0
        self._lease_failures = 0
        self._lease_at_ns = 0  # not before, after a failure
        self._look_failures = 0
        self._look_at_ns: int | None = 0  # at the start, and again after a failure
        self._retry_ns = 0
        self._delete_at_ns = 0
        self._saved: Mapping[str, int] = {}
        self._save_at_ns = 0
        self._floors: dict[str, int] = {}
        self._errands: list[Errand] = []
        self.oldest: Bundle | None = None  # in the backlog, for its age

    # ----------------------------------------------------------------------------------- questions
    @property
    def state(self) -> Literal["ok", "memory-only"]:
        """`ok` or `memory-only` (docs/reference/schema.md, storeState)."""
        return "memory-only" if self._failures else "ok"

    @property
    def has_room(self) -> bool:
        """Whether memory is below its bound; while the store fails, room is made by dropping."""
        return bool(self._failures) or not self._full()

    def floor(self, stream: str) -> int | None:
        """Return the lowest number of a stream in the backlog, never above the truth."""
        return self._floors.get(stream)

    def _full(self) -> bool:
        # Open bundles do not count: they are two, of 16 kB at most.
        return self._books.memory_bytes >= self._limits.memory_bytes

    # --------------------------------------------------------------------------------------- hints
    def offered(self) -> None:
        """Hear that there is more in memory."""
        full = self._full()
        if full and self._failures:
            self._shed()
        elif full or self._idle:
            self._wake.set()

    def settled(self) -> None:
        """Hear that a parcel was acknowledged; its row, if it has one, is deleted soon."""
        if self._books.to_delete:
            if not self._delete_at_ns:
                self._delete_at_ns = self._clock.boot_ns() + DELETE_AFTER_NS
            if self._idle or len(self._books.to_delete) >= DELETE_ROWS:
                self._wake.set()

    def replay_ready(self) -> None:
        """Hear that the replay lane may have use for rows."""
        self._refill_wake.set()

    def order(self, errand: Errand) -> None:
        """Have the backlog called when it is its turn, again if it fails."""
        self._errands.append(errand)
        self._wake.set()

    # ---------------------------------------------------------------------------------------- keep
    async def keep(self) -> None:
        """Commit by the deadline and delete what is settled, until `stop`."""
        self._saved = self._counters()
        self._save_at_ns = self._clock.boot_ns() + SAVE_COUNTERS_NS
        while not self._closing:
            await self._until_due()
            async with self._lock:
                await self._tend()

    async def _until_due(self) -> None:
        while not self._closing:
            due = self._due_ns()
            self._idle = due is None
            next_ns = self._save_at_ns if due is None else min(due, self._save_at_ns)
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
        if now < self._retry_ns or self._closing:
            return
        try:
            delete_due = _passed(self._delete_due_ns(), now)
            # What falls due while rows are deleted would be late: it goes first.
            if _passed(self._commit_due_ns(), now + DELETE_TAKES_NS * delete_due):
                await self._commit_or_make_room()
            if delete_due:
                await self._delete()
                self._succeeded()
            if now >= self._save_at_ns:
                await self._save(now)
            if self._errands:  # one at a time, for a commit may fall due meanwhile
                await self._errands[0]()
                del self._errands[0]
                self._succeeded()
            if _passed(self._look_at_ns, now):
                await self._look()
        except BacklogError as error:
            self._failed(error)

    def _due_ns(self) -> int | None:
        dues = [self._commit_due_ns(), self._delete_due_ns(), self._look_at_ns]
        if self._errands:
            dues.append(0)
        return min((due for due in dues if due is not None), default=None)

    def _commit_due_ns(self) -> int | None:
        heard = [p.bundle.entries[0].heard_at_ns for p in self._books.memory.values()]
        oldest_open = self.desk.oldest_open_ns()
        if oldest_open is not None:
            heard.append(oldest_open)
        if not heard:
            return None
        return 0 if self._full() else min(heard) + self._limits.commit_after_ns

    def _delete_due_ns(self) -> int | None:
        rows = len(self._books.to_delete)
        if not rows:
            return None
        return 0 if rows >= DELETE_ROWS else self._delete_at_ns

    async def _commit_or_make_room(self) -> None:
        """Commit; to a full store give back first what is settled."""
        try:
            await self._commit()
        except BacklogFullError:
            if not self._books.to_delete:
                raise
            await self._delete()
            await self._commit()

    async def _commit(self) -> None:
        self.desk.seal_all()
        parcels = list(self._books.memory.values())
        counters = self._counters()
        for parcel in parcels:
            parcel.committing = True
        try:
            rows = await self._backlog.append([p.bundle for p in parcels], counters)
        finally:
            for parcel in parcels:
                parcel.committing = False
        for parcel, row in zip(parcels, rows, strict=True):
            self._books.commit(parcel, row)
        self._saved = counters
        self._succeeded()
        unsettled = [p for p in parcels if not p.settled]
        for parcel in unsettled:
            stream, seq = parcel.bundle.key
            self._floors.setdefault(stream, seq)
        self.desk.committed(unsettled)
        self._backlog.release([p.row for p in unsettled if p.row is not None and not p.in_flight])
        self.replay_ready()
        if self.oldest is None:
            await self._look()

    async def _delete(self) -> None:
        rows, self._books.to_delete = self._books.to_delete, []
        self._delete_at_ns = 0
        try:
            await self._backlog.settle(rows)
        except BacklogError:
            self._books.to_delete += rows
            raise
        await self._look()

    async def _look(self) -> None:
        """Note what is oldest, for status alone.

        While it cannot be read, what is known stands, and it is tried again with back-off.
        """
        try:
            self.oldest = await self._backlog.oldest()
            for stream in list(self._floors):
                floor = await self._backlog.first_unsettled(stream)
                if floor is None:
                    del self._floors[stream]
                else:
                    self._floors[stream] = floor
        except BacklogError as error:
            self._blind(error)
        else:
            self._look_failures = 0
            self._look_at_ns = None

    def _blind(self, error: BacklogError) -> None:
        if not self._look_failures:
            log.warning("backlog not readable cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._look_failures)
        self._look_failures += 1
        self._look_at_ns = self._clock.boot_ns() + int(wait_s * NS)

    async def _save(self, now: int) -> None:
        counters = self._counters()
        if counters != self._saved:
            await self._backlog.save_counters(counters)
            self._saved = counters
            self._succeeded()
        self._save_at_ns = now + SAVE_COUNTERS_NS

    # ------------------------------------------------------------------------------------- trouble
    def _failed(self, error: BacklogError) -> None:
        if not self._failures:
            log.error("store failed, memory only cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._failures)
        self._failures += 1
        self._retry_ns = self._clock.boot_ns() + int(wait_s * NS)
        self._shed()
        self.desk.relieved()

    def _succeeded(self) -> None:
        if self._failures:
            log.warning("store works again after_failures=%d", self._failures)
        self._failures = 0
        self._retry_ns = 0
        self.desk.relieved()

    def _shed(self) -> None:
        """Drop the oldest in memory, routine first, until it is below its bound again."""
        while self._full():
            idle = [p for p in self._books.memory.values() if not p.in_flight and not p.committing]
            if not idle:
                return
            victim = next((p for p in idle if p.bundle.klass == "routine"), idle[0])
            self._books.drop(victim, "store", self._clock.boot_ns())
            self.desk.dropped(victim)

    # -------------------------------------------------------------------------------------- replay
    async def refill(self) -> None:
        """Lease rows for the replay lane whenever it has use for them, until `stop`."""
        while not self._closing:
            await self._refill_wake.wait()
            self._refill_wake.clear()
            while self._rows_to_lease() and await self._lease():
                pass

    def _rows_to_lease(self) -> int:
        if self._closing or self._clock.boot_ns() < self._lease_at_ns:
            return 0
        return min(self.desk.wanted_rows(), self._backlog.unleased)

    async def _lease(self) -> bool:
        async with self._lock:
            try:
                kept = await self._backlog.lease(self._rows_to_lease())
            except BacklogError as error:
                self._unreadable(error)
                return False
        self._lease_failures = 0
        self.desk.leased([self._books.lease(row) for row in kept])
        return bool(kept)

    def _unreadable(self, error: BacklogError) -> None:
        """Try again later; the state of the store is about writing, so it stays."""
        if not self._lease_failures:
            log.error("backlog not readable cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._lease_failures)
        self._lease_failures += 1
        self._lease_at_ns = self._clock.boot_ns() + int(wait_s * NS)
        asyncio.get_running_loop().call_later(wait_s, self._refill_wake.set)

    def give_back(self, parcels: Iterable[Parcel]) -> None:
        """Return leased parcels to the backlog."""
        self._backlog.release([p.row for p in parcels if p.row is not None])

    # ----------------------------------------------------------------------------------------- end
    def stop(self) -> None:
        """End both tasks after what they are at."""
        self._closing = True
        self._wake.set()
        self._refill_wake.set()

    async def finish(self, streams: Sequence[Stream]) -> None:
        """Commit what is left, and record a clean end.

        Raises BacklogError when that cannot be had: then the next run finds an unclean end, and
        says so.
        """
        async with self._lock:
            self.desk.seal_all()
            if self._books.memory:
                await self._commit_or_make_room()
            if self._books.to_delete:
                await self._delete()
            await self._backlog.close(streams, self._counters())


def _passed(due_ns: int | None, now: int) -> bool:
    return due_ns is not None and due_ns <= now
