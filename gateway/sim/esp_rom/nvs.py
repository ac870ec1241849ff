"""What ESP-IDF reads from an NVS partition: its values by namespace and key.

A partition is pages of 4096 bytes: a header, two bits per entry, 126 entries. As the chip does,
it passes over whatever is not whole, so what is missing here is missing there.

    header   state.(4) number.(4) version and unused.(20) crc.(4)
    entry    NN TT SS CC crc.(4) key...(16) value.(8)      N namespace, T type, S entries it takes,
                                                           C which piece of a blob
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

PAGE_BYTES: Final = 4096
_HEADER: Final = struct.Struct("<II20sI")
_ENTRY: Final = struct.Struct("<BBBBI16s8s")
_BITS_AT: Final = 32
_ENTRIES_AT: Final = 64
_ENTRIES: Final = 126
_USED: Final = (0xFFFFFFFE, 0xFFFFFFFC)  # states of a page: active, full
_WRITTEN: Final = 0b10
_I32: Final = 0x14
_STRING: Final = 0x21
_BLOB_PIECE: Final = 0x42
_BLOB_INDEX: Final = 0x48
_ALL_ONES: Final = 0xFFFFFFFF  # what ESP-IDF's checksums begin with

Values = dict[str, dict[str, bytes | int]]


class _Entry(NamedTuple):
    namespace: int  # 0: it names one
    kind: int
    piece: int
    key: str
    value: bytes  # the eight bytes in the entry itself
    content: bytes  # what follows it, of the length that its value says


def read(partition: bytes) -> Values:
    """Return the values of a partition: blobs and strings as bytes, 32-bit numbers as int."""
    entries = [entry for page in _pages(partition) for entry in _entries(page)]
    names = {entry.value[0]: entry.key for entry in entries if entry.namespace == 0}
    pieces = {(e.namespace, e.key, e.piece): e.content for e in entries if e.kind == _BLOB_PIECE}
    found: Values = {name: {} for name in names.values()}
    for entry in entries:
        value = _value(entry, pieces)
        if value is not None and entry.namespace in names:
            found[names[entry.namespace]][entry.key] = value
    return found


def _pages(partition: bytes) -> list[bytes]:
    """Return the pages that hold something, the oldest first."""
    found: dict[int, bytes] = {}
    for at in range(0, len(partition) - PAGE_BYTES + 1, PAGE_BYTES):
        page = partition[at : at + PAGE_BYTES]
        state, number, _, checksum = _HEADER.unpack_from(page)
        if state in _USED and zlib.crc32(page[4:28], _ALL_ONES) == checksum:
            found[number] = page
    return [found[number] for number in sorted(found)]


def _entries(page: bytes) -> Iterator[_Entry]:
    """Return the entries of a page that are written and whole."""
    bits = int.from_bytes(page[_BITS_AT:_ENTRIES_AT], "little")
    index = 0
    while index < _ENTRIES:
        at = _ENTRIES_AT + index * _ENTRY.size
        namespace, kind, span, piece, checksum, key, value = _ENTRY.unpack_from(page, at)
        summed = page[at : at + 4] + page[at + 8 : at + _ENTRY.size]
        is_whole = zlib.crc32(summed, _ALL_ONES) == checksum
        if bits >> 2 * index & 0b11 == _WRITTEN and is_whole:
            content = page[at + _ENTRY.size : at + span * _ENTRY.size]
            name = key.rstrip(b"\0").decode("ascii", "replace")
            yield _Entry(namespace, kind, piece, name, value, _whole(content, value))
            index += max(1, span)
        else:
            index += 1


def _whole(content: bytes, value: bytes) -> bytes:
    """Return what follows an entry, nothing if it is damaged or if nothing does."""
    size, _, checksum = struct.unpack("<HHI", value)
    data = content[:size]
    return data if len(data) == size and zlib.crc32(data, _ALL_ONES) == checksum else b""


def _value(entry: _Entry, pieces: dict[tuple[int, str, int], bytes]) -> bytes | int | None:
    """Return the value that an entry begins; None for a part of one, or a kind nobody reads."""
    if entry.kind == _I32:
        return int.from_bytes(entry.value[:4], "little", signed=True)
    if entry.kind == _STRING:
        return entry.content.removesuffix(b"\0")
    if entry.kind != _BLOB_INDEX:
        return None
    size, count, first = struct.unpack_from("<IBB", entry.value)
    parts = [
        pieces.get((entry.namespace, entry.key, first + number), b"") for number in range(count)
    ]
    blob = b"".join(parts)
    return blob if len(blob) == size else None
