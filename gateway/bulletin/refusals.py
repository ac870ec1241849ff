"""Refused frames told without flooding: the first at once, then their number every ten minutes.

Per device and reason. One record for each pair that was refused within the last interval; devices
are those of the configuration, reasons a short list, so memory is bounded by both.
"""

from collections import OrderedDict
from typing import Final

import msgspec

from gateway.health import Notice

KIND: Final = "refused"
INTERVAL_NS: Final = 600_000_000_000


class _Repeats(msgspec.Struct):
    until_ns: int
    count: int = 0


class Refusals:
    """What was told of refused frames, and what is to be."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[object, object], _Repeats] = OrderedDict()  # by until_ns

    def take(self, notice: Notice) -> Notice | None:
        """Return what to say of a refusal now: nothing if its like was told lately."""
        fields = dict(notice.fields)
        pair = fields["device"], fields["reason"]
        if pair in self._told:
            self._told[pair].count += 1
            return None
        return self._tell(pair, 1, notice.at_ns)

    def take_due(self, now_ns: int) -> list[Notice]:
        """Return what is to be said of those that went on."""
        said: list[Notice] = []
        while self._told:
            pair, repeats = next(iter(self._told.items()))
            if repeats.until_ns > now_ns:
                break
            del self._told[pair]
            if repeats.count:
                said.append(self._tell(pair, repeats.count, now_ns))
        return said

    def due_ns(self) -> int | None:
        """Return when `take_due` has something to look at, None for never."""
        return next((repeats.until_ns for repeats in self._told.values()), None)

    def _tell(self, pair: tuple[object, object], count: int, at_ns: int) -> Notice:
        self._told[pair] = _Repeats(at_ns + INTERVAL_NS)
        device, reason = pair
        return Notice(KIND, (("device", device), ("reason", reason), ("count", count)), at_ns)
