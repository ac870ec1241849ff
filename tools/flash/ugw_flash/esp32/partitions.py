"""The partition table of an ESP32: where firmware, secrets and files lie in its flash.

Pure: from bytes to regions. A table that is damaged, or contradicts itself, is refused: by it a
board's whole flash is written.
"""

import hashlib
import struct
from typing import Final, NamedTuple

from ugw_flash.outcome import BadMaterialError

TABLE_AT: Final = 0x8000
TABLE_BYTES: Final = 0xC00
SECTOR: Final = 4096  # what is erased at once

_ENTRY: Final = struct.Struct("<HBBII16sI")
_MAGIC: Final = 0x50AA
_DIGEST: Final = b"\xeb\xeb"
_APP, _DATA = 0, 1
_NVS: Final = 2
_FILES: Final = "vfs"  # as MicroPython calls it; TinyUF2's "ffat" is another format
_FOREIGN: Final = "ffat"
_REMEDY: Final = "take MicroPython's own firmware, as published, or built as docs/how-to/esp32.md"


class Partition(NamedTuple):
    """One row of the table."""

    name: str
    kind: int
    subtype: int
    offset: int  # bytes, in the flash
    size: int  # bytes

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.size


Table = tuple[Partition, ...]


def parse(data: bytes) -> Table:
    """Read what lies at 0x8000 of the flash. Raises BadMaterialError."""
    found: list[Partition] = []
    for at in range(0, min(len(data), TABLE_BYTES) - _ENTRY.size + 1, _ENTRY.size):
        entry = data[at : at + _ENTRY.size]
        if entry[:2] == _DIGEST:
            if hashlib.md5(data[:at], usedforsecurity=False).digest() != entry[16:]:
                why = "is damaged: its MD5 is another"
                raise _bad(why)
            return _sound(found)
        magic, kind, subtype, offset, size, name, _ = _ENTRY.unpack(entry)
        if magic != _MAGIC:
            break
        text = name.split(b"\0")[0].decode("ascii", errors="replace")
        found.append(Partition(text, kind, subtype, offset, size))
    why = "is missing, or has no MD5" if not found else "has no MD5"
    raise _bad(why)


def application(table: Table) -> Partition:
    """Return where the firmware's code starts from. Raises BadMaterialError."""
    found = [each for each in table if each.kind == _APP]
    if not found:
        why = "has no place for an application"
        raise _bad(why)
    return min(found, key=lambda each: (each.subtype, each.offset))  # factory, else ota_0


def secrets(table: Table) -> Partition:
    """Return the region of NVS. Raises BadMaterialError."""
    for each in table:
        if (each.kind, each.subtype, each.name) == (_DATA, _NVS, "nvs"):
            return each
    why = "has no NVS, where secrets go"
    raise _bad(why)


def files(table: Table, flash_bytes: int) -> Partition:
    """Return the region of the file system on a chip of this size. Raises BadMaterialError.

    Where the table names none, MicroPython makes one at its start: from the end of the last
    partition to the end of the chip, as large as the chip really is (ports/esp32/main.c).
    """
    for each in table:
        if each.name == _FILES and each.kind == _DATA:
            return _within(each, flash_bytes)
    if any(each.name == _FOREIGN for each in table):
        why = "is that of TinyUF2, whose file system is another"
        raise _bad(why)
    end = max(each.end for each in table)
    made = Partition(_FILES, _DATA, 0x81, end, (flash_bytes - end) // SECTOR * SECTOR)
    return _within(made, flash_bytes)


def _within(region: Partition, flash_bytes: int) -> Partition:
    if region.size <= 0 or region.end > flash_bytes:
        cause = (
            f"the firmware needs a flash of more than {region.end / 2**20:g} MB for its files, "
            f"and this one has {flash_bytes / 2**20:g} MB"
        )
        raise BadMaterialError(cause, "take the firmware for a board with this flash")
    return region


def _sound(found: list[Partition]) -> Table:
    end = TABLE_AT + SECTOR
    for each in sorted(found, key=lambda each: each.offset):
        if each.offset % SECTOR or each.size % SECTOR or each.size == 0:
            why = f"places {each.name!r} where no sector begins or ends"
            raise _bad(why)
        if each.offset < end:
            why = f"lets {each.name!r} overlap with what is before it"
            raise _bad(why)
        end = each.end
    return tuple(found)


def _bad(why: str) -> BadMaterialError:
    return BadMaterialError("the partition table " + why, _REMEDY)
