"""One download into the flash: what comes, plain or deflated, in one piece after the other.

The ROM erases all of the range before it takes the first block, the stub as it goes: a cable
pulled out leaves different ruins.
"""

import zlib

from gateway.sim.esp_rom.flash import SECTOR_BYTES, NorFlash
from gateway.sim.esp_rom.protocol import RefusedError, Why


class Writing:
    """A range of `size` bytes at `offset`; raises RefusedError for what does not fit.

    `blocks` counts those taken, `left` the bytes that are still to come; the padding of the last
    block makes it negative.
    """

    def __init__(
        self, flash: NorFlash, offset: int, size: int, *, erases_first: bool, deflated: bool
    ) -> None:
        if not flash.holds(offset, size):
            raise RefusedError(Why.FAILED)
        self.blocks = 0
        self.left = size
        self.deflated = deflated
        self._flash = flash
        self._at = offset
        self._erased = offset // SECTOR_BYTES * SECTOR_BYTES  # up to here
        self._stop = -(-(offset + size) // SECTOR_BYTES) * SECTOR_BYTES
        self._inflater = zlib.decompressobj()
        if erases_first:
            self._erase_up_to(self._stop)

    def take(self, content: bytes) -> None:
        """Write a block behind the one before."""
        self.blocks += 1
        self._write(self._inflated(content) if self.deflated else content)

    def _inflated(self, content: bytes) -> bytes:
        try:
            # One byte more than there is room for: so that too much is noticed.
            return self._inflater.decompress(content, self._stop - self._at + 1)
        except zlib.error:
            raise RefusedError(Why.NOT_INFLATED) from None

    def _write(self, content: bytes) -> None:
        end = self._at + len(content)
        if end > self._stop:
            raise RefusedError(Why.BEYOND_FLASH)
        self._erase_up_to(-(-end // SECTOR_BYTES) * SECTOR_BYTES)
        self._flash.program(self._at, content)
        self._at = end
        self.left -= len(content)

    def _erase_up_to(self, end: int) -> None:
        if end > self._erased:
            self._flash.erase(self._erased, end - self._erased)
            self._erased = end
