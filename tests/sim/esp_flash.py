"""What a chip's flash holds in these tests: an image's first byte, a partition table, files."""

import hashlib
import struct
from collections.abc import Mapping
from functools import cache

from littlefs import LittleFS

from gateway.sim.esp_rom.chip import IMAGE_MAGIC, SimulatedChip
from ugw_flash.esp32 import filesystem, nvs

NVS_AT, NVS_BYTES = 0x9000, 0x6000
APP_AT, APP_BYTES = 0x10000, 0x10000
FILES_AT = APP_AT + APP_BYTES
FILES_BYTES = 64 * 4096
TABLE_AT = 0x8000

MAIN = b"""\
def run(root):
    import sys

    import esp32
    key = bytearray(8)
    size = esp32.NVS("ugw").get_blob("mqtt_pass", key)
    try:
        with open(root + "/starts") as file:
            starts = int(file.read()) + 1
    except OSError:
        starts = 1
    with open(root + "/starts", "w") as file:
        file.write(str(starts))
    kept = esp32.NVS("ugw")
    try:
        count = kept.get_i32("count") + 1
    except OSError:
        count = 1
    kept.set_i32("count", count)
    print("start", starts, count, "with", bytes(key[:size]))
    while True:  # input() would throw away what was typed before it was called
        print("heard", sys.stdin.readline().strip())
"""


def entry(kind: int, subtype: int, offset: int, size: int, label: bytes) -> bytes:
    """Return an entry of a partition table."""
    return struct.pack("<2sBBII16sI", b"\xaaP", kind, subtype, offset, size, label, 0)


def table(*, names_files: bool = True) -> bytes:
    """Return a partition table; without an entry for the files they are behind the last one."""
    entries = entry(1, 2, NVS_AT, NVS_BYTES, b"nvs") + entry(0, 0, APP_AT, APP_BYTES, b"factory")
    if names_files:
        entries += entry(1, 0x81, FILES_AT, FILES_BYTES, b"vfs")
    return (
        entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries, usedforsecurity=False).digest()
    )


@cache
def secrets() -> bytes:
    """Return an NVS partition with one secret."""
    return nvs.image({"mqtt_pass": b"secret"}, NVS_BYTES)


def load(chip: SimulatedChip, files: Mapping[str, bytes], *, names_files: bool = True) -> None:
    """Put it all into a chip's flash, as if it had been written."""
    size = FILES_BYTES if names_files else chip.silicon.flash_bytes - FILES_AT
    chip.flash.load(chip.silicon.image_offset, bytes((IMAGE_MAGIC,)))
    chip.flash.load(TABLE_AT, table(names_files=names_files))
    chip.flash.load(NVS_AT, secrets())
    chip.flash.load(FILES_AT, filesystem.image(files, size))


def content_of(image: bytes, path: str) -> bytes:
    """Return a file of a file system that MicroPython has written to.

    It raises the version on disk to 2.1 with its first write, so none is asked for here.
    """
    system = LittleFS(
        block_size=4096,
        block_count=len(image) // 4096,
        read_size=32,
        prog_size=32,
        cache_size=128,
        lookahead_size=32,
        mount=False,
    )
    system.context.buffer = bytearray(image)
    system.mount()
    with system.open(path, "rb") as file:
        return bytes(file.read())
