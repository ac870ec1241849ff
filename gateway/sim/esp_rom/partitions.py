"""What a firmware finds in the flash by its partition table: its NVS, and its file system.

    AA 50 TT SS offset.(4) size.(4) label...(16) flags.(4)     T type, S subtype; then EB EB, MD5

Read apart from what makes the table, so that no mistake is made twice.
"""

import struct
from typing import Final, NamedTuple

from gateway.sim.esp_rom.flash import NorFlash

_TABLE_AT: Final = 0x8000
_TABLE_BYTES: Final = 0xC00
_ENTRY: Final = struct.Struct("<2sBBII16sI")
_MAGIC: Final = b"\xaaP"
_DATA, _NVS = 1, 2
_FILES: Final = "vfs"


class Region(NamedTuple):
    """A part of the flash, in bytes."""

    offset: int
    size: int


class Layout(NamedTuple):
    """Where a firmware keeps what; None: nowhere."""

    nvs: Region | None
    files: Region | None


def layout(flash: NorFlash) -> Layout | None:
    """Read the table; None when there is none.

    Without an entry for it the file system is all that is behind the last partition, as
    MicroPython has it since 2025.
    """
    nvs = files = None
    end = 0
    table = flash.read(_TABLE_AT, _TABLE_BYTES)
    for magic, kind, subtype, offset, size, label, _ in _ENTRY.iter_unpack(table):
        if magic != _MAGIC:
            break
        region = Region(offset, size)
        end = max(end, offset + size)
        if (kind, subtype) == (_DATA, _NVS):
            nvs = region
        elif label.rstrip(b"\0").decode("ascii", "replace") == _FILES:
            files = region
    if not end:
        return None
    if files is None and end < len(flash):
        files = Region(end, len(flash) - end)
    return Layout(nvs, files)
