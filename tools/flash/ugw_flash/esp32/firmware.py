"""A MicroPython firmware as published, looked through before any of it comes near a board.

Refused in a sentence: another file than was meant (by SHA-256), one for another chip, a part of a
firmware, a damaged one, a MicroPython that cannot load the agent. Nothing is downloaded.
"""

import hashlib
import re
import struct
from pathlib import Path
from typing import Final, NamedTuple

from ugw_flash.esp32 import partitions
from ugw_flash.esp32.partitions import TABLE_AT, TABLE_BYTES, Table
from ugw_flash.outcome import BadMaterialError

OLDEST: Final = (1, 25)  # of MicroPython
TRIED: Final = (1, 29)  # newer ones may load the agent, but nobody has seen it

_MOST_BYTES: Final = 16 << 20
_HEADER: Final = struct.Struct("<BBBBI BBBB H BHH 4s B")
_SEGMENT: Final = struct.Struct("<II")
_MAGIC: Final = 0xE9
_MOST_SEGMENTS: Final = 16
_DESCRIPTOR: Final = struct.pack("<I", 0xABCD5432)
_DESCRIPTOR_AT: Final = _HEADER.size + _SEGMENT.size
_VERSION_AT: Final = _DESCRIPTOR_AT + 16
_PROJECT_AT: Final = _VERSION_AT + 32
_CHIPS: Final = {0: "esp32", 9: "esp32s3"}
_FIRST: Final = {"esp32": 0x1000, "esp32s3": 0x0}  # the address the ROM starts from
_OTHERS: Final = {
    2: "ESP32-S2",
    5: "ESP32-C3",
    12: "ESP32-C2",
    13: "ESP32-C6",
    16: "ESP32-H2",
    18: "ESP32-P4",
    23: "ESP32-C5",
}
_NO_FIRMWARE: Final = (
    (b"UF2\n", "a .uf2 for boards that appear as a drive", "take the .bin"),
    (b"\x7fELF", "an .elf for debuggers", "take the .bin"),
    (b"PK\x03\x04", "a .zip", "unpack it"),
    (b"\x1f\x8b", "a .gz", "unpack it"),
    (b"<", "a web page", "download the file itself: the page has a link to the .bin"),
)
_BANNER: Final = re.compile(rb"MicroPython (?:\([^)]*\) )?(v(\d+)\.(\d+)[^ \0]*) on \d{4}-")
_AGENT: Final = b"gateway/esp32/main.py\0"  # as a frozen module is called in the firmware
_PAGE: Final = "https://micropython.org/download/?port=esp32"


class Piece(NamedTuple):
    """Bytes and where they go."""

    offset: int  # in the flash
    content: bytes

    @property
    def end(self) -> int:
        """Where they end."""
        return self.offset + len(self.content)


class Firmware(NamedTuple):
    """What is known of one."""

    content: bytes
    sha256: str
    chip: str  # esp32, esp32s3
    offset: int  # where in the flash it begins
    flash_bytes: int  # of the chip it was made for, at least
    table: Table
    version: str  # "v1.27.0", as MicroPython says it
    has_agent: bool  # frozen into it

    def __repr__(self) -> str:
        return f"Firmware({self.chip}, {self.version})"  # the rest is megabytes

    @property
    def is_tried(self) -> bool:
        """Whether the agent has been seen on this version of MicroPython."""
        return _number(self.version) <= TRIED

    def pieces(self) -> tuple[Piece, ...]:
        """Return it without what lies where NVS is; the first piece is what the ROM starts."""
        nvs = partitions.secrets(self.table)
        end = self.offset + len(self.content)
        first = Piece(self.offset, self.content[: max(0, nvs.offset - self.offset)])
        if nvs.end >= end:
            return (first,)
        return first, Piece(nvs.end, self.content[nvs.end - self.offset :])


def read(path: Path, sha256: str) -> Firmware:
    """Read a firmware. Raises BadMaterialError, which says what is wrong with it."""
    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256.lower():
        cause = f"{path} is not the firmware meant: its SHA-256 is {digest}"
        raise BadMaterialError(cause, "download it again, or correct the SHA-256 if you chose it")
    try:
        return inspect(content)
    except BadMaterialError as error:
        cause = f"{path}: {error}"
        raise BadMaterialError(cause, error.remedy) from None


def inspect(content: bytes) -> Firmware:
    """Look through a firmware. Raises BadMaterialError."""
    _refuse_other_files(content)
    chip = _chip(content)
    offset = _FIRST[chip]
    if content[_DESCRIPTOR_AT:][: len(_DESCRIPTOR)] == _DESCRIPTOR:
        cause = "it is an application alone, as for updates (.app-bin)"
        raise BadMaterialError(cause, "take the .bin beside it, which begins with the bootloader")
    _check_image(content, "its bootloader")
    table = partitions.parse(content[TABLE_AT - offset :][:TABLE_BYTES])
    place = partitions.application(table)
    application = content[place.offset - offset :][: place.size]
    _check_application(application, chip)
    if partitions.secrets(table).offset < TABLE_AT:
        cause = "its NVS lies before the partition table"
        raise BadMaterialError(cause, f"take MicroPython's own: {_PAGE}")
    return Firmware(
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        chip=chip,
        offset=offset,
        flash_bytes=1 << (20 + (content[3] >> 4)),
        table=table,
        version=_version(application),
        has_agent=_AGENT in application,
    )


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            cause = f"{path} is larger than any firmware ({_MOST_BYTES >> 20} MB)"
            raise BadMaterialError(cause, "name the firmware's .bin")
        return path.read_bytes()
    except OSError as error:
        cause = f"the firmware {path} cannot be read: {error.strerror}"
        raise BadMaterialError(cause, f"download it from {_PAGE}") from None


def _refuse_other_files(content: bytes) -> None:
    for start, what, remedy in _NO_FIRMWARE:
        if content.startswith(start):
            cause = f"it is {what}"
            raise BadMaterialError(cause, remedy)
    if len(content) < TABLE_AT or content[0] != _MAGIC:
        cause = "it does not begin as a firmware of an ESP32 does"
        raise BadMaterialError(cause, f"download it from {_PAGE}")


def _chip(content: bytes) -> str:
    number = _HEADER.unpack_from(content)[9]
    if number not in _CHIPS:
        other = _OTHERS.get(number, f"a chip numbered {number}")
        cause = f"it is made for {other}, and ugw runs on ESP32 and ESP32-S3"
        raise BadMaterialError(cause, f"docs/how-to/esp32.md says which boards: {_PAGE}")
    return _CHIPS[number]


def _check_image(content: bytes, what: str) -> None:
    """Raise BadMaterialError unless an image is whole: segments, checksum, SHA-256."""
    if len(content) < _HEADER.size or content[0] != _MAGIC:
        why = "does not begin as it should"
        raise _damaged(what, why)
    header = _HEADER.unpack_from(content)
    at, checksum = _HEADER.size, 0xEF
    if not 1 <= header[1] <= _MOST_SEGMENTS:
        why = f"says that it has {header[1]} segments"
        raise _damaged(what, why)
    for _ in range(header[1]):
        if at + _SEGMENT.size > len(content):
            why = "is cut off"
            raise _damaged(what, why)
        begin = at + _SEGMENT.size
        at = begin + _SEGMENT.unpack_from(content, at)[1]
        if at > len(content):
            why = "is cut off"
            raise _damaged(what, why)
        checksum ^= _xor(content[begin:at])
    at += -(at + 1) % 16
    end = at + 1
    if content[at:end] != bytes((checksum,)):
        why = "has another checksum than it says"
        raise _damaged(what, why)
    has_digest = header[-1] == 1
    if has_digest and content[end:][:32] != hashlib.sha256(content[:end]).digest():
        why = "has another SHA-256 than it says"
        raise _damaged(what, why)


def _xor(data: bytes) -> int:
    """Return the exclusive or of all bytes, folded in halves: a firmware has millions."""
    value, count = int.from_bytes(data, "little"), 1 << max(0, len(data) - 1).bit_length()
    while count > 1:
        count //= 2
        value = (value >> (8 * count)) ^ (value & ((1 << (8 * count)) - 1))
    return value


def _check_application(application: bytes, chip: str) -> None:
    what = "its application"
    _check_image(application, what)
    if _HEADER.unpack_from(application)[9] not in _CHIPS or _chip(application) != chip:
        why = "is made for another chip than its bootloader"
        raise _damaged(what, why)
    if application[_DESCRIPTOR_AT:][: len(_DESCRIPTOR)] != _DESCRIPTOR:
        why = "has no descriptor"
        raise _damaged(what, why)
    project = application[_PROJECT_AT:][:32].split(b"\0")[0].decode("ascii", "replace")
    if project != "micropython":
        cause = f"it is no MicroPython, but {project!r}"
        raise BadMaterialError(cause, f"download MicroPython from {_PAGE}")


def _version(application: bytes) -> str:
    banner = _BANNER.search(application)
    written = banner[1] if banner else application[_VERSION_AT:][:32].split(b"\0")[0]
    version = written.decode("ascii", "replace")
    if _number(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        cause = f"it is MicroPython {version}, and the agent needs {oldest} or later"
        raise BadMaterialError(cause, f"download a later one from {_PAGE}")
    return version


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _damaged(what: str, why: str) -> BadMaterialError:
    return BadMaterialError(f"{what} {why}", f"download it again from {_PAGE}")
