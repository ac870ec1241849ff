"""What the gateway's wall clock showed in the course of a run, as somebody beside it saw it.

It was looked at now and then: between two looks either may have been so, and nothing else.
"""

from typing import Final

import msgspec

_SAME_NS: Final = 200_000_000  # two looks so near each other show the same clock: it drifts
_SLACK_NS: Final = 2_000_000_000  # an agent looks at its clock once a second


class _Stretch(msgspec.Struct):
    """A time by the clock of the air in which the wall clock ran evenly."""

    first_ns: int
    last_ns: int
    ahead_ns: int | None  # of the clock of the air; None: nothing vouched for it


class Wall:
    """What it showed, and when."""

    def __init__(self) -> None:
        self._stretches: list[_Stretch] = []

    def look(self, air_ns: int, shown_ns: int | None) -> None:
        """Note what it shows now; None: nothing vouches for it."""
        ahead_ns = None if shown_ns is None else shown_ns - air_ns
        last = self._stretches[-1] if self._stretches else None
        if last is not None and _is_same(last.ahead_ns, ahead_ns):
            last.last_ns = air_ns
        else:
            self._stretches.append(_Stretch(air_ns, air_ns, ahead_ns))

    def off_ns(self, air_ns: int, told_ns: int) -> int | None:
        """Return how far off a time is that was told of a moment; None: no clock counted then."""
        off_ns = [
            abs(told_ns - air_ns - one.ahead_ns)
            for one in self._around(air_ns)
            if one.ahead_ns is not None
        ]
        return min(off_ns, default=None)

    def _around(self, air_ns: int) -> list[_Stretch]:
        """Return what may have been so then: those that end later and begin sooner, nearly."""
        found: list[_Stretch] = []
        ends_ns = air_ns  # of the newest there is no end yet
        for index in range(len(self._stretches) - 1, -1, -1):
            if ends_ns + _SLACK_NS < air_ns:
                break
            begins_ns = self._stretches[index - 1].last_ns if index else air_ns
            if begins_ns - _SLACK_NS <= air_ns:
                found.append(self._stretches[index])
            ends_ns = self._stretches[index].first_ns
        return found


def _is_same(one_ns: int | None, other_ns: int | None) -> bool:
    if one_ns is None or other_ns is None:
        return one_ns is other_ns
    return abs(one_ns - other_ns) < _SAME_NS
