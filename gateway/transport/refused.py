"""Something that never becomes a frame, and the counter it is counted under."""

from typing import Final, NewType

import msgspec

Counter = NewType("Counter", str)  # in the words of docs/reference/counters.md

# What msgspec raises for bytes that are not the JSON wanted; the last for what is nested deeply.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RefusedError(ValueError):
    """What came is no frame; it is counted and forgotten."""

    def __init__(self, counter: Counter) -> None:
        super().__init__(counter)
        self.counter = counter
