"""Batches that wait for the broker, on the flash: durable when `append` returns.

A batch is one bundle to be replayed. It stands, whole and with its sums, in a segment file of
littlefs, which commits what was appended when the file is closed, or nothing of it. Settling
writes nothing: a segment goes when the last of its batches is settled, and until then a power cut
brings all of them back. No memory is taken by what waits, only by what is leased.

    file      named by its number in hexadecimal: even ones are routine, odd ones events
    record    uB, body's bytes, index, count, first number; those two of the record before;
              CRC-32 of the body, offset in ms, stream, boot and quality, CRC-32 of this head;
              of each observation: heard in ms, bytes, head, line feed, tail (JSON has none)
"""

import os
import struct
from binascii import crc32

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.esp32.clock import Clock
    from gateway.esp32.ring import Batch

    Handle = tuple[int, int, int]  # segment and index, where its record is, observations
    Loss = tuple[str, int, int, str, str, int, int | None]  # as the journal has it
    Head = tuple[bytes, int, int, int, int, int, int, int, int, bytes, int]
    Record = tuple[int, Head, bool]

_HEAD_BYTES = 105
_HEAD = ">2sHBHIHIIq72sI"
_SEGMENT_BYTES = 8192
_MOST = 30  # batches of a segment: their marks are one small integer
_ALL = 0x3FFFFFFF
_NOWHERE = 0x100000  # where nothing follows
_PIECE = 256
_NO_SPACE = 28  # ENOSPC


def record(path: str, at: int, whole: bool = False) -> "Record | None":
    """Return where the next record is, from `at` on, its head, and if `whole`, whether it is.

    Damage between is stepped over. A body cut short was never kept: its append did not return.
    """
    with open(path, "rb") as file:
        end = file.seek(0, 2) - _HEAD_BYTES
        while at <= end:
            file.seek(at)
            raw = file.read(_HEAD_BYTES)
            head = struct.unpack(_HEAD, raw)
            if head[0] == b"uB" and head[-1] == crc32(raw[:-4]) and at + head[1] <= end:
                left, total = head[1] if whole else 0, 0
                while left:
                    raw = file.read(min(left, _PIECE))
                    left -= len(raw)
                    total = crc32(raw, total)
                return at, head, total == head[7]
            at += raw.find(b"uB", 1) % _HEAD_BYTES  # none: to its last byte
    return None


def _entries(path: str, at: int, count: int) -> "Iterator[tuple[int, str, str]]":
    with open(path, "rb") as file:
        file.seek(at)
        for _ in range(count):
            heard_ms, size = struct.unpack(">QH", file.read(10))
            head, tail = file.read(size).decode().split("\n", 1)
            yield heard_ms, head, tail


def _parts(entries: "Iterable[tuple[int, str, str]]") -> "Iterator[bytes]":
    """Yield what is written of each observation, in two parts."""
    for heard_ms, text, tail in entries:
        head = text.encode()
        rest = b"\n" + tail.encode()
        yield struct.pack(">QH", heard_ms, len(head) + len(rest)) + head
        yield rest


class Segments:
    """The store of one run, over all that earlier runs left."""

    def __init__(
        self, root: str, cap_bytes: int, clock: "Clock", reserve_bytes: int = 131072
    ) -> None:
        self.root = root
        self.clock = clock
        self._limits = cap_bytes, reserve_bytes  # of the store; of the file system, for all else
        self.observations = self.bytes = self.batches = 0
        self.lost: list[Loss] = []  # what `lease` has met: to be taken out and told
        self.next = 0  # the segment
        # Of each class: the segment appended to, its bytes, and of its last record: one past its
        # index, its first number, its observations.
        self._tails = [[-1, _NOWHERE, 0, 0, 0]] * 2
        self.done: dict[int, int] = {}  # segment -> a bit of each batch settled, or not there
        self.leased: set[int] = set()
        self.give_back()

    def open(self) -> dict[str, int]:
        """Count what earlier runs left: the last streams in it, and their next numbers."""
        return overlay.run("inventory", "count", self)

    # ------------------------------------------------------------------------------------- append
    def append(self, batch: "Batch") -> "Handle":
        """Keep a batch, leased to the caller; OSError: nothing of it is kept."""
        klass, stream, first, boot, offset, quality, entries = batch
        size, total, count = _HEAD_BYTES, 0, 0
        for part in _parts(entries):
            size += len(part)
            total = crc32(part, total)
            count += 1
        count //= 2
        number, at, index, before, taken = last = self._room(int(klass == "event"), size)
        names = f"{stream} {boot} {quality}".encode()
        sums = index, count, first, taken, before, total, offset or 0, names
        part = struct.pack(_HEAD[:-1], b"uB", size - _HEAD_BYTES, *sums)
        part += struct.pack(">I", crc32(part))
        last[1] = _NOWHERE  # nothing follows what fails
        with open(self.path(number), "ab" if at else "wb") as file:
            file.write(part)
            for part in _parts(entries):  # once more: there is no memory for all of them
                file.write(part)
        self._tails[number & 1] = [number, at + size, index + 1, first, count]
        if not index:
            self.next += 1
        self.observations += count
        self.bytes += size
        self.batches += 1
        self.leased.add(number << 5 | index)
        return number << 5 | index, at, count

    def _room(self, is_event: int, size: int) -> list[int]:
        tail = self._tails[is_event]
        cap, reserve = self._limits
        is_new = tail[1] + size > _SEGMENT_BYTES or tail[2] == _MOST
        stat = os.statvfs(self.root or "/") if is_new else (1, 0, 0, reserve + _SEGMENT_BYTES)
        if self.bytes + size > cap or stat[0] * stat[3] < reserve + _SEGMENT_BYTES:
            raise OSError(_NO_SPACE, "store")
        return [self.next << 1 | is_event, 0, 0, 0, 0] if is_new else tail

    # --------------------------------------------------------------------------- lease and settle
    def lease(self) -> "Handle | None":
        """Hand out the oldest batch that nobody has, events first; `lost` is what it met."""
        handle = self._walk(1) or self._walk(0)
        if not handle and not self.leased and self.batches:
            overlay.run("inventory", "write_off", self)
        return handle

    def _walk(self, is_event: int) -> "Handle | None":
        cursor = self._starts[is_event]
        while True:
            number, at, seen = cursor
            found = record(self.path(number), at, True) if at < _NOWHERE else None
            if found:
                at, head, is_whole = found
                index = head[2]
                key = number << 5 | index
                cursor[1:] = at + _HEAD_BYTES + head[1], seen | 1 << index
                if not is_whole or 2 * seen + 1 < 1 << index:  # or the head before it is bad
                    self._lose(number, head, is_whole, seen)
                done = self.done.get(number, 0) >> index & 1
                if is_whole and not done and key not in self.leased:
                    self.leased.add(key)
                    return key, at, head[3]
            elif not self._leave(cursor, is_event):
                return None

    def _leave(self, cursor: list[int], is_event: int) -> bool:
        """Go on to the next segment, if there is one and this one cannot grow any more."""
        number, at, seen = cursor
        if at < _NOWHERE:
            tail = self._tails[is_event]
            is_growing = tail[0] == number and tail[1] < _NOWHERE
            if is_growing and self.done.get(number, 0) != seen:
                return False
            self._mark(number, _ALL ^ seen)
        number = self.after(number, is_event)
        if number >= 0:
            cursor[:] = number, 0, 0
        return number >= 0

    def _lose(self, number: int, *found: object) -> None:
        losses, marks = overlay.run("inventory", "damaged", self, number, *found)
        overlay.run("journal", "declare", self.root, losses)
        self.lost += losses
        for each in marks:
            self._mark(number, *each)

    def read(self, handle: "Handle") -> "Batch":
        """Return a batch to be sent; OSError: it was dropped meanwhile."""
        key, at, count = handle
        path = self.path(key >> 5)
        found = record(path, at)
        if not found or found[0] != at:  # the head is damaged by now: what follows is another's
            raise OSError(at)
        head = found[1]
        stream, boot, quality = head[9].rstrip(b"\0").decode().split(" ")
        klass = "event" if key >> 5 & 1 else "routine"
        entries = _entries(path, at + _HEAD_BYTES, count)
        return klass, stream, head[4], boot, head[8] if quality else None, quality, entries

    def settle(self, handle: "Handle") -> int:
        """Forget a batch that was acknowledged; how many observations that were still here."""
        key, _, count = handle
        if key not in self.leased:
            return 0
        self.leased.remove(key)
        self._mark(key >> 5, 1 << (key & 31), count)
        return count

    def give_back(self, handle: "Handle" = (-1, 0, 0)) -> None:
        """Take back what was leased, to be leased again."""
        self.leased.discard(handle[0])
        # Of each class: segment, where the next record is, a bit of each record seen in it.
        self._starts = [-1, _NOWHERE, 0], [-1, _NOWHERE, 0]

    def _mark(self, number: int, bits: int, count: int = 0) -> None:
        """Want batches no more: a segment goes when it has no other, and all when none has."""
        self.done[number] = bits = bits | self.done.get(number, 0)
        self.observations -= count
        self.batches -= count > 0
        try:
            if bits == _ALL:
                self.remove(number)
            if not self.batches:
                for name in os.listdir(self.root + "/store"):
                    self.remove(int(name, 16))
        except OSError:
            pass  # what cannot be deleted is sent once more after the next start

    # --------------------------------------------------------------------------------------- drop
    def drop_oldest(self) -> "list[Loss]":
        """Give up a segment, the oldest routine one, else one of events; what that loses.

        OSError: its loss could not be noted, and it stays.
        """
        number, losses = overlay.run("inventory", "oldest", self)
        overlay.run("journal", "declare", self.root, losses)
        overlay.run("inventory", "drop", self, number)
        return losses

    def remove(self, number: int) -> None:
        """Delete a segment."""
        path = self.path(number)
        size = os.stat(path)[6]
        os.remove(path)
        self.bytes -= size
        self.done.pop(number, None)
        for states in self._tails, self._starts:
            state = states[number & 1]
            if state[0] == number:
                state[1] = _NOWHERE

    def after(self, number: int, is_event: int) -> int:
        """Return the next segment of a class, -1: there is none."""
        least = end = self.next << 1
        for entry in os.ilistdir(self.root + "/store"):
            other = int(entry[0], 16)
            if number < other < least and other & 1 == is_event:
                least = other
        return -1 if least == end else least

    def path(self, number: int) -> str:
        """Return where a segment is."""
        return f"{self.root}/store/{number:x}"
