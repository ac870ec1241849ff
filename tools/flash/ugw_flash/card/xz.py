"""How large what is in an .xz file will be: read from its index, without unpacking anything.

The layout is that of "The .xz File Format" 1.2.1 (tukaani.org). What does not add up raises
ValueError: a file that was cut off has no index. So does padding between streams: Python's lzma
would take it for the end.
"""

import struct
from binascii import crc32
from typing import BinaryIO, Final

MAGIC: Final = b"\xfd7zXZ\x00"

# Stream: header, blocks, index, footer. Footer: CRC of the rest, words of the index but one,
# flags, magic.
_HEADER_BYTES: Final = 12
_FOOTER: Final = struct.Struct("<II2s2s")
_FOOTER_MAGIC: Final = b"YZ"
_MOST_INDEX: Final = 64_000_000  # of a million blocks
_WORD: Final = 4
_VLI_BYTES: Final = 9


def unpacked_size(file: BinaryIO, size: int) -> int:
    """Return the bytes that the file unpacks to. Raises ValueError, OSError."""
    total, end = 0, size
    while end > 0:
        unpacked, end = _stream(file, end)
        total += unpacked
    return total


def _stream(file: BinaryIO, end: int) -> tuple[int, int]:
    """Return what the stream that ends there unpacks to, and where it begins."""
    if end < _HEADER_BYTES + _FOOTER.size:
        cause = "it is too short for an .xz file"
        raise ValueError(cause)
    file.seek(end - _FOOTER.size)
    check, words, flags, magic = _FOOTER.unpack(file.read(_FOOTER.size))
    index_bytes = (words + 1) * _WORD
    if magic != _FOOTER_MAGIC or check != crc32(struct.pack("<I2s", words, flags)):
        cause = "it does not end as an .xz file does"
        raise ValueError(cause)
    index_at = end - _FOOTER.size - index_bytes
    if index_bytes > _MOST_INDEX or index_at < _HEADER_BYTES:
        cause = "its index is larger than itself"
        raise ValueError(cause)
    file.seek(index_at)
    packed, unpacked = _totals(file.read(index_bytes))
    begin = index_at - packed - _HEADER_BYTES
    if begin < 0:
        cause = "its index speaks of more than there is"
        raise ValueError(cause)
    return unpacked, begin


def _totals(index: bytes) -> tuple[int, int]:
    """Return the bytes of all blocks of an index, packed and unpacked."""
    if index[0] or crc32(index[:-_WORD]) != int.from_bytes(index[-_WORD:], "little"):
        cause = "its index is damaged"
        raise ValueError(cause)
    records, at = _vli(index, 1)
    packed = unpacked = 0
    for _ in range(records):
        block, at = _vli(index, at)
        content, at = _vli(index, at)
        packed += -(-block // _WORD) * _WORD
        unpacked += content
    return packed, unpacked


def _vli(index: bytes, at: int) -> tuple[int, int]:
    """Return an integer of seven bits a byte, the lowest first, and where the next one is."""
    value = 0
    for place, byte in enumerate(index[at : at + _VLI_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit: more to come
            return value, at + place + 1
    cause = "its index is damaged"
    raise ValueError(cause)
