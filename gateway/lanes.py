"""What waits to be sent: the live lane, events before routine, and the replay lane, oldest first.

Within a stream the live lane never goes back: a consumer takes the last for the current value. So
what had to let newer ones go first, for it was refused or grew old, travels on the replay lane.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from gateway.books import Berth, Parcel
from gateway.model import ObservationClass

KEPT_BYTES: Final = 1_000_000  # of what is committed and may yet travel live

_LIVE_ORDER: Final[tuple[ObservationClass, ...]] = ("event", "routine")
_AFTER_ALL_ROWS: Final = 1 << 62


class Lanes:
    """Parcels waiting, each in one lane."""

    def __init__(self) -> None:
        self._live: dict[ObservationClass, OrderedDict[Parcel, None]] = {
            klass: OrderedDict() for klass in _LIVE_ORDER
        }
        self._replay: OrderedDict[Parcel, None] = OrderedDict()

    @property
    def waiting(self) -> bool:
        """Whether anything waits in either lane."""
        return bool(self._replay) or any(self._live.values())

    # ---------------------------------------------------------------------------------------- live
    def heads(self) -> Sequence[Parcel]:
        """Return the first of each class that waits in the live lane, events first."""
        return [next(iter(queue)) for queue in self._live.values() if queue]

    def take_while(self, is_old: Callable[[Parcel], bool]) -> Sequence[Parcel]:
        """Take out of the live lane what stands before the first that is not old."""
        old: list[Parcel] = []
        for queue in self._live.values():
            while queue and is_old(parcel := next(iter(queue))):
                del queue[parcel]
                old.append(parcel)
        return old

    def add_live(self, parcel: Parcel) -> None:
        """Put a parcel just sealed behind those before it."""
        self._live[parcel.bundle.klass][parcel] = None

    def put_back_live(self, parcels: Sequence[Parcel]) -> None:
        """Put parcels of one class where their numbers belong."""
        queue = self._live[parcels[0].bundle.klass]
        for parcel in parcels:
            queue[parcel] = None
        for each in sorted(queue, key=_first_seq):
            queue.move_to_end(each)

    def is_live(self, parcel: Parcel) -> bool:
        """Whether it waits in the live lane."""
        return parcel in self._live[parcel.bundle.klass]

    def kept(self) -> list[Parcel]:
        """Return what waits in the live lane and has a row, routine first, the oldest first."""
        routine_first = reversed(self._live.values())
        return [each for queue in routine_first for each in queue if each.berth is not None]

    def surplus(self, window: int) -> Sequence[Parcel]:
        """Return which of them are too many: the newest two windows, 1 MB at most, may stay."""
        kept = self.kept()
        size = sum(parcel.bundle.size for parcel in kept)
        surplus = 0
        while len(kept) - surplus > 2 * window or size > KEPT_BYTES:
            size -= kept[surplus].bundle.size
            surplus += 1
        return kept[:surplus]

    # -------------------------------------------------------------------------------------- replay
    @property
    def replaying(self) -> int:
        """How many wait in the replay lane."""
        return len(self._replay)

    @property
    def deferred(self) -> int:
        """How many of them let others go first: refused twice."""
        return sum(map(_is_deferred, self._replay))

    def next_replay(self) -> Parcel | None:
        """Return the first in the replay lane."""
        return next(iter(self._replay), None)

    def replays(self) -> list[Parcel]:
        """Return what waits in the replay lane and has a row."""
        return [parcel for parcel in self._replay if parcel.berth is not None]

    def put_replay(self, parcels: Sequence[Parcel]) -> None:
        """Put parcels where their age belongs; what was refused twice lets others go first."""
        if not parcels:
            return
        for parcel in parcels:
            self._replay[parcel] = None
        for each in sorted(self._replay, key=_replay_order):
            self._replay.move_to_end(each)

    # ---------------------------------------------------------------------------------------- both
    def replace(self, parcel: Parcel, parts: Sequence[Parcel]) -> None:
        """Put parts where a parcel waited."""
        put = self.put_back_live if self.is_live(parcel) else self.put_replay
        self.remove(parcel)
        put(parts)

    def remove(self, parcel: Parcel) -> None:
        """Take a parcel out, wherever it waits, if it does."""
        self._replay.pop(parcel, None)
        self._live[parcel.bundle.klass].pop(parcel, None)

    def remove_row(self, berth: Berth) -> None:
        """Take all of a row out."""
        for parcel in berth.parcels:
            self.remove(parcel)


def _first_seq(parcel: Parcel) -> int:
    return parcel.bundle.first_seq


def _is_deferred(parcel: Parcel) -> bool:
    return parcel.refusals > 1


def _replay_order(parcel: Parcel) -> tuple[bool, int, int]:
    row = _AFTER_ALL_ROWS if parcel.berth is None else parcel.berth.row
    return _is_deferred(parcel), row, parcel.bundle.first_seq
