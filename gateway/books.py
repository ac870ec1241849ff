"""Where every unsettled observation is: the books of delivery.

A parcel is a bundle under way. Its place is one of: in memory, kept (a row of the backlog), over
(settled, dropped or set aside). Each method moves it in one step, so the sums `in_memory` and
`in_backlog` are exact whenever anybody looks.
"""

from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from gateway.health import Observations
from gateway.model import Bundle, Kept, ObservationClass, Row

_TRIED_REMEMBERED: Final = 1024  # rows sent and given back; beyond, the oldest are forgotten


class Berth:
    """A row of the backlog in hand, and the parcels it is sent as: one, or the parts of it.

    `touched`: one of them is over, so it cannot be given back, or its share would count twice.
    """

    __slots__ = ("parcels", "row", "touched")

    def __init__(self, row: int) -> None:
        self.row = row
        self.parcels: list[Parcel] = []
        self.touched = False

    @property
    def can_be_given_back(self) -> bool:
        """Whether all of it lies still and none of it is over."""
        return not self.touched and not any(
            parcel.in_flight or parcel.condemned or parcel.acknowledged for parcel in self.parcels
        )


class Parcel:
    """A bundle under way: in memory alone, or kept in `berth`."""

    __slots__ = (
        "acknowledged",
        "attempts",
        "berth",
        "bundle",
        "committing",
        "condemned",
        "heard_at_ns",
        "in_flight",
        "over",
        "refusals",
    )

    def __init__(self, bundle: Bundle, heard_at_ns: int) -> None:
        self.bundle = bundle
        self.heard_at_ns = heard_at_ns  # the oldest observation in it
        self.berth: Berth | None = None
        self.attempts = 0
        self.refusals = 0
        self.in_flight = False
        self.committing = False
        self.acknowledged = False  # while its row may be dropping: which of the two is not known
        self.condemned = False  # will be set aside
        self.over = False  # whatever still happens to it changes nothing

    @property
    def count(self) -> int:
        """Observations in it."""
        return len(self.bundle.entries)


class Books:
    """Parcels in memory and in berths, and the law's counters beside them."""

    def __init__(self, observations: Observations) -> None:
        self._counters = observations
        self.memory: dict[tuple[str, int], Parcel] = {}  # the oldest first
        self.memory_bytes = 0
        self.in_memory = 0
        self.in_backlog = 0
        self.to_delete: list[int] = []  # rows of settled parcels
        self.condemned: dict[Parcel, str] = {}  # to be set aside, and why; the oldest first
        self._berths: dict[int, Berth] = {}
        self._tried: OrderedDict[int, int] = OrderedDict()  # row -> attempts before it went back
        self._dropping = False
        self._acknowledged: list[Parcel] = []  # while rows are dropped

    # ------------------------------------------------------------------------------------ entering
    def recover(self, observations: int) -> None:
        """Enter what the store held at start."""
        self._counters.recovered += observations
        self.in_backlog += observations

    def enter(self, bundle: Bundle, heard_at_ns: int) -> Parcel:
        """Enter a bundle just sealed."""
        parcel = Parcel(bundle, heard_at_ns)
        self._join_memory(parcel)
        self.in_memory += parcel.count
        return parcel

    def lease(self, kept: Kept) -> Parcel:
        """Take a row of the backlog in hand; its place stays the backlog."""
        parcel = Parcel(kept.bundle, _heard(kept.bundle))
        parcel.attempts = self._tried.pop(kept.row, 0)
        self._moor(parcel, kept.row)
        return parcel

    # -------------------------------------------------------------------------------------- moving
    def commit(self, parcel: Parcel, row: int) -> None:
        """Note that a parcel is durable. One settled meanwhile has only a row to delete."""
        if parcel.over:
            self.to_delete.append(row)
            return
        self._leave_memory(parcel)
        self.in_memory -= parcel.count
        self.in_backlog += parcel.count
        self._moor(parcel, row)

    def split(self, parcel: Parcel, bundles: Sequence[Bundle]) -> list[Parcel]:
        """Put parts in a parcel's place; a row is settled when all of its parts are."""
        parts = [Parcel(bundle, _heard(bundle)) for bundle in bundles]
        for part in parts:
            part.attempts, part.berth = parcel.attempts, parcel.berth
        parcel.over = True
        if parcel.berth is None:
            self._replace_in_memory(parcel, parts)
        else:
            parcel.berth.parcels.remove(parcel)
            parcel.berth.parcels += parts
        return parts

    def condemn(self, parcel: Parcel, reason: str) -> None:
        """Note that a parcel is to be set aside; until then it stays where it is."""
        parcel.condemned = True
        self.condemned[parcel] = reason

    def give_back(self, berths: Iterable[Berth]) -> list[int]:
        """Let go of rows; returns their numbers."""
        rows: list[int] = []
        for berth in berths:
            if self._berths.pop(berth.row, None) is None:
                continue  # of two parts, each has brought it
            self._note_attempts(berth)
            rows.append(berth.row)
            for parcel in berth.parcels:
                parcel.over = True  # who leases the row makes another of it
        return rows

    def _note_attempts(self, berth: Berth) -> None:
        attempts = max(parcel.attempts for parcel in berth.parcels)
        if attempts:
            self._tried[berth.row] = attempts
        if len(self._tried) > _TRIED_REMEMBERED:
            self._tried.popitem(last=False)

    # -------------------------------------------------------------------------------------- ending
    def settle(self, parcel: Parcel) -> None:
        """Note the acknowledgement that ends a parcel's way."""
        if self._dropping and parcel.berth is not None:
            parcel.acknowledged = True
            self._acknowledged.append(parcel)
            return
        self._counters.delivered += parcel.count
        self._end(parcel)

    def set_aside(self, parcel: Parcel, *, row: int | None) -> None:
        """Note that a parcel is set aside now, and that `row` went with it."""
        self._counters.set_aside += parcel.count
        self._end(parcel)
        if row is not None:
            self.to_delete.remove(row)

    def drop(self, parcel: Parcel) -> None:
        """Give up a parcel in memory."""
        self._counters.dropped += parcel.count
        self._end(parcel)

    def drop_row(self, row: Row) -> list[Parcel]:
        """Note that a row is gone; returns what was in hand of it, which counts no more."""
        berth = self._berths.pop(row.row, None)
        parcels = [] if berth is None else berth.parcels
        count = row.count if berth is None else sum(parcel.count for parcel in parcels)
        self._counters.dropped += count
        self.in_backlog -= count
        self._tried.pop(row.row, None)
        for parcel in parcels:
            parcel.over = True
            self.condemned.pop(parcel, None)
        return parcels

    @contextmanager
    def dropping(self) -> Generator[None, None, None]:
        """Let acknowledgements of rows wait while rows are dropped.

        Which ones is known only afterwards, and what is counted as dropped is not delivered too.
        """
        self._dropping = True
        try:
            yield
        finally:
            self._dropping = False
            waiting, self._acknowledged = self._acknowledged, []
            for parcel in waiting:
                if not parcel.over:
                    self.settle(parcel)

    def _end(self, parcel: Parcel) -> None:
        parcel.over = True
        self.condemned.pop(parcel, None)
        berth = parcel.berth
        if berth is None:
            self._leave_memory(parcel)
            self.in_memory -= parcel.count
            return
        self.in_backlog -= parcel.count
        berth.parcels.remove(parcel)
        berth.touched = True
        if not berth.parcels:
            del self._berths[berth.row]
            self.to_delete.append(berth.row)

    # ----------------------------------------------------------------------------------- questions
    def lowest(self, stream: str) -> int | None:
        """Return the lowest number of a stream that is in memory."""
        return min((seq for name, seq in self.memory if name == stream), default=None)

    def droppable(self, klass: ObservationClass) -> Iterator[Parcel]:
        """Yield what could be given up in memory: the oldest first, what is on its way last.

        What is being committed may be durable already: it cannot be taken back.
        """
        for in_flight in (False, True):
            for parcel in self.memory.values():
                ours = parcel.bundle.klass == klass and parcel.in_flight is in_flight
                if ours and not parcel.committing:
                    yield parcel

    @property
    def is_committing(self) -> bool:
        """Whether anything in memory is being committed."""
        return any(parcel.committing for parcel in self.memory.values())

    # -------------------------------------------------------------------------------------- places
    def _moor(self, parcel: Parcel, row: int) -> None:
        berth = parcel.berth = self._berths[row] = Berth(row)
        berth.parcels.append(parcel)

    def _join_memory(self, parcel: Parcel) -> None:
        self.memory[parcel.bundle.key] = parcel
        self.memory_bytes += parcel.bundle.size

    def _replace_in_memory(self, whole: Parcel, parts: Sequence[Parcel]) -> None:
        before, self.memory, self.memory_bytes = self.memory, {}, 0
        for parcel in before.values():
            for each in parts if parcel is whole else (parcel,):
                self._join_memory(each)

    def _leave_memory(self, parcel: Parcel) -> None:
        del self.memory[parcel.bundle.key]
        self.memory_bytes -= parcel.bundle.size


def _heard(bundle: Bundle) -> int:
    return min(entry.heard_at_ns for entry in bundle.entries)
