"""Where the partitions of a card or an image lie: the table at its beginning, MBR or GPT.

A table that contradicts itself is refused, never interpreted: parts that overlap or lie outside
of the medium, a GPT whose checksums differ. Sectors are of 512 bytes, as on every card there is.
"""

import struct
from binascii import crc32
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from uuid import UUID

from ugw_flash.card.medium import Readable
from ugw_flash.outcome import BadMaterialError

SECTOR: Final = 512

# Master boot record: four entries of 16 bytes from 446 on, then the signature. An entry: 0x80 or
# 0, three bytes of obsolete address, type, three more, first sector, number of sectors.
_ENTRIES_AT: Final = 446
_ENTRY: Final = struct.Struct("<B3xB3xII")
_SIGNATURE: Final = b"\x55\xaa"
_IS_GPT: Final = 0xEE
_FAT_TYPES: Final = frozenset({0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0xEF})

# UEFI 2.10, 5.3: magic, revision, size and CRC of the header; this and the other header's sector,
# first and last usable sector, the disk's id; sector, number, size and CRC of the entries.
_HEADER: Final = struct.Struct("<8s4sII4xQQQQ16sQIII")
_GPT_ENTRY: Final = struct.Struct("<16s16sQQ")
_MAGIC: Final = b"EFI PART"
_MOST_ENTRIES: Final = 1024
_MOST_ENTRY_SIZE: Final = 1024
_FAT_GUIDS: Final = frozenset(
    {
        UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),  # EFI system
        UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"),  # Microsoft basic data
    }
)

_NO_TABLE: Final = "there is no partition table at its beginning"


class Slice(NamedTuple):
    """A partition."""

    number: int  # from 1 on, as in /dev/sdb1
    offset: int  # bytes
    size: int  # bytes
    kind: Literal["fat", "other"]  # by its type in the table

    @property
    def end(self) -> int:
        """Return where the next byte is that is not of it."""
        return self.offset + self.size


def partitions(medium: Readable) -> list[Slice]:
    """Read the table. Raises BadMaterialError: none, or one that contradicts itself.

    Logical partitions, within an extended one, are not listed: no image of ours has any.
    """
    sector = medium.read_at(0, SECTOR)
    if len(sector) != SECTOR or not sector.endswith(_SIGNATURE):
        raise BadMaterialError(_NO_TABLE)
    entries = [_ENTRY.unpack_from(sector, _ENTRIES_AT + 16 * each) for each in range(4)]
    if any(active not in (0, 0x80) for active, *_ in entries):
        # The boot sector of a file system has the same signature, and code where the table is.
        raise BadMaterialError(_NO_TABLE)
    if any(kind == _IS_GPT for _, kind, _, _ in entries):
        return _checked(_of_gpt(medium), medium.size)
    found = [
        _slice(number, first, count, fat=kind in _FAT_TYPES)
        for number, (_, kind, first, count) in enumerate(entries, start=1)
        if kind and count
    ]
    return _checked(found, medium.size)


def boot_slice(medium: Readable) -> Slice:
    """Return the boot partition: the first FAT one. Raises BadMaterialError when there is none."""
    for each in partitions(medium):
        if each.kind == "fat":
            return each
    cause = "there is no boot partition: no partition of its table is FAT"
    raise BadMaterialError(cause)


def _slice(number: int, first: int, count: int, *, fat: bool) -> Slice:
    return Slice(number, first * SECTOR, count * SECTOR, "fat" if fat else "other")


def _of_gpt(medium: Readable) -> list[Slice]:
    header = medium.read_at(SECTOR, SECTOR)
    if len(header) != SECTOR or not header.startswith(_MAGIC):
        cause = "its partition table says GPT, and there is no GPT"
        raise BadMaterialError(cause)
    _, _, size, check, _, _, _, _, _, at, count, each, entries_check = _HEADER.unpack_from(header)
    if not _HEADER.size <= size <= SECTOR or crc32(_unchecked(header[:size])) != check:
        cause = "the header of its partition table (GPT) is damaged"
        raise BadMaterialError(cause)
    if count > _MOST_ENTRIES or not _GPT_ENTRY.size <= each <= _MOST_ENTRY_SIZE:
        cause = f"its partition table (GPT) has {count} entries of {each} bytes"
        raise BadMaterialError(cause)
    # Nothing is looked for beyond its end: no seek goes as far as this table can say.
    entries = medium.read_at(at * SECTOR, count * each) if at * SECTOR < medium.size else b""
    if len(entries) != count * each or crc32(entries) != entries_check:
        cause = "the entries of its partition table (GPT) are damaged"
        raise BadMaterialError(cause)
    return [
        _slice(number, first, last + 1 - first, fat=UUID(bytes_le=kind) in _FAT_GUIDS)
        for number in range(1, count + 1)
        for kind, _, first, last in [_GPT_ENTRY.unpack_from(entries, (number - 1) * each)]
        if any(kind)
    ]


def _unchecked(header: bytes) -> bytes:
    """Return the header with zero for its checksum, as it was when that was computed."""
    return header[:16] + bytes(4) + header[20:]


def _checked(found: list[Slice], size: int) -> list[Slice]:
    if not found:
        cause = "its partition table is empty"
        raise BadMaterialError(cause)
    for each in found:
        if each.offset < SECTOR or each.size <= 0 or each.end > size:
            cause = (
                f"partition {each.number} of its table lies outside of it: {each.size} bytes"
                f" from {each.offset} on, and there are {size}"
            )
            raise BadMaterialError(cause)
    for one, next_one in pairwise(sorted(found, key=lambda each: each.offset)):
        if one.end > next_one.offset:
            cause = f"partitions {one.number} and {next_one.number} of its table overlap"
            raise BadMaterialError(cause)
    return found
