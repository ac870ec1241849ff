"""A firmware as MicroPython publishes it, in everything but its code: for tests of what flashes.

Headers, checksums, digests, partition table, descriptor and banner are those of a real one, so
that esptool, the ROM and `ugw flash` find nothing to object to; the code is noise, equal for
equal recipes.
"""

import hashlib
import random
import struct
from typing import Final, NamedTuple

CHIPS: Final = {"esp32": (0, 0x1000), "esp32s3": (9, 0x0)}  # chip id in headers, first address
TABLE_AT: Final = 0x8000
APP_AT: Final = 0x10000

_IMAGE: Final = struct.Struct("<BBBBI BBBB H BHH 4s B")
_ENTRY: Final = struct.Struct("<HBBII16sI")
_APP_DESCRIPTOR: Final = struct.Struct("<II8s32s32s16s16s32s32s20s")
_DIO: Final = 2
_ALIGNED: Final = 16
_SEED: Final = 0xEF  # of the checksum
_APP, _DATA = 0, 1
_FACTORY, _PHY, _NVS, _FAT = 0, 1, 2, 0x81


class Recipe(NamedTuple):
    """What the firmware is to be."""

    chip: str = "esp32"
    flash_mb: int = 4  # as its header says
    version: str = "v1.27.0"
    project: str = "micropython"
    frozen: bool = False  # whether the agent is in it
    vfs_bytes: int = 0  # of the file system in its table; 0: not there, as since MicroPython 1.26
    code_bytes: int = 60_000


PLAIN: Final = Recipe()


def firmware(recipe: Recipe = PLAIN) -> bytes:
    """Return the combined image, as it is written from the chip's first address on."""
    first = CHIPS[recipe.chip][1]
    made = bytearray(image(recipe, noise(1, 9_000)))
    for address, part in ((TABLE_AT, table(recipe)), (APP_AT, application(recipe))):
        made += b"\xff" * (address - first - len(made))
        made += part
    return bytes(made)


def application(recipe: Recipe = PLAIN) -> bytes:
    """Return the application alone, as MicroPython publishes it for updates (.app-bin)."""
    descriptor = _APP_DESCRIPTOR.pack(
        0xABCD5432,
        0,
        bytes(8),
        recipe.version.encode(),
        recipe.project.encode(),
        b"12:00:00",
        b"Nov 22 2026",
        b"v5.5.1",
        hashlib.sha256(repr(recipe).encode()).digest(),
        bytes(20),
    )
    said = f"MicroPython {recipe.version} on 2026-08-01; Generic ESP32 module with ESP32"
    names = b"asyncio/core.py\0" + (b"gateway/esp32/main.py\0" if recipe.frozen else b"")
    constants = said.encode() + b"\0" + names
    return image(recipe, descriptor + constants, noise(2, recipe.code_bytes))


def image(recipe: Recipe, *segments: bytes) -> bytes:
    """Return what the ROM loads: header, segments, checksum, SHA-256."""
    size = (recipe.flash_mb.bit_length() - 1) << 4
    header = (0xE9, len(segments), _DIO, size, 0x40080400, 0xEE, 0, 0, 0)
    chip = CHIPS[recipe.chip][0]
    made = bytearray(_IMAGE.pack(*header, chip, 0, 0, 0xFFFF, bytes(4), 1))
    checksum = _SEED
    for number, segment in enumerate(segments):
        data = segment + bytes(-len(segment) % 4)
        made += struct.pack("<II", 0x3F400020 + number * 0x1000000, len(data)) + data
        for byte in data:
            checksum ^= byte
    made += bytes(-(len(made) + 1) % _ALIGNED) + bytes((checksum,))
    return bytes(made) + hashlib.sha256(made).digest()


def table(recipe: Recipe = PLAIN) -> bytes:
    """Return the partition table with its MD5, as long as its place is."""
    rows = [
        (_DATA, _NVS, 0x9000, 0x6000, b"nvs"),
        (_DATA, _PHY, 0xF000, 0x1000, b"phy_init"),
        (_APP, _FACTORY, APP_AT, 0x1F0000, b"factory"),
    ]
    if recipe.vfs_bytes:
        rows.append((_DATA, _FAT, 0x200000, recipe.vfs_bytes, b"vfs"))
    return table_of(rows)


def table_of(rows: list[tuple[int, int, int, int, bytes]]) -> bytes:
    """Return a table of any rows: type, subtype, address, size, name."""
    made = b"".join(
        _ENTRY.pack(0x50AA, kind, subtype, at, size, name, 0)
        for kind, subtype, at, size, name in rows
    )
    made += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(made, usedforsecurity=False).digest()
    return made.ljust(0xC00, b"\xff")


def noise(seed: int, count: int) -> bytes:
    """Return bytes that do not compress to nothing, always the same."""
    return random.Random(seed).randbytes(count)  # noqa: S311 - no secret
