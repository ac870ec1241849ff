"""What the store holds, counted by its records' heads: an overlay, at start and when it drops.

Damage never stops a start: what has no head any more is not counted, and a file without a record
goes.
"""

import os

from gateway.esp32.segments import record

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.esp32.clock import Clock
    from gateway.esp32.segments import Head as Record
    from gateway.esp32.segments import Loss, Segments

    Head = tuple[int, int, int, bytes]  # index, observations, first number, stream

_HEAD_BYTES = 105  # as in segments


def survey(root: str) -> tuple[dict[str, int], int, int, int, int]:
    """Return the last streams and their next numbers, observations, bytes, batches, next segment.

    The last streams are those of the newest segments; earlier ones were judged at earlier starts.
    """
    folder = root + "/store"
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there; or nothing can be kept, as the first append will say
    newest = {0: (-1, b"", 0), 1: (-1, b"", 0)}
    observations = size = batches = following = 0
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        number, before = _number(name), batches
        if number >= 0:
            for _, count, first, stream in _batches(path):
                batches += 1
                observations += count
                newest[number & 1] = _newer(newest[number & 1], (number, stream, first + count))
        if batches == before:
            _discard(path)
        else:
            following = max(following, (number >> 1) + 1)
            size += os.stat(path)[6]
    kept = {stream.decode(): end for _, stream, end in newest.values() if stream}
    return kept, observations, size, batches, following


def count(store: "Segments") -> dict[str, int]:
    """Survey a store for itself; return the last streams and their next numbers."""
    kept, store.observations, store.bytes, store.batches, store.next = survey(store.root)
    return kept


def oldest(store: "Segments") -> "tuple[int, list[Loss]]":
    """Return the segment to be given up, -1 without one, and what that will lose.

    Segments in which nothing is wanted any more go at once.
    """
    number = -1
    for is_event in (0, 1):
        while (number := store.after(-1, is_event)) >= 0:
            losses = [
                _loss(store.clock, stream, first, count, "full")
                for _, count, first, stream in _wanted(store, number)
            ]
            if losses:
                return number, losses
            store.remove(number)
    return number, []


def drop(store: "Segments", number: int) -> None:
    """Delete a segment whose loss is noted."""
    if number < 0:
        return
    batches = _wanted(store, number)
    store.remove(number)
    store.batches -= len(batches)
    store.observations -= sum([count for _, count, _, _ in batches])
    store.leased = {key for key in store.leased if key >> 5 != number}


def damaged(
    store: "Segments", number: int, head: "Record", is_whole: bool, seen: int
) -> "tuple[list[Loss], list[tuple[int, int]]]":
    """Return what is lost around a record met, and the marks and observations of each batch.

    Its own body, and the batch before it, if that has no head any more.
    """
    _, _, index, count, first, count_before, first_before, _, _, names, _ = head
    hurt = [] if is_whole else [(index, first, count)]
    if index and not seen >> index - 1 & 1:
        hurt.append((index - 1, first_before, count_before))
    losses, marks = [], []
    for at, first, count in hurt:
        bit = 1 << at
        if number << 5 | at not in store.leased and not store.done.get(number, 0) & bit:
            stream = names.split(b" ")[0]
            losses.append(_loss(store.clock, stream, first, count, "damaged"))
            marks.append((bit, count))
    return losses, marks


def write_off(store: "Segments") -> None:
    """Give up batches that are counted but not found: their heads went bad in this run.

    Nobody can say which numbers they had.
    """
    if store.after(-1, 0) >= 0 or store.after(-1, 1) >= 0:
        store.give_back()  # their loss could not be noted: they are met again
    else:
        store.observations = store.batches = 0


def _loss(clock: "Clock", stream: bytes, first: int, count: int, reason: str) -> "Loss":
    name = stream.split(b" ")[0].decode()
    return name, first, first + count - 1, reason, clock.boot, clock.now(), clock.offset_ms


def _wanted(store: "Segments", number: int) -> "list[Head]":
    done = store.done.get(number, 0)
    return [each for each in _batches(store.path(number)) if not done >> each[0] & 1]


def _batches(path: str) -> "Iterator[Head]":
    """Yield index, observations, first number and stream, also of one whose head alone is bad."""
    at = seen = 0
    while found := record(path, at):
        at, head, _ = found
        at += _HEAD_BYTES + head[1]
        _, _, index, count, first, count_before, first_before, _, _, names, _ = head
        stream = names.split(b" ")[0]
        if index and not seen >> index - 1 & 1:
            yield index - 1, count_before, first_before, stream
        seen |= 1 << index
        yield index, count, first, stream


def _newer(one: tuple[int, bytes, int], other: tuple[int, bytes, int]) -> tuple[int, bytes, int]:
    if one[1] == other[1]:
        return max(one[0], other[0]), one[1], max(one[2], other[2])
    return max(one, other)


def _number(name: str) -> int:
    try:
        return int(name, 16)
    except ValueError:
        return -1


def _discard(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        pass  # then it is met again at the next start
