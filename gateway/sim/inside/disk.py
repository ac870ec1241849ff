"""A medium in memory that can fail, and the store on it: the face `Disk`, on virtual time.

What was committed outlives kills and power cuts; of an operation that a cut meets half done the
seed decides whether it was. Not modelled: SQLite's files, so damage is always that of one row and
nothing is ever quarantined; a full medium still lets rows be deleted, as the real store's ballast
does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from random import Random
from typing import Final, TypeVar

import msgspec

from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.config import StoreSettings
from gateway.errors import BacklogError, BacklogFullError, SimulatorError
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
from gateway.sim.bench import DiskTrouble

T = TypeVar("T")

_PATH: Final = "/var/lib/ugw"  # told, it is the same each time

_PAGES_BYTES: Final = 65_536  # of a fresh store: a full medium lets it use them again

_TRIED_AGAIN_S: Final = 70.0  # the longest pause after a failure, and the commit itself

WRITE_S: Final = 0.005  # a small transaction on a good card
READ_S: Final = 0.001
_FULL: Final = "free space on the medium or raise store.max_size"
_CHECK: Final = "check the medium and its mount"
# What SQLite says of them (sqlite3_errstr), by kind of trouble.
_FAILURES: Final = {
    "eio": "disk I/O error",
    "fsync_eio": "disk I/O error",
    "readonly": "attempt to write a readonly database",
}


class InsideDisk:
    """The medium of one gateway."""

    def __init__(self, *, seed: int) -> None:
        self.medium = Medium()
        self.chance = Random(f"{seed}/disk")  # noqa: S311 - has to be repeatable
        self.kind: DiskTrouble | None = None
        self.full_at: int | None = None  # rendered bytes beyond which nothing fits
        self._seconds = 0.0
        self._ill: tuple[float, float] | None = None  # since when, and until when
        self._well = asyncio.Event()
        self._well.set()

    # ------------------------------------------------------------------------------- as the face
    def trouble(self, kind: DiskTrouble, *, seconds: float = 0.0) -> None:
        """Misbehave from now on until `heal`; `seconds` is how long each write takes ("slow")."""
        since_s = self.in_doubt_since_s
        self.heal()
        self._ill = (asyncio.get_running_loop().time() if since_s is None else since_s, inf)
        self.kind = kind
        if kind == "slow":
            self._seconds = seconds
        elif kind == "hang":
            self._well.clear()
        elif kind == "full":
            self.full_at = max(self.medium.size, _PAGES_BYTES)

    def heal(self) -> None:
        """Behave again."""
        self.kind = self.full_at = None
        if self._ill is not None:
            self._ill = (self._ill[0], min(self._ill[1], asyncio.get_running_loop().time()))
        self._seconds = 0.0
        self._well.set()

    @property
    def in_doubt_since_s(self) -> float | None:
        """Since when (loop time) an agent may have kept in memory what it heard; None: it has not.

        It tries a store that failed again within a minute.
        """
        now_s = asyncio.get_running_loop().time()
        return self._ill[0] if self._ill and now_s < self._ill[1] + _TRIED_AGAIN_S else None

    def damage(self) -> None:
        """Damage what lies there, as a bad cell would: one row that was committed.

        An agent that has read it already learns of it after its next start. Raises SimulatorError
        where there is none.
        """
        whole = sorted(self.medium.rows.keys() - self.medium.damaged)
        if not whole:
            cause = "no observation lies in the store that could be damaged"
            raise SimulatorError(cause, "let the broker be away for a while before")
        self.medium.damaged.add(self.chance.choice(whole))

    # ---------------------------------------------------------------------------- as the store is
    def files(self) -> Mapping[str, bytes]:
        """Return all that lies there."""
        return {"backlog": msgspec.json.encode(self.medium)}

    async def pass_time(self, *, writes: bool) -> None:
        """Take as long as an operation takes."""
        await asyncio.sleep(max(self._seconds, WRITE_S) if writes else READ_S)
        await self._well.wait()

    def failure(self, *, writes: bool) -> str:
        """Return why an operation fails now, "" where it does not."""
        if self.kind == "eio" or writes:
            return _FAILURES.get(self.kind or "", "")
        return ""


class InsideBacklog:
    """The store of one run on a medium: `gateway.backlog.contract.Backlog`."""

    def __init__(self, disk: InsideDisk, given: StoreSettings) -> None:
        self._disk = disk
        self._store = MemoryBacklog(max_bytes=given.max_size_bytes, medium=disk.medium)
        self._lives = True

    def abandon(self) -> None:
        """Have this run do nothing more to the medium: it was killed."""
        self._lives = False

    # ---------------------------------------------------------------------------------- questions
    @property
    def bundles(self) -> int:
        """Rows committed and not settled, leased or not."""
        return self._store.bundles

    @property
    def observations(self) -> int:
        """Observations in those rows."""
        return self._store.observations

    @property
    def bytes_used(self) -> int:
        """Rendered bytes of what is kept."""
        return self._store.bytes_used

    @property
    def max_bytes(self) -> int:
        """The most it may take."""
        return self._store.max_bytes

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        return self._store.unleased

    @property
    def asides(self) -> int:
        """Bundles set aside."""
        return self._store.asides

    @property
    def aside_bytes(self) -> int:
        """Rendered bytes of what is set aside."""
        return self._store.aside_bytes

    @property
    def quarantined(self) -> str:
        """Memory has no file that could be damaged."""
        return ""

    @property
    def is_whole(self) -> bool:
        """Memory has no file that could be damaged."""
        return True

    # --------------------------------------------------------------------------------- operations
    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Record the streams of this run, say what was there."""
        return await self._write(lambda: self._store.open(streams))

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        """Commit bundles and replay counters in one transaction."""
        size = sum(bundle.size for bundle in bundles)
        return await self._write(lambda: self._store.append(bundles, counters), size)

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first."""
        return await self._read(lambda: self._store.lease(limit))

    def damaged(self) -> Sequence[Row]:
        """Return the damaged rows that `lease` has met since the last call."""
        return self._store.damaged()

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back."""
        self._store.release(rows)

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows."""
        await self._write(lambda: self._store.settle(rows))

    async def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        """Delete rows, leased or not, and write their loss ranges."""
        return await self._write(lambda: self._store.drop(rows, reason, at))

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        """Drop the oldest rows of a class for `full` until there is room for `min_bytes`."""
        medium, full_at = self._disk.medium, self._disk.full_at
        if full_at is not None:  # less is left than the store may take: so much more has to go
            min_bytes += self.max_bytes - max(full_at, medium.size)
        return await self._write(lambda: self._store.drop_oldest(klass, min_bytes, at))

    async def declare(self, losses: Sequence[Loss]) -> None:
        """Write loss ranges of what was never in the backlog."""
        await self._write(lambda: self._store.declare(losses))

    async def losses(self) -> Sequence[Loss]:
        """Return the loss ranges that were not forgotten, oldest first."""
        return await self._read(self._store.losses)

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        """Delete loss ranges that the broker has."""
        await self._write(lambda: self._store.forget_losses(losses))

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        """Put bundles where people look into them, and delete their rows."""
        return await self._write(lambda: self._store.set_aside(asides, at))

    async def remember(self, key: str, value: str) -> None:
        """Keep a word for the runs to come."""
        await self._write(lambda: self._store.remember(key, value))

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept."""
        return await self._read(self._store.oldest)

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run."""
        return await self._read(lambda: self._store.first_unsettled(stream))

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit replay counters alone."""
        await self._write(lambda: self._store.save_counters(counters))

    async def reserve_sessions(self, least: int = 0) -> int:
        """Reserve the next block of session numbers; its first."""
        return await self._write(lambda: self._store.reserve_sessions(least))

    async def forget_previous(self) -> None:
        """Delete the records of earlier runs."""
        await self._write(self._store.forget_previous)

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end of this run and close."""
        await self._write(lambda: self._store.close(streams, counters))

    # ------------------------------------------------------------------------------ how they go
    async def _read(self, act: Callable[[], Awaitable[T]]) -> T:
        await self._disk.pass_time(writes=False)
        self._require_well(writes=False)
        return await act()

    async def _write(self, act: Callable[[], Awaitable[T]], size: int = 0) -> T:
        self._require_life()
        try:
            await self._disk.pass_time(writes=True)
        except asyncio.CancelledError:
            if not self._disk.failure(writes=True) and self._disk.chance.random() < 0.5:  # noqa: PLR2004 - a coin
                await act()
            raise
        self._require_well(writes=True)
        self._require_room(size)
        return await act()

    def _require_life(self) -> None:
        if not self._lives:
            cause = "the agent was killed"
            raise BacklogError(cause)

    def _require_well(self, *, writes: bool) -> None:
        self._require_life()
        if failure := self._disk.failure(writes=writes):
            cause = f"the store {_PATH} failed: {failure}"
            raise BacklogError(cause, _CHECK)

    def _require_room(self, size: int) -> None:
        full_at = self._disk.full_at
        if size and full_at is not None and self._disk.medium.size + size > full_at:
            cause = f"no room in the store {_PATH}: database or disk is full"
            raise BacklogFullError(cause, _FULL)
