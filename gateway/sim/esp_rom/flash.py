"""NOR flash: erasing sets the bits of whole sectors, programming only clears them.

Nothing reaches beyond its end. A worn cell keeps a bit that was to be cleared, so that what is
read back is not what was written.
"""

import hashlib
from typing import Final

from gateway.errors import SimulatorError

SECTOR_BYTES: Final = 4096
_WORN_BIT: Final = 0x10


class NorFlash:
    """The chip beside the chip. `worn` are addresses of cells that no longer do as they are told.

    All offsets and sizes are in bytes; what does not fit raises SimulatorError.
    """

    def __init__(self, size: int, worn: frozenset[int] = frozenset()) -> None:
        self._cells = bytearray(b"\xff" * size)
        self._worn = worn
        self.erases = 0  # of sectors

    def __len__(self) -> int:
        return len(self._cells)

    def holds(self, offset: int, size: int) -> bool:
        """Whether a range lies in it."""
        return 0 <= offset <= offset + size <= len(self._cells)

    def read(self, offset: int, size: int) -> bytes:
        """Return what is there."""
        self._check(offset, size)
        return bytes(memoryview(self._cells)[offset : offset + size])

    def md5(self, offset: int, size: int) -> bytes:
        """Return the digest of what is there, as the loaders answer it."""
        return hashlib.md5(self.read(offset, size), usedforsecurity=False).digest()

    def erase(self, offset: int, size: int) -> None:
        """Erase every sector that the range touches."""
        if size == 0:
            return
        start = offset // SECTOR_BYTES * SECTOR_BYTES
        stop = -(-(offset + size) // SECTOR_BYTES) * SECTOR_BYTES
        self._check(start, stop - start)
        self._cells[start:stop] = b"\xff" * (stop - start)
        self.erases += (stop - start) // SECTOR_BYTES

    def program(self, offset: int, data: bytes) -> None:
        """Clear the bits that are clear in the data, and no others."""
        self._check(offset, len(data))
        size = len(data)
        before = int.from_bytes(self._cells[offset : offset + size], "big")
        cleared = before & int.from_bytes(data, "big")
        self._cells[offset : offset + size] = cleared.to_bytes(size, "big")
        for address in self._worn:
            if offset <= address < offset + size:
                self._cells[address] ^= _WORN_BIT

    def load(self, offset: int, data: bytes) -> None:
        """Put data there past all rules: what a running application has left behind."""
        self._check(offset, len(data))
        self._cells[offset : offset + len(data)] = data

    def _check(self, offset: int, size: int) -> None:
        if not self.holds(offset, size):
            cause = f"{size} bytes at {offset:#x} are beyond a flash of {len(self._cells)} bytes"
            raise SimulatorError(cause)
