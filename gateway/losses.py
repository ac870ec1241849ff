"""What was given up, as ranges of numbers: kept until the platform knows.

What is dropped in the store is written down there in the same transaction. What is dropped in
memory waits here until the store takes it, in a list with a bound: beyond it the nearest ranges
become one. To who tells the platform it is the LossDesk.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gateway.backlog import ranges
from gateway.books import Parcel
from gateway.clock import Clock
from gateway.model import Loss, Moment, Row

LATEST: Final = 32  # status tells that many (docs/reference/schema.md, dropped)


class Losses:
    """Loss ranges of this run and, until they are told, of those before."""

    def __init__(self, clock: Clock) -> None:
        self.on_loss: Callable[[], None] = _nobody
        self.on_told: Callable[[], None] = _nobody  # the store may forget them
        self.undeclared: list[Loss] = []  # not in the store yet
        self._stored: Sequence[Loss] = ()
        self._told: list[Loss] = []  # acknowledged, and perhaps still in the store
        self._latest: deque[Loss] = deque(maxlen=LATEST)
        self._clock = clock

    @property
    def latest(self) -> Sequence[Loss]:
        """The newest ranges, told or not, the newest last."""
        return tuple(self._latest)

    # ---------------------------------------------------------------------------------------- desk
    def untold(self) -> Sequence[Loss]:
        """Return those without a PUBACK yet, oldest first; one that grew is told again."""
        return [*(loss for loss in self._stored if loss not in self._told), *self.undeclared]

    def told(self, losses: Sequence[Loss]) -> None:
        """Hear which of them the broker has acknowledged.

        What the store does not have need not be remembered: at worst, when it is being written
        down just now, it is told once more.
        """
        self.undeclared = [loss for loss in self.undeclared if loss not in losses]
        news = [each for each in losses if each in self._stored and each not in self._told]
        if news:
            self._told += news
            self.on_told()

    def first_untold(self, stream: str) -> int | None:
        """Return the lowest number of a stream that is lost and not told."""
        return min((loss.first for loss in self.untold() if loss.stream == stream), default=None)

    # -------------------------------------------------------------------------------------- losing
    def now(self) -> Moment:
        """Return the moment, as it can be told later."""
        clock = self._clock
        return Moment(clock.boot_id, clock.boot_ns(), clock.reading().offset_ns)

    def lose(self, parcel: Parcel, reason: str) -> None:
        """Note a parcel given up in memory."""
        stream, first = parcel.bundle.key
        loss = Loss(stream, first, first + parcel.count - 1, reason, self.now())
        self.undeclared = ranges.bounded(ranges.added(self.undeclared, (loss,)))
        self.remember(loss)
        self.on_loss()

    def wrote(self, row: Row, reason: str, at: Moment) -> None:
        """Note a row that the store has dropped and written down."""
        self.remember(ranges.of_row(row, reason, at))

    def remember(self, loss: Loss) -> None:
        """Note a range that the store has written down, for status."""
        self._latest = deque(ranges.added(self._latest, (loss,)), maxlen=LATEST)

    # --------------------------------------------------------------------------------------- store
    def recover(self, losses: Sequence[Loss]) -> None:
        """Take up what earlier runs could not tell."""
        self._stored = losses
        self._latest.extend(losses)

    def declared(self, losses: Sequence[Loss]) -> None:
        """Note that the store has these; what has grown meanwhile is declared again."""
        self.undeclared = [loss for loss in self.undeclared if loss not in losses]
        self._stored = [*self._stored, *losses]  # until it is read anew

    def read(self, stored: Sequence[Loss]) -> None:
        """Take over what the store has, merged as it wants."""
        self._stored = stored
        if self.untold():
            self.on_loss()

    def to_forget(self) -> Sequence[Loss]:
        """Return what the store need not keep any longer."""
        return tuple(self._told)

    def forgotten(self, losses: Sequence[Loss]) -> None:
        """Note that the store has forgotten these."""
        self._told = [loss for loss in self._told if loss not in losses]
        self._stored = [loss for loss in self._stored if loss not in losses]


def _nobody() -> None:
    """Nobody has hung in yet."""
