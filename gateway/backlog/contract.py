"""What a backlog promises; `memory` and `sqlite` keep it, and one suite holds both to it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

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


class Backlog(Protocol):
    """Observations kept until the broker has acknowledged them.

    One caller at a time: every coroutine is awaited before the next is started. What `append`
    returned for is durable (power cut, SIGKILL). A row is handed out by `lease` to one holder
    until it is settled or released; leases live in memory only, so a restart leases everything
    again. Oldest first. Any coroutine may raise BacklogError: then nothing it was asked to do is
    known to be durable.
    """

    @property
    def bundles(self) -> int:
        """Rows committed and not settled, leased or not."""
        ...

    @property
    def observations(self) -> int:
        """Observations in those rows."""
        ...

    @property
    def bytes_used(self) -> int:
        """Bytes the store takes on the medium."""
        ...

    @property
    def max_bytes(self) -> int:
        """The most it may take."""
        ...

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        ...

    @property
    def asides(self) -> int:
        """Bundles set aside."""
        ...

    @property
    def aside_bytes(self) -> int:
        """Rendered bytes of what is set aside, at most."""
        ...

    @property
    def quarantined(self) -> str:
        """Where this run had to put a damaged or failed file, empty if it had not."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether no loss range and nothing set aside was left in the quarantined file."""
        ...

    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Open or create the store, record the streams of this run, say what was there.

        Of earlier runs the newest MOST_PREVIOUS streams are remembered: else runs that are cut
        off while the broker is away would pile them up without end.
        """
        ...

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        """Commit bundles and replay counters in one transaction.

        Returns the bundles' rows, in their order, leased to the caller.
        """
        ...

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first; rows found damaged go to `damaged`."""
        ...

    def damaged(self) -> Sequence[Row]:
        """Return the damaged rows that `lease` has met since the last call, leased to the caller.

        They can only be dropped.
        """
        ...

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back."""
        ...

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows in one transaction."""
        ...

    async def drop(self, rows: Sequence[int], reason: str, at: Moment) -> Sequence[Row]:
        """Delete rows, leased or not, and write their loss ranges, in one transaction.

        Returns those that were there.
        """
        ...

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        """Drop the oldest rows of a class for `full` until `min_bytes` are free below the cap.

        Where the medium has less free than must stay free, they are made free within the store.
        Rows that nobody has leased go first. Returns what went: nothing when there is no row of
        that class, or room already, and never more than some MB at a time.
        """
        ...

    async def declare(self, losses: Sequence[Loss]) -> None:
        """Write loss ranges of what was never in the backlog, merged with their neighbours."""
        ...

    async def losses(self) -> Sequence[Loss]:
        """Return the loss ranges that `forget_losses` was not called for, oldest first."""
        ...

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        """Delete loss ranges that the broker has; one that has grown meanwhile stays."""
        ...

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        """Put bundles where people look into them, and delete their rows, in one transaction.

        What is set aside has a bound; beyond it the oldest are given up, as the losses returned.
        """
        ...

    async def remember(self, key: str, value: str) -> None:
        """Keep a word for the runs to come (`Recovery.memories`); an empty one is forgotten."""
        ...

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept, for its age."""
        ...

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run, None for none."""
        ...

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit replay counters alone (every 15 minutes at most)."""
        ...

    async def reserve_sessions(self, least: int = 0) -> int:
        """Reserve the next block of session numbers, none below `least`; its first.

        A run owns one from its start.
        """
        ...

    async def forget_previous(self) -> None:
        """Delete the records of earlier runs: their end has been published."""
        ...

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end of this run and close."""
        ...
