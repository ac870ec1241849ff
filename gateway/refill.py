"""Rows of the backlog, leased for the replay lane as it can use them.

A backlog that cannot be read is tried again with back-off. Rows that turn out damaged are handed
on: they can only be dropped.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.books import Books, Parcel
from gateway.errors import BacklogError
from gateway.health import Health
from gateway.model import Row
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000


class Wanting(Protocol):
    """The replay lane."""

    def wanted_rows(self) -> int:
        """How many rows it could use."""
        ...

    def leased(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels."""
        ...


class Refill:
    """One task beside the keeper's, with which it shares the store by a lock."""

    def __init__(
        self,
        *,
        rim: Rim,
        books: Books,
        health: Health,
        lock: asyncio.Lock,
        on_damaged: Callable[[Sequence[Row]], None],
    ) -> None:
        self._backlog = rim.backlog
        self._clock = rim.clock
        self._backoff_s = rim.backoff_s
        self._books = books
        self._vitals = health.vitals
        self._lock = lock
        self._on_damaged = on_damaged
        self._wanted = asyncio.Event()
        self._pulse = health.vitals.pulse("refill", self._wanted.set)
        self._closing = False
        self._failures = 0
        self._not_before_ns = 0
        self.desk: Wanting

    def wake(self) -> None:
        """Hear that the replay lane may have use for rows."""
        self._wanted.set()

    def give_back(self, rows: Sequence[int]) -> None:
        """Return leased rows to the backlog."""
        self._backlog.release(rows)

    def stop(self) -> None:
        """End the task after what it is at."""
        self._closing = True
        self._wanted.set()

    async def run(self) -> None:
        """Lease whenever there is use for it, until `stop`."""
        while not self._closing:
            self._pulse.beat()
            await self._wanted.wait()
            self._wanted.clear()
            while self._rows() and await self._lease():
                self._pulse.beat()
        self._vitals.end("refill")

    def _rows(self) -> int:
        if self._closing or self._clock.boot_ns() < self._not_before_ns:
            return 0
        return min(self.desk.wanted_rows(), self._backlog.unleased)

    async def _lease(self) -> bool:
        async with self._lock:
            try:
                kept = await self._backlog.lease(self._rows())
            except BacklogError as error:
                self._unreadable(error)
                return False
            self._failures = 0
            damaged = self._backlog.damaged()
            if damaged:
                self._on_damaged(damaged)
            # Before anybody else gets at the store: it may drop rows that are leased.
            self.desk.leased([self._books.lease(row) for row in kept])
        return bool(kept or damaged)

    def _unreadable(self, error: BacklogError) -> None:
        """Try again later; the state of the store is about writing, so it stays."""
        if not self._failures:
            log.error("backlog not readable cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._failures)
        self._failures += 1
        self._not_before_ns = self._clock.boot_ns() + int(wait_s * NS)
        asyncio.get_running_loop().call_later(wait_s, self._wanted.set)
