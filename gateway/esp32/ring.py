"""One class's observations in sequence, in a block of memory that never grows.

Numbers are contiguous, so a bundle is a slice: its first number and a count. The oldest stands at
the beginning of the block: what is given up makes the rest move down. What is released out of
order waits for those before it.
"""

import struct

from gateway.core.refusal import BAD_LENGTH, DecodeError
from gateway.core.wire import observation_head

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    # class, stream, first number, boot, offset, quality; of each: heard_ms, head, tail
    Batch = tuple[str, str, int, str, int | None, str, Iterable[tuple[int, str, str]]]

# Before urn and tail: bytes in all, quality, characters of the urn, heard, offset; times in ms.
_HEAD_BYTES = 20
_AROUND = 110  # bytes at most that are rendered around urn and tail, less the head
_RELEASED = 4  # beside the quality
_STEADY_MS = 10  # two offsets this far apart had a step of the clock between them


class Ring:
    """The observations of one class that are in memory."""

    def __init__(self, klass: str, stream: str, size: int) -> None:
        self.klass = klass
        self.stream = stream
        self.first = 0  # the oldest here
        self.unsent = 0  # the first that was never sent
        self.next = 0  # the first still to come
        self.held = 0  # not released
        self.used = 0  # bytes
        self.paced_ms = 0  # when the next bundle that is not full may go
        self.buffer = bytearray(size)

    def put(self, heard_ms: int, offset_ms: int | None, quality: int, urn: str, tail: str) -> bool:
        """Take the next number's observation; False: there is no room for it now.

        Raises DecodeError for one that would not fit into all of it.
        """
        data = (urn + tail).encode()
        size, at = _HEAD_BYTES + len(data), self.used
        end = at + size
        if size > len(self.buffer) or len(urn) > 255:
            raise DecodeError(BAD_LENGTH)
        if end > len(self.buffer):
            return False
        offset = offset_ms if quality else 0
        struct.pack_into("<HBBqq", self.buffer, at, size, quality, len(urn), heard_ms, offset)
        self.buffer[at + _HEAD_BYTES : end] = data
        self.used = end
        self.next += 1
        self.held += 1
        return True

    def is_due(self, heard_ms: int) -> bool:
        """Whether it is high time to make room, or the oldest here was heard by then."""
        if 4 * self.used > 3 * len(self.buffer):
            return True
        return self.used > 0 and struct.unpack_from("<q", self.buffer, 4)[0] <= heard_ms

    def walk(self, first: int, end: int) -> "Iterator[tuple[int, tuple[int, int, int, int, int]]]":
        """Yield where each of those from `first` on is, and its head."""
        at = 0
        for number in range(self.first, end):
            head = struct.unpack_from("<HBBqq", self.buffer, at)
            if number >= first:
                yield at, head
            at += head[0]

    def pack(self, room: int) -> tuple[int, int, int, bool]:
        """Return count, bytes at most and oldest moment of the next bundle, and if it is closed.

        Its observations share one time quality and one offset; closed: no other may join. Of the
        hundred that it may have, there is never room for half.
        """
        count = total = oldest = known = steady = 0
        for _, (size, quality, _, heard_ms, offset) in self.walk(self.unsent, self.next):
            total += size + _AROUND
            if not count:
                known, steady, oldest = quality, offset, heard_ms
            elif quality != known or total > room or abs(offset - steady) >= _STEADY_MS:
                return count, total - size - _AROUND, oldest, True
            count += 1
            oldest = min(oldest, heard_ms)
        return count, total, oldest, False

    def batch(self, first: int, count: int, boot: str) -> "Batch":
        """Return a slice as it is sent or kept; each observation is read when it is its turn."""
        _, (_, quality, _, _, offset) = next(self.walk(first, first + 1))
        known = ("", "exact", "holdover")[quality]
        entries = Slice(self, first, count)
        return self.klass, self.stream, first, boot, offset if quality else None, known, entries

    def entries(self, first: int, count: int) -> "Iterator[tuple[int, str, str]]":
        """Yield moment, head and tail of each in a slice."""
        for at, (size, _, name, heard_ms, _) in self.walk(first, first + count):
            text = str(memoryview(self.buffer)[at + _HEAD_BYTES : at + size], "utf-8")
            head, text = observation_head(first, text[:name]), text[name:]
            yield heard_ms, head, text
            first += 1

    def release(self, first: int, count: int) -> None:
        """Give a slice up that is acknowledged, or kept elsewhere, or lost."""
        buffer = memoryview(self.buffer)
        for at, _ in self.walk(first, first + count):
            buffer[at + 2] |= _RELEASED
        self.held -= count
        self.unsent = max(self.unsent, first + count)
        end = 0
        while end < self.used and buffer[end + 2] & _RELEASED:
            end += buffer[end] | buffer[end + 1] << 8
            self.first += 1
        buffer[: self.used - end] = buffer[end : self.used]
        self.used -= end


class Slice:
    """Observations of a ring, as often as one wants to go through them."""

    def __init__(self, ring: Ring, first: int, count: int) -> None:
        self._which = ring, first, count

    def __iter__(self) -> "Iterator[tuple[int, str, str]]":
        return Ring.entries(*self._which)
