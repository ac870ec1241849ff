"""Whether a board still is what it was made: its firmware and files, read back and compared.

Nothing is written. The board is interrupted for as long as that takes, and starts anew. Secrets
are not compared: there is no digest of them anywhere, for one could be guessed from it.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.config.findings import printable
from ugw_flash.esp32 import filesystem, partitions
from ugw_flash.esp32.board_work import MANIFEST, SCHEMA
from ugw_flash.esp32.chip import Chip, identify, restart
from ugw_flash.esp32.esptool import Esptool, progress
from ugw_flash.esp32.files import FIRST, SLOTS
from ugw_flash.outcome import NotWrittenError
from ugw_flash.progress import Watcher
from ugw_flash.updates.release import MANIFEST as RELEASE

_ANEW: Final = "write the board anew: ugw flash esp32"
_SHOWN: Final = 5  # faults
_SLOTS: Final = ("a/", "b/")
_RELEASE_WORDS: Final = 3  # "ugw-release 1 NUMBER NAME", "DIGEST SIZE PATH"


class WrittenPiece(msgspec.Struct, frozen=True):
    """A part of the firmware, as the manifest has it."""

    offset: int
    size: int
    sha256: str


class WrittenFirmware(msgspec.Struct, frozen=True):
    """The firmware, as the manifest has it."""

    version: str
    sha256: str
    pieces: tuple[WrittenPiece, ...]


class Written(msgspec.Struct, frozen=True):
    """What was written to a board, as it says itself (/ugw.json)."""

    schema: str
    gateway: str
    software: str
    number: int
    firmware: WrittenFirmware
    files: dict[str, str]  # path -> SHA-256


class Verified(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A board that is whole."""

    gateway: str
    mac: str
    chip: str
    software: str  # what runs now
    firmware: str
    files: int  # that were compared
    updated: bool  # over the air, since it was made


def verify_board(port: str, esptool: Esptool, watcher: Watcher) -> Verified:
    """Read a board back. Raises NotWrittenError that says what differs, and NoDeviceError."""
    watcher.phase("ask the board")
    chip = identify(esptool, port)
    try:
        return _verified(chip, _Reader(esptool, port, watcher).read)
    finally:
        restart(esptool, port)  # whatever was found, let it run on


class Compared(NamedTuple):
    """What comparing the files came to."""

    software: str  # what runs
    files: int  # that were compared
    updated: bool
    faults: list[str]


Read = Callable[[str, int, int], bytes]  # phase, offset in the flash, bytes


def _verified(chip: Chip, read: Read) -> Verified:
    table = partitions.parse(read("read the table", partitions.TABLE_AT, partitions.TABLE_BYTES))
    region = partitions.files(table, chip.flash_bytes)
    found = filesystem.read(read("read the files", region.offset, region.size))
    written = written_of(found)
    compared = compare(found, written)
    faults = compared.faults + list(_firmware_faults(written, read))
    if faults:
        more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        cause = f"the board {chip.mac} is not whole: {'; '.join(faults[:_SHOWN])}{more}"
        raise NotWrittenError(cause, _ANEW)
    return Verified(
        gateway=printable(written.gateway),
        mac=chip.mac,
        chip=chip.description,
        software=printable(compared.software),
        firmware=printable(written.firmware.version),
        files=compared.files,
        updated=compared.updated,
    )


def _firmware_faults(written: Written, read: Read) -> Iterator[str]:
    for piece in written.firmware.pieces:
        content = read("read the firmware", piece.offset, piece.size)
        if hashlib.sha256(content).hexdigest() != piece.sha256:
            yield f"the firmware at {piece.offset:#x} is not what was written"


def written_of(found: Mapping[str, bytes]) -> Written:
    """Return what the board says was written to it. Raises NotWrittenError."""
    content = found.get(MANIFEST)
    if content is None:
        cause = f"the board has files, but no {MANIFEST}: it was not made by ugw flash esp32"
        raise NotWrittenError(cause, _ANEW)
    try:
        written = msgspec.json.decode(content, type=Written)
    except msgspec.DecodeError as error:
        cause = f"the board's {MANIFEST} cannot be read: {error}"
        raise NotWrittenError(cause, _ANEW) from None
    if written.schema != SCHEMA:
        cause = (
            f"the board's {MANIFEST} is {printable(written.schema)}, and this ugw reads {SCHEMA}"
        )
        raise NotWrittenError(cause, "verify it with the ugw that made it, or write it anew")
    return written


def compare(found: Mapping[str, bytes], written: Written) -> Compared:
    """Compare a board's files with what was written.

    An update over the air replaces a version: then its own manifest says what has to be there.
    """
    expected = {
        path: digest
        for path, digest in written.files.items()
        if path != SLOTS and not path.startswith(_SLOTS)
    }
    first = written.files.get(f"{FIRST}/{RELEASE}")
    if first is None:  # the agent is part of the firmware
        faults = list(_differences(found, expected))
        return Compared(written.software, len(expected), updated=False, faults=faults)
    slot = _slot(found)
    release = found.get(f"{slot}/{RELEASE}", b"")
    lines = release.decode(errors="replace").splitlines() or [""]
    expected |= dict(_listed(slot, lines))
    faults = [] if release else [f"{slot}/{RELEASE} is missing"]
    faults += _differences(found, expected)
    *_, number, software = ["", "", *lines[0].split(" ", _RELEASE_WORDS)]
    updated = number != str(written.number)
    if not updated and hashlib.sha256(release).hexdigest() != first:
        faults.append(f"{slot}/{RELEASE} is another")
    return Compared(software, len(expected), updated, faults)


def _slot(found: Mapping[str, bytes]) -> str:
    try:
        state = msgspec.json.decode(found.get(SLOTS, b""), type=dict[str, object])
    except msgspec.DecodeError:
        return "a"
    return "b" if state.get("slot") == "b" else "a"


def _listed(slot: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines[1:]:
        digest, _, rest = line.partition(" ")
        yield f"{slot}/{rest.partition(' ')[2]}", digest


def _differences(found: Mapping[str, bytes], expected: Mapping[str, str]) -> Iterator[str]:
    for path, digest in sorted(expected.items()):
        if path not in found:
            yield f"{printable(path)} is missing"
        elif hashlib.sha256(found[path]).hexdigest() != digest:
            yield f"{printable(path)} is another"


class _Reader(NamedTuple):
    """What reads a part of a board's flash."""

    esptool: Esptool
    port: str
    watcher: Watcher

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return the bytes; `name` is that of the phase."""
        self.watcher.phase(name, size)

        def heard(line: str) -> None:
            if (step := progress(line)) is not None:
                self.watcher.done(round(size * step.percent / 100))

        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "read")
            self.esptool.run(self.port, ["read-flash", hex(offset), hex(size), out], heard)
            return out.read_bytes()
