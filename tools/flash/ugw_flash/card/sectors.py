"""A block device as a Medium: whole sectors, past every cache, in one aligned buffer.

What is read comes from the card and not from this computer's memory; what is written is with the
card when the call returns, as far as the system can tell. The devices of all three systems want
offsets and lengths in whole sectors: what is not is completed by what is there.
"""

import mmap
from collections.abc import Callable, Iterator
from io import FileIO
from typing import Final

_BUFFER: Final = 4 << 20


class Sectors:
    """A device that is open. It is closed by who has opened it."""

    def __init__(
        self, file: FileIO, size: int, sector: int, flush: Callable[[FileIO], None]
    ) -> None:
        """Take the device, bytes there are, bytes of a sector, and what makes it durable."""
        self._file = file
        self._sector = sector
        self._flush = flush
        self._buffer = memoryview(mmap.mmap(-1, _BUFFER))  # on a page's border
        self.size = size

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from there on, less at the end. Raises OSError."""
        found = bytearray()
        for at, length in self._pieces(offset, min(count, self.size - offset)):
            start = at // self._sector * self._sector
            self._load(start, self._whole(at + length) - start)
            found += self._buffer[at - start : at - start + length]
        return bytes(found)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of it, from there on. Raises OSError, also for what is beyond the end."""
        if offset < 0 or offset + len(data) > self.size:
            cause = f"{len(data)} bytes at {offset} are not within the {self.size} of this card"
            raise OSError(cause)
        for at, length in self._pieces(offset, len(data)):
            start, end = at // self._sector * self._sector, self._whole(at + length)
            if (start, end) != (at, at + length):
                self._load(start, end - start)
            self._buffer[at - start : at - start + length] = data[at - offset :][:length]
            self._store(start, end - start)

    def flush(self) -> None:
        """Return once everything that was written is on the card. Raises OSError."""
        self._flush(self._file)

    def _pieces(self, offset: int, count: int) -> Iterator[tuple[int, int]]:
        """Yield where to read or write, and how much: never across a border of the buffer."""
        end = offset + count
        while offset < end:
            length = min(end, (offset // _BUFFER + 1) * _BUFFER) - offset
            yield offset, length
            offset += length

    def _whole(self, end: int) -> int:
        return -(-end // self._sector) * self._sector

    def _load(self, start: int, count: int) -> None:
        self._file.seek(start)
        done = 0
        while done < count:
            more = self._file.readinto(self._buffer[done:count])
            if not more:
                cause = f"the card ends at {start + done}, and should have {self.size} bytes"
                raise OSError(cause)
            done += more

    def _store(self, start: int, count: int) -> None:
        self._file.seek(start)
        done = 0
        while done < count:
            done += self._file.write(self._buffer[done:count]) or 0
