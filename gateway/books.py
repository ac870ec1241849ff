"""Where every unsettled observation is: the books of delivery.

A parcel is a bundle under way. Its place is one of: in memory, kept (a row of the backlog),
settled, dropped. Each method moves it in one step, so the sums `in_memory` and `in_backlog` are
exact whenever anybody looks.
"""

from collections import deque
from typing import Final

import msgspec

from gateway.health import Observations
from gateway.model import Bundle, Kept

LOSSES_REMEMBERED: Final = 32  # status tells that many (docs/reference/schema.md, dropped)


class Loss(msgspec.Struct, frozen=True):
    """Numbers of a stream that will never come: `first` to `last`, both included."""

    stream: str
    first: int
    last: int
    reason: str
    at_ns: int


class Parcel:
    """A bundle under way. `row` is its place in the backlog, None while it is in memory alone."""

    __slots__ = ("attempts", "bundle", "committing", "deadline_ns", "in_flight", "row", "settled")

    def __init__(self, bundle: Bundle, row: int | None) -> None:
        self.bundle = bundle
        self.row = row
        self.attempts = 0
        self.in_flight = False
        self.committing = False
        self.settled = False
        self.deadline_ns = 0  # of its acknowledgement, while in flight

    @property
    def count(self) -> int:
        """Observations in it."""
        return len(self.bundle.entries)


class Books:
    """Parcels in memory, the number of observations kept, and the law's counters beside them."""

    def __init__(self, observations: Observations) -> None:
        self._counters = observations
        self.memory: dict[tuple[str, int], Parcel] = {}
        self.memory_bytes = 0
        self.in_memory = 0
        self.in_backlog = 0
        self.to_delete: list[int] = []  # rows of settled parcels
        self.losses: deque[Loss] = deque(maxlen=LOSSES_REMEMBERED)

    def recover(self, observations: int) -> None:
        """Enter what the store held at start."""
        self._counters.recovered += observations
        self.in_backlog += observations

    def enter(self, bundle: Bundle) -> Parcel:
        """Enter a bundle just sealed."""
        parcel = Parcel(bundle, None)
        self.memory[bundle.key] = parcel
        self.memory_bytes += bundle.size
        self.in_memory += parcel.count
        return parcel

    def lease(self, kept: Kept) -> Parcel:
        """Take a row of the backlog in hand; its place stays the backlog."""
        return Parcel(kept.bundle, kept.row)

    def commit(self, parcel: Parcel, row: int) -> None:
        """Note that a parcel is durable. One settled meanwhile has only a row to delete."""
        parcel.committing = False
        parcel.row = row
        if parcel.settled:
            self.to_delete.append(row)
            return
        self._leave_memory(parcel)
        self.in_backlog += parcel.count

    def settle(self, parcel: Parcel) -> None:
        """Note the acknowledgement that ends a parcel's way."""
        parcel.settled = True
        self._counters.delivered += parcel.count
        if parcel.row is None:
            self._leave_memory(parcel)
        else:
            self.in_backlog -= parcel.count
            self.to_delete.append(parcel.row)

    def drop(self, parcel: Parcel, reason: str, at_ns: int) -> None:
        """Give up a parcel in memory, as a declared loss range; neighbours are merged."""
        self._leave_memory(parcel)
        parcel.settled = True
        self._counters.dropped += parcel.count
        stream, first = parcel.bundle.key
        loss = Loss(stream, first, first + parcel.count - 1, reason, at_ns)
        for other in [each for each in self.losses if _adjoin(each, loss)]:
            self.losses.remove(other)
            first, last = min(other.first, loss.first), max(other.last, loss.last)
            loss = msgspec.structs.replace(loss, first=first, last=last)
        self.losses.append(loss)

    def lowest(self, stream: str) -> int | None:
        """Return the lowest number of a stream that is in memory."""
        return min((seq for name, seq in self.memory if name == stream), default=None)

    def _leave_memory(self, parcel: Parcel) -> None:
        del self.memory[parcel.bundle.key]
        self.memory_bytes -= parcel.bundle.size
        self.in_memory -= parcel.count


def _adjoin(a: Loss, b: Loss) -> bool:
    same = (a.stream, a.reason) == (b.stream, b.reason)
    return same and (a.last + 1 == b.first or b.last + 1 == a.first)
