"""Who sends next, across interruptions: a run of the air goes on where the last one ended.

Those who join between two runs begin then, each after its own first wait; who has left is silent.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from itertools import count

from gateway.sim.emissions import Emission, Emitter


class Course:
    """The order in which a crowd sends. `at_s` is how much of it is over."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self._due: list[tuple[float, int, Emitter]] = []  # when, and who joined before whom
        self._order = count()

    def join(self, crowd: Iterable[Emitter]) -> None:
        """Go on with these, and nobody else."""
        there = {id(emitter): emitter for emitter in crowd}
        self._due = [due for due in self._due if there.pop(id(due[2]), None) is not None]
        for emitter in there.values():
            self._due.append((self.at_s + emitter.first_s(), next(self._order), emitter))
        heapq.heapify(self._due)

    def until(self, end_s: float) -> Iterator[tuple[float, Emission]]:
        """Yield what is sent before `end_s`, in order, and when; then that much is over."""
        while self._due and self._due[0][0] < end_s:
            at_s, order, emitter = self._due[0]
            yield at_s, emitter.emit()
            heapq.heapreplace(self._due, (at_s + emitter.gap_s(), order, emitter))
            self.at_s = max(self.at_s, at_s)
        if math.isfinite(end_s):
            self.at_s = end_s


def timeline(emitters: Iterable[Emitter]) -> Iterator[tuple[float, Emission]]:
    """Yield all emissions for ever, in order: (seconds after the start, emission)."""
    course = Course()
    course.join(emitters)
    yield from course.until(math.inf)
