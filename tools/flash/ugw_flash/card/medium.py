"""Bytes at offsets: what cards, partitions and files of an image have in common.

Whatever reads a partition table or a file system, or writes one, goes through a Medium; what a
Medium is made of (a block device on Linux, macOS or Windows, a plain file) is said where it is
opened.
"""

import os
from pathlib import Path
from typing import Protocol, Self


class Readable(Protocol):
    """Something to read from. Everything raises OSError when it does."""

    size: int

    def read_at(self, offset: int, count: int) -> bytes:
        """Return exactly `count` bytes; less only at the end."""
        ...


class Medium(Readable, Protocol):
    """Something to read from and write to."""

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of it."""

    def flush(self) -> None:
        """Return once everything that was written is on the medium itself."""


class FileMedium:
    """A plain file, such as an image."""

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open it. Raises OSError."""
        self.path = path
        self._file = path.open("r+b" if writable else "rb", buffering=0)
        self.size = self._file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from there on, less at the end."""
        self._file.seek(offset)
        found = bytearray()
        while len(found) < count and (more := self._file.read(count - len(found))):
            found += more
        return bytes(found)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of it, from there on."""
        self._file.seek(offset)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size = max(self.size, offset + len(data))

    def flush(self) -> None:
        """Wait until it is on the medium below."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; nothing is waited for."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Window:
    """A part of a medium, such as a partition, as a medium of its own."""

    def __init__(self, medium: Medium, offset: int, size: int) -> None:
        self._medium = medium
        self._offset = offset
        self.size = size

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from there on, less at the end of the part."""
        return self._medium.read_at(self._offset + offset, max(0, min(count, self.size - offset)))

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of it. Raises OSError rather than write beyond the part."""
        if offset < 0 or offset + len(data) > self.size:
            cause = f"{len(data)} bytes at {offset} are not within the {self.size} of this part"
            raise OSError(cause)
        self._medium.write_at(self._offset + offset, data)

    def flush(self) -> None:
        """Wait until it is on the medium below."""
        self._medium.flush()
