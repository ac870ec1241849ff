"""What waits, by kind: the kinds take turns, so that none starves another.

Within a kind the oldest goes first. There is no bound: whoever adds has one.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue per kind; true while something waits."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[T]] = {}  # none is empty, in the order of their turns

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[T]:
        for queue in self._queues.values():
            yield from queue

    def add(self, kind: str, waiting: T) -> None:
        """Let it wait behind those of its kind, and a kind that had none behind the others."""
        self._queues.setdefault(kind, deque()).append(waiting)

    def take(self) -> T:
        """Return the next one; its kind goes to the end of the line."""
        kind = next(iter(self._queues))
        queue = self._queues.pop(kind)
        taken = queue.popleft()
        if queue:
            self._queues[kind] = queue
        return taken
