"""Numbers that were seen, as the ranges they fall into: a month of consecutive ones is one range.

A set with a bound: when there are too many ranges, the two lowest become one, and what lies
between them counts as seen.
"""

from bisect import bisect_right
from typing import Final

_MAX_RANGES: Final = 100_000


class Numbers:
    """A set of whole numbers that may only grow."""

    __slots__ = ("_ends", "_starts", "closed")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []  # behind the last of each range
        self.closed = 0  # gaps between ranges that were given up, to keep to the bound

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ends[at]

    @property
    def ranges(self) -> int:
        """How many ranges they fall into, on which the memory they take depends."""
        return len(self._starts)

    def add(self, number: int) -> bool:
        """Take a number in; whether it is new."""
        at = bisect_right(self._starts, number)
        if at and number < self._ends[at - 1]:
            return False
        follows = at > 0 and self._ends[at - 1] == number
        precedes = at < len(self._starts) and self._starts[at] == number + 1
        if follows and precedes:
            self._ends[at - 1] = self._ends[at]
            del self._starts[at], self._ends[at]
        elif follows:
            self._ends[at - 1] = number + 1
        elif precedes:
            self._starts[at] = number
        else:
            self._starts.insert(at, number)
            self._ends.insert(at, number + 1)
            self._keep_to_bound()
        return True

    def _keep_to_bound(self) -> None:
        if len(self._starts) > _MAX_RANGES:
            del self._starts[1], self._ends[0]
            self.closed += 1
