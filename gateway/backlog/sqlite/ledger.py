"""Who holds which row, how much is kept, and where each stream of this run begins.

Pure bookkeeping beside the file: told what was committed, it answers without reading anything. Its
memory grows with what is leased, never with what is kept: of the rows nobody holds it knows only
how many they are, and a number `low` below which there is none.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Final

import msgspec

from gateway.model import Bundle, Stream

NOWHERE: Final = 1 << 62  # above every row


class Mark(msgspec.Struct):
    """The lowest bundle kept of a stream: in row `row`; while that is None, at or above `start`.

    Rows of a stream rise with its sequence numbers; those that do not (a bundle that was split and
    kept again) are `stragglers`, row -> first sequence number.
    """

    start: int
    row: int | None = None
    seq: int = 0
    highest: int = -1
    stragglers: dict[int, int] = msgspec.field(default_factory=dict[int, int])


class Ledger:
    """The store's memory of one run."""

    def __init__(self, streams: Sequence[Stream], *, next_row: int) -> None:
        self.bundles = 0
        self.observations = 0
        self._next_row = next_row
        self._leased: dict[int, int] = {}  # row -> observations
        self._settling: dict[int, int] = {}  # the same, while their deletion is under way
        self._low = 0
        self._marks = {stream.id: Mark(start=next_row) for stream in streams}

    @property
    def unleased(self) -> int:
        """Rows that nobody holds."""
        return self.bundles - len(self._leased) - len(self._settling)

    @property
    def leased(self) -> Container[int]:
        """The rows somebody holds, live: it may be asked from the store's thread."""
        return self._leased

    def found(self, bundles: int, observations: int) -> None:
        """Take over what earlier runs left."""
        self.bundles += bundles
        self.observations += observations

    # ------------------------------------------------------------------------------------- append
    def appended(self, rows: Sequence[int], bundles: Sequence[Bundle]) -> None:
        """Note committed rows; they are leased to who brought them."""
        for row, bundle in zip(rows, bundles, strict=True):
            count = len(bundle.entries)
            self.bundles += 1
            self.observations += count
            self._leased[row] = count
            self._next_row = row + 1
            self._note_order(row, bundle)

    def _note_order(self, row: int, bundle: Bundle) -> None:
        mark = self._marks.get(bundle.stream)
        if mark is None:
            return
        if bundle.first_seq < mark.highest:
            mark.stragglers[row] = bundle.first_seq
        mark.highest = max(mark.highest, bundle.first_seq)

    # -------------------------------------------------------------------------- lease and release
    def begin_lease(self) -> int:
        """Return the row to look from. Until `end_lease`, only `release` may come between."""
        start, self._low = self._low, NOWHERE
        return start

    def end_lease(self, resume: int, taken: Mapping[int, int]) -> None:
        """Note the rows taken (row -> observations); below `resume` nobody's row is left over."""
        self._leased.update(taken)
        self._low = min(self._low, resume)

    def release(self, rows: Sequence[int]) -> None:
        """Take leased rows back; others are left alone."""
        for row in rows:
            if self._leased.pop(row, None) is not None:
                self._low = min(self._low, row)

    # ------------------------------------------------------------------------------------- settle
    def begin_settle(self, rows: Sequence[int]) -> Sequence[int]:
        """Return those of `rows` that are leased; from now on they cannot be released."""
        mine = [row for row in dict.fromkeys(rows) if row in self._leased]
        self._settling.update((row, self._leased.pop(row)) for row in mine)
        return mine

    def end_settle(self, *, deleted: bool) -> None:
        """Note that the rows are gone, or leased again as before."""
        rows, self._settling = self._settling, {}
        if not deleted:
            self._leased.update(rows)
            return
        self.bundles -= len(rows)
        self.observations -= sum(rows.values())
        for mark in self._marks.values():
            for row in mark.stragglers.keys() & rows:
                del mark.stragglers[row]
            if mark.row in rows:
                mark.start, mark.row = mark.row + 1, None

    # ------------------------------------------------------------------------------------ streams
    def to_search(self, stream: str) -> int | None:
        """Return the row from which the lowest of a stream is to be sought; None: it is known."""
        mark = self._marks.get(stream)
        is_known = mark is None or mark.row is not None or mark.start >= self._next_row
        return None if mark is None or is_known else mark.start

    def sought(self, stream: str, hit: tuple[int, int] | None) -> None:
        """Note what the search found: row and sequence number, or nothing up to the last row."""
        mark = self._marks[stream]
        if hit is None:
            mark.start = self._next_row
        else:
            mark.row, mark.seq = hit

    def first_seq(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream, once nothing is to search."""
        mark = self._marks.get(stream)
        if mark is None:
            return None
        known = [] if mark.row is None else [mark.seq]
        return min([*known, *mark.stragglers.values()], default=None)
