"""Who goes when there is no room: routine before events, in each class the oldest first.

An event is never given up while there is a routine bundle that could go instead: first the routine
rows of the store, then routine bundles in memory, then the event rows of the store, and what is in
memory only beyond its bound. What goes is declared, also where it was on its way meanwhile.
"""

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from gateway.books import Books, Parcel
from gateway.losses import Losses
from gateway.model import ObservationClass, Row
from gateway.rim import Rim

log = logging.getLogger(__name__)

LEAST_STEP_BYTES: Final = 4096
# Given up so far beyond what was needed, and there still is no room: then the medium is full of
# something else, and to give up more would only lose more.
_FUTILE_FACTOR: Final = 2
_FUTILE_BYTES: Final = 256_000


class Waiting(Protocol):
    """Where parcels wait to be sent."""

    def seal_all(self) -> None:
        """Close open bundles and enter them into the books."""
        ...

    def dropped(self, parcel: Parcel) -> None:
        """Forget a parcel that was given up."""
        ...


class Shedding:
    """Gives up what there is no room for, in order."""

    def __init__(self, rim: Rim, books: Books, losses: Losses) -> None:
        self._backlog = rim.backlog
        self._books = books
        self._losses = losses
        self._freed = 0  # bytes, since there was room
        self.desk: Waiting

    def fitted(self) -> None:
        """Hear that the store took what it was given."""
        self._freed = 0

    # --------------------------------------------------------------------------------------- store
    async def make_room(self, needed_bytes: int, attempt: int) -> bool:
        """Give up the next in line for what the store refused; False: there is no use in more.

        Steps double with each attempt, since how small the store makes a bundle is not known here.
        """
        step = max(LEAST_STEP_BYTES, min(needed_bytes, (needed_bytes >> 2) << attempt))
        if self._freed > _FUTILE_FACTOR * needed_bytes + _FUTILE_BYTES:
            return False
        if await self._drop_rows("routine", step) or self._books.to_delete:
            return True  # or room is made by what was acknowledged meanwhile
        if not self._backlog.bundles:
            return False  # it is not the store that fills the medium, or memory is the larger
        self.desk.seal_all()
        if self._drop_in_memory("routine", step):
            return True
        return await self._drop_rows("event", step)

    async def _drop_rows(self, klass: ObservationClass, step: int) -> bool:
        at = self._losses.now()
        used = self._backlog.bytes_used
        # Where it is the medium that is full, there are bytes free below the cap.
        free = max(0, self._backlog.max_bytes - used)
        with self._books.dropping():
            rows = await self._backlog.drop_oldest(klass, free + step, at)
            for row in rows:
                self._gone(row)
                self._losses.wrote(row, "full", at)
        self._freed += max(0, used - self._backlog.bytes_used)
        return bool(rows)

    async def drop_damaged(self, damaged: Sequence[Row]) -> None:
        """Declare rows that cannot be read any more."""
        log.error("rows damaged, dropped rows=%d", len(damaged))
        at = self._losses.now()
        with self._books.dropping():
            rows = await self._backlog.drop([each.row for each in damaged], "damaged", at)
            for row in rows:
                self._gone(row)
                self._losses.wrote(row, "damaged", at)

    def _gone(self, row: Row) -> None:
        for parcel in self._books.drop_row(row):
            self.desk.dropped(parcel)

    # -------------------------------------------------------------------------------------- memory
    def _drop_in_memory(self, klass: ObservationClass, step: int) -> bool:
        freed = 0
        while freed < step:
            victim = next(self._books.droppable(klass), None)
            if victim is None:
                break
            freed += victim.bundle.size
            self._give_up(victim, "full")
        return freed > 0

    def shed(self, memory_bytes: int) -> None:
        """Give up the oldest in memory until it is below its bound again."""
        while self._books.memory_bytes >= memory_bytes:
            victim = self._first_to_go()
            if victim is None:
                return
            self._give_up(victim, "store")

    def _first_to_go(self) -> Parcel | None:
        routine = next(self._books.droppable("routine"), None)
        if routine is None:
            self.desk.seal_all()
            routine = next(self._books.droppable("routine"), None)
        if routine is not None:
            return routine
        if self._books.is_committing:
            return None  # there may be routine in it, and that is known in a moment
        return next((each for each in self._books.droppable("event") if not each.in_flight), None)

    def _give_up(self, parcel: Parcel, reason: str) -> None:
        self._books.drop(parcel)
        self._losses.lose(parcel, reason)
        self.desk.dropped(parcel)
