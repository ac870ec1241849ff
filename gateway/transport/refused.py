"""Something that never becomes a frame, and the counter it is counted under."""

from typing import NewType

Counter = NewType("Counter", str)  # in the words of docs/reference/counters.md


class RefusedError(ValueError):
    """What came is no frame; it is counted and forgotten."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(counter)
        self.counter = counter
