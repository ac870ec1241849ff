"""The packets of the loaders, the ROM's and the flasher stub's, and the words in them.

    request   00 CC SSSS KKKKKKKK data      C command, S size of data, K checksum of the block
    reply     01 CC SSSS VVVVVVVV data st   V value, st status: 00 00 done; else refused, and why

All little-endian. The ROM's status has two more bytes than the stub's, both zero.
"""

import enum
import struct
from typing import Final, NamedTuple, Self

_HEADER: Final = struct.Struct("<BBHI")
_WORD_BYTES: Final = 4
_CHECKSUM_SEED: Final = 0xEF


class Command(enum.IntEnum):
    """What a loader can be asked for."""

    FLASH_BEGIN = 0x02
    FLASH_DATA = 0x03
    FLASH_END = 0x04
    MEM_BEGIN = 0x05
    MEM_END = 0x06
    MEM_DATA = 0x07
    SYNC = 0x08
    WRITE_REG = 0x09
    READ_REG = 0x0A
    SPI_SET_PARAMS = 0x0B
    SPI_ATTACH = 0x0D
    READ_FLASH_SLOW = 0x0E
    CHANGE_BAUDRATE = 0x0F
    FLASH_DEFL_BEGIN = 0x10
    FLASH_DEFL_DATA = 0x11
    FLASH_DEFL_END = 0x12
    SPI_FLASH_MD5 = 0x13
    GET_SECURITY_INFO = 0x14
    ERASE_FLASH = 0xD0
    ERASE_REGION = 0xD1
    READ_FLASH = 0xD2


class Why(enum.IntEnum):
    """Why a request is refused, as the ROM says it; the stub has numbers of its own."""

    INVALID = 5  # unknown, or of a wrong size
    FAILED = 6
    BAD_CHECKSUM = 7
    BEYOND_FLASH = 8
    TOO_LONG = 10
    NOT_INFLATED = 11
    UNFINISHED = 12  # the stub's alone


class RefusedError(Exception):
    """A request is refused; its argument is a Why."""


class Request(NamedTuple):
    """What the host asks."""

    command: int
    data: bytes
    checksum: int

    @classmethod
    def parse(cls, packet: bytes) -> Self | None:
        """Read a packet; None when it is none, which no loader answers."""
        if len(packet) < _HEADER.size or packet[0] != 0:
            return None
        _, command, size, checksum = _HEADER.unpack_from(packet)
        data = packet[_HEADER.size :]
        return cls(command, data, checksum) if len(data) == size else None

    def words(self, count: int) -> tuple[int, ...]:
        """Return the first words of its data. Raises RefusedError when there are fewer."""
        if len(self.data) < count * _WORD_BYTES:
            raise RefusedError(Why.INVALID)
        return struct.unpack_from(f"<{count}I", self.data)

    def block(self) -> tuple[int, bytes]:
        """Return the number of a block and what is in it. Raises RefusedError on a damaged one."""
        size, number, _, _ = self.words(4)
        content = self.data[4 * _WORD_BYTES :]
        if size != len(content):
            raise RefusedError(Why.INVALID)
        if checksum(content) != self.checksum & 0xFF:
            raise RefusedError(Why.BAD_CHECKSUM)
        return number, content


class Reply(NamedTuple):
    """What is answered to a request that was not refused."""

    value: int = 0
    data: bytes = b""


def checksum(content: bytes) -> int:
    """Return the checksum of a block: all its bytes, and a seed, one over the other."""
    folded = int.from_bytes(content, "big")
    width = len(content)
    while width > 1:
        half = width // 2
        folded = (folded >> (8 * half)) ^ (folded & ((1 << (8 * half)) - 1))
        width -= half
    return folded ^ _CHECKSUM_SEED


def done(command: int, reply: Reply, status_bytes: int) -> bytes:
    """Return the packet of a reply."""
    return _packet(command, reply.value, reply.data + bytes(status_bytes))


def refused(command: int, status: bytes, status_bytes: int) -> bytes:
    """Return the packet of a refusal; `status` says why, in the words of the loader."""
    return _packet(command, 0, status.ljust(status_bytes, b"\0"))


def _packet(command: int, value: int, data: bytes) -> bytes:
    return _HEADER.pack(1, command, len(data), value) + data
