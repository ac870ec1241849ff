"""Who holds which row, how much is kept, and where each stream of this run begins.

Pure bookkeeping beside the file: told what was committed, it answers without reading anything. Its
memory grows with what is leased, and by a bit for each row of this run: of the rows nobody holds
it knows only how many they are, and a number `low` below which there is none.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Final

import msgspec

from gateway.model import Bundle, Stream

NOWHERE: Final = 1 << 62  # above every row


class RowSet:
    """Rows from `first` on, one bit each: an outage of a day costs some kB, and none is sought."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._bits = bytearray()
        self._low = 0  # no byte before it has a bit

    def add(self, row: int) -> None:
        """Take a row in."""
        byte, bit = divmod(row - self._first, 8)
        self._bits.extend(bytes(max(0, byte + 1 - len(self._bits))))
        self._bits[byte] |= 1 << bit
        self._low = min(self._low, byte)

    def remove(self, row: int) -> None:
        """Take a row out, if it is there."""
        byte, bit = divmod(row - self._first, 8)
        if 0 <= byte < len(self._bits):
            self._bits[byte] &= ~(1 << bit)

    def lowest(self) -> int | None:
        """Return the lowest row, None if there is none."""
        bits = self._bits
        while self._low < len(bits) and not bits[self._low]:
            self._low += 1
        if self._low == len(bits):
            return None
        byte = bits[self._low]
        return self._first + self._low * 8 + (byte & -byte).bit_length() - 1


class Mark(msgspec.Struct):
    """Where a stream's bundles are, and the number in the lowest row, once it was looked up.

    Rows of a stream rise with its sequence numbers; those that do not (a bundle that was split and
    kept again) are `stragglers`, row -> first sequence number.
    """

    rows: RowSet
    known: tuple[int, int] | None = None  # row, sequence number
    highest: int = -1
    stragglers: dict[int, int] = msgspec.field(default_factory=dict[int, int])


class Ledger:
    """The store's memory of one run."""

    def __init__(self, streams: Sequence[Stream], *, next_row: int) -> None:
        self.bundles = 0
        self.observations = 0
        self._leased: dict[int, int] = {}  # row -> observations
        self._settling: dict[int, int] = {}  # the same, while their deletion is under way
        self._low = 0
        self._marks = {stream.id: Mark(RowSet(next_row)) for stream in streams}

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
            self._note_order(row, bundle)

    def _note_order(self, row: int, bundle: Bundle) -> None:
        mark = self._marks.get(bundle.stream)
        if mark is None:
            return
        if bundle.first_seq < mark.highest:
            mark.stragglers[row] = bundle.first_seq
        mark.rows.add(row)
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
        self._gone(rows)

    def dropped(self, rows: Mapping[int, int]) -> None:
        """Note rows (row -> observations) that are gone, whoever held them."""
        for row in rows:
            self._leased.pop(row, None)
        self._gone(rows)

    def _gone(self, rows: Mapping[int, int]) -> None:
        self.bundles -= len(rows)
        self.observations -= sum(rows.values())
        for mark in self._marks.values():
            for row in rows:
                mark.rows.remove(row)
                mark.stragglers.pop(row, None)

    # ------------------------------------------------------------------------------------ streams
    def to_look_up(self, stream: str) -> int | None:
        """Return the row whose first sequence number has to be told, None if nothing has to."""
        mark = self._marks.get(stream)
        row = None if mark is None else mark.rows.lowest()
        is_known = mark is not None and mark.known is not None and mark.known[0] == row
        return None if is_known else row

    def looked_up(self, stream: str, row: int, first_seq: int) -> None:
        """Note the first sequence number in a row."""
        self._marks[stream].known = (row, first_seq)

    def first_seq(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream, once nothing is to be looked up."""
        mark = self._marks.get(stream)
        if mark is None or mark.known is None or mark.rows.lowest() != mark.known[0]:
            return None
        return min([mark.known[1], *mark.stragglers.values()])
