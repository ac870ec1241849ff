"""A memory store on a disk that fails or stands still, and what the judge must know of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.errors import BacklogError
from gateway.model import Aside, Bundle, Kept, Loss, Moment, ObservationClass, Row

Key = tuple[str, int]  # stream, sequence number

OPERATIONS: Final = (
    "append",
    "lease",
    "settle",
    "drop",
    "drop_oldest",
    "declare",
    "losses",
    "forget_losses",
    "set_aside",
    "oldest",
    "first_unsettled",
    "save_counters",
    "remember",
)


class Disk(MemoryBacklog):
    """Operations fail, or stand still before or after they took effect.

    `before_drop` is called with the class of which rows are about to be dropped.
    """

    def __init__(self, medium: Medium, max_bytes: int, before_drop: Callable[[str], None]) -> None:
        super().__init__(max_bytes=max_bytes, medium=medium)
        self._before_drop = before_drop
        self.medium = medium
        self.broken: frozenset[str] = frozenset()
        self.before = asyncio.Event()
        self.after = asyncio.Event()
        self.heal()
        self.committed: set[Key] = set()
        self.committing: set[Key] = set()
        self.aside: set[Key] = set()
        self.is_dropping = False  # from the call of `drop` or `drop_oldest` to its return
        self.is_taking_out = False  # the same, of `set_aside` too

    @property
    def is_well(self) -> bool:
        return not self.broken and self.before.is_set() and self.after.is_set()

    def heal(self) -> None:
        self.broken = frozenset()
        self.before.set()
        self.after.set()

    def damage_one(self) -> None:
        """Damage the oldest row that nobody has read yet."""
        whole = [row for row in self._free if row not in self.medium.damaged]
        self.medium.damaged.update(whole[:1])

    async def _pass(self, gate: asyncio.Event, operation: str) -> None:
        await asyncio.sleep(0)  # its thread takes a moment at least
        await gate.wait()
        if operation in self.broken:
            cause = f"{operation}: input/output error"
            raise BacklogError(cause)

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        brought = {(b.stream, b.first_seq + i) for b in bundles for i in range(len(b.entries))}
        self.committing = brought
        try:
            await self._pass(self.before, "append")
            rows = await super().append(bundles, counters)
            await self._pass(self.after, "")
        finally:
            self.committing = set()
        self.committed |= brought
        return rows

    async def lease(self, limit: int) -> Sequence[Kept]:
        await self._pass(self.before, "lease")
        kept = await super().lease(limit)
        await self._pass(self.after, "")
        return kept

    async def settle(self, rows: Sequence[int]) -> None:
        await self._pass(self.before, "settle")
        await super().settle(rows)
        await self._pass(self.after, "")

    async def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        self.is_dropping = self.is_taking_out = True
        try:
            await self._pass(self.before, "drop")
            dropped = await super().drop(rows, reason, at)
            await self._pass(self.after, "")
        finally:
            self.is_dropping = self.is_taking_out = False
        return dropped

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        self._before_drop(klass)
        self.is_dropping = self.is_taking_out = True
        try:
            await self._pass(self.before, "drop_oldest")
            return await super().drop_oldest(klass, min_bytes, at)
        finally:
            self.is_dropping = self.is_taking_out = False

    async def declare(self, losses: Sequence[Loss]) -> None:
        await self._pass(self.before, "declare")
        await super().declare(losses)
        await self._pass(self.after, "")

    async def losses(self) -> Sequence[Loss]:
        await self._pass(self.before, "losses")
        losses = await super().losses()
        await self._pass(self.after, "")
        return losses

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        await self._pass(self.before, "forget_losses")
        await super().forget_losses(losses)
        await self._pass(self.after, "")

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        self.is_taking_out = True
        try:
            await self._pass(self.before, "set_aside")
            given_up = await super().set_aside(asides, at)
            await self._pass(self.after, "")
        finally:
            self.is_taking_out = False
        for bundle in (aside.bundle for aside in asides):
            self.aside |= {
                (bundle.stream, bundle.first_seq + i) for i in range(len(bundle.entries))
            }
        return given_up

    async def oldest(self) -> Bundle | None:
        await self._pass(self.before, "oldest")
        bundle = await super().oldest()
        await self._pass(self.after, "")
        return bundle

    async def first_unsettled(self, stream: str) -> int | None:
        await self._pass(self.before, "first_unsettled")
        number = await super().first_unsettled(stream)
        await self._pass(self.after, "")
        return number

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        await self._pass(self.before, "save_counters")
        await super().save_counters(counters)

    async def remember(self, key: str, value: str) -> None:
        await self._pass(self.before, "remember")
        await super().remember(key, value)
        await self._pass(self.after, "")
