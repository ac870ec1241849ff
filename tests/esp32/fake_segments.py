"""A store in memory, as gateway.esp32.segments to who uses it, that fails when it is told to."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.esp32.ring import Batch

Handle = tuple[int, int, int]
Loss = tuple[str, int, int, str, str, int, int | None]
PER_SEGMENT = 3


class Flash:
    """What stays when the power goes, and what is wrong with it."""

    def __init__(self, cap: int = 1000) -> None:
        self.cap = cap  # batches
        self.rows: dict[int, Batch] = {}
        self.next_key = 0
        self.broken = False  # takes and gives nothing
        self.error: Exception = OSError(errno.EIO, "broken")
        self.durable_losses: list[Loss] = []


class FakeSegments:
    """One run's view of a Flash."""

    def __init__(self, flash: Flash) -> None:
        self.flash = flash
        self.lost: list[Loss] = []
        self._is_open = False
        self._leased: set[int] = set()
        self._cursors = {"event": -1, "routine": -1}

    def open(self) -> dict[str, int]:
        self._check()
        self._is_open = True
        return {row[1]: row[2] + len(list(row[6])) for row in self.flash.rows.values()}

    @property
    def observations(self) -> int:
        return sum(map(_count, self.flash.rows.values())) if self._is_open else 0

    @property
    def batches(self) -> int:
        return len(self.flash.rows)

    @property
    def bytes(self) -> int:
        return 2048 * len(self.flash.rows)

    def _check(self) -> None:
        if self.flash.broken:
            raise self.flash.error

    def append(self, batch: Batch) -> Handle:
        kept: Batch = (*batch[:6], list(batch[6]))
        self._check()
        if len(self.flash.rows) >= self.flash.cap:
            raise OSError(errno.ENOSPC, "full")
        key = self.flash.next_key
        self.flash.next_key += 1
        self.flash.rows[key] = kept
        self._leased.add(key)
        return key, 0, _count(kept)

    def give_back(self, handle: Handle) -> None:
        self._leased.discard(handle[0])

    def lease(self) -> Handle | None:
        self._check()
        for klass in ("event", "routine"):
            for key in sorted(self.flash.rows):
                if self.flash.rows[key][0] == klass and key > self._cursors[klass]:
                    self._cursors[klass] = key
                    if key not in self._leased:
                        self._leased.add(key)
                        return key, 0, _count(self.flash.rows[key])
        return None

    def read(self, handle: Handle) -> Batch:
        self._check()
        if handle[0] not in self.flash.rows:
            raise OSError(handle[0])
        return self.flash.rows[handle[0]]

    def settle(self, handle: Handle) -> int:
        key, _, count = handle
        if key not in self._leased:
            return 0
        self._leased.remove(key)
        del self.flash.rows[key]
        return count

    def drop_oldest(self) -> list[Loss]:
        self._check()
        rows = self.flash.rows
        gone = sorted(key for key in rows if rows[key][0] == "routine")[:PER_SEGMENT]
        losses: list[Loss] = []
        for key in gone or sorted(rows)[:PER_SEGMENT]:
            row = rows.pop(key)
            self._leased.discard(key)
            losses.append((row[1], row[2], row[2] + _count(row) - 1, "full", "boot", 0, None))
        self.flash.durable_losses += losses
        return losses


def _count(row: Batch) -> int:
    return len(list(row[6]))
