"""Which remedy is due for an adapter that hears nothing more: the rungs, and how often each.

Pure: from how long there has been trouble, and when what was tried, to the next remedy. None is
due again before its time is up, whether the last one helped or not, so that no adapter is switched
off and on without end.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

Remedy = Literal["power", "service"]
Recovery = Literal["scan", "power", "service"]  # how high the ladder may be climbed

_NS: Final = 1_000_000_000
_MOST_DOUBLINGS: Final = 30


class Rung(msgspec.Struct, frozen=True):
    """A remedy, the patience before it, and the least time between two of it."""

    remedy: Remedy
    after_s: float  # in trouble so long before it is tried
    least_s: float  # between two, however the first ended
    most_s: float  # up to this that doubles where it brings nothing


_POWER: Final = Rung("power", after_s=120.0, least_s=900.0, most_s=14_400.0)
_SERVICE: Final = Rung("service", after_s=480.0, least_s=3600.0, most_s=86_400.0)

# A new scan is the rung below all of these, and is tried each time, without any bound but its own.
RUNGS: Final[Mapping[Recovery, tuple[Rung, ...]]] = MappingProxyType(
    {"scan": (), "power": (_POWER,), "service": (_POWER, _SERVICE)}
)


class Ladder:
    """What was tried of these rungs, and what is due next; times are nanoseconds since boot."""

    def __init__(self, rungs: tuple[Rung, ...]) -> None:
        self._rungs = rungs
        self._since_ns: int | None = None
        self._tried_ns: dict[Remedy, int] = {}  # kept when there is no trouble any more
        self._in_vain: dict[Remedy, int] = {}

    def due(
        self, now_ns: int, *, since_ns: int | None = None, but: Remedy | None = None
    ) -> Remedy | None:
        """Return what to try now that there is trouble, `since_ns` or now; None for nothing yet.

        Of several the one tried least often, of these the lowest: so each has its turn.
        """
        if self._since_ns is None:
            self._since_ns = now_ns if since_ns is None else since_ns
        since_ns = self._since_ns
        waited = [one for one in self._rungs if now_ns - since_ns >= one.after_s * _NS]
        ripe = [one for one in waited if one.remedy != but and self._is_ripe(one, now_ns)]
        least = min(ripe, key=lambda one: self._in_vain.get(one.remedy, 0), default=None)
        return None if least is None else least.remedy

    def tried(self, remedy: Remedy, now_ns: int) -> None:
        """Note that a remedy was tried, or was not to be had: nobody knows yet what it brings."""
        self._tried_ns[remedy] = now_ns
        self._in_vain[remedy] = self._in_vain.get(remedy, 0) + 1

    def well(self) -> None:
        """Note that something was heard: patience begins anew. How often stays bounded."""
        self._since_ns = None
        self._in_vain.clear()

    @property
    def exhausted(self) -> bool:
        """Whether every rung was tried, and there is trouble still."""
        return all(self._in_vain.get(rung.remedy, 0) for rung in self._rungs)

    def _is_ripe(self, rung: Rung, now_ns: int) -> bool:
        tried_ns = self._tried_ns.get(rung.remedy)
        return tried_ns is None or now_ns - tried_ns >= self._gap_s(rung) * _NS

    def _gap_s(self, rung: Rung) -> float:
        doublings = min(max(self._in_vain.get(rung.remedy, 0) - 1, 0), _MOST_DOUBLINGS)
        return min(rung.least_s * 2.0**doublings, max(rung.most_s, rung.least_s))
