"""NOR flash: erased by the block, programmed by clearing bits, worn by each erase.

The power may go at any operation, by number: that one is left undone or done by half, and nothing
after it happens. It is a block device for VfsLfs2 (the extended protocol).
"""

from array import array

_BLOCK = 4096
_ERASED = b"\xff" * _BLOCK
_IO_ERROR = -5  # what a driver answers: littlefs hands it on as OSError(EIO)
_BLOCK_COUNT = 4
_BLOCK_SIZE = 5
_BLOCK_ERASE = 6


class Flash:
    """A chip whose cells are in a file, or in memory as io.BytesIO: seek, readinto, write.

    `ends` is called when the power goes; without it all operations fail from then on.
    """

    def __init__(self, cells, blocks: int, ends=None) -> None:
        self._cells = cells
        self._ends = ends
        self._erases = array("H", bytes(2 * blocks))
        self.programs = 0
        self.operations = 0  # erases and programs
        self.cut_at = 0  # the operation at which the power goes; 0: it stays
        self.is_torn = True  # that operation is done by half; else it is left undone
        self.is_dead = False
        self.misuses = 0  # programs that would have had to set a bit

    def worn(self) -> tuple:
        """All erases since the start, the most of one block, all programs."""
        return sum(self._erases), max(self._erases), self.programs

    def readblocks(self, block: int, buffer, offset: int = 0) -> int:
        if self.is_dead:
            return _IO_ERROR
        self._cells.seek(block * _BLOCK + offset)
        self._cells.readinto(buffer)
        return 0

    def writeblocks(self, block: int, buffer, offset=None) -> int:
        if offset is None:
            self.ioctl(_BLOCK_ERASE, block)
            offset = 0
        self.programs += 1
        return self._operate(block * _BLOCK + offset, memoryview(buffer), False)

    def ioctl(self, request: int, argument: int) -> int:
        if request == _BLOCK_COUNT:
            return len(self._erases)
        if request == _BLOCK_SIZE:
            return _BLOCK
        if request == _BLOCK_ERASE:
            self._erases[argument] += 1
            return self._operate(argument * _BLOCK, memoryview(_ERASED), True)
        return 0

    def _operate(self, at: int, data, is_erase: bool) -> int:
        if self.is_dead:
            return _IO_ERROR
        self.operations += 1
        if self.operations == self.cut_at:
            self.is_dead = True
            data = data[: len(data) // 2 if self.is_torn else 0]
        self._cells.seek(at)
        self._cells.write(data if is_erase else self._cleared(at, data))
        if self.is_dead and self._ends:
            self._ends()
        return _IO_ERROR if self.is_dead else 0

    def _cleared(self, at: int, data):
        """Return what the cells hold after a program: bits are cleared, never set."""
        before = bytearray(len(data))
        self._cells.seek(at)
        self._cells.readinto(before)
        if before != _ERASED[: len(data)]:
            for index, byte in enumerate(data):
                self.misuses += byte & before[index] != byte
                before[index] &= byte
            data = before
        self._cells.seek(at)
        return data
