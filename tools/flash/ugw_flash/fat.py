"""Files on the boot partition of a card, without mounting it: on Linux, macOS and Windows alike.

The one adapter of fatfs-ng (ChaN's FatFs, in C). Its errors end as ours: what the medium refuses
as OSError, what the file system refuses as BadMaterialError. A file that was not written whole is
an error, never a shorter file. What is written is on the medium after `flush`, and only then.
"""

import array
import importlib
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, NoReturn, Self

from ugw_flash.card.medium import Medium
from ugw_flash.outcome import BadMaterialError

_SECTOR: Final = 512
_BLOCK: Final = 128 * _SECTOR  # what is read at once: FatFs asks for two kilobytes at most
_MOST_BLOCKS: Final = 512  # that are kept though they can be read again: 32 MiB
_SIGNATURE: Final = b"\x55\xaa"
_DEEPEST: Final = 6  # folders within folders
_ENTRY: Final = 32  # bytes of a directory entry
_FAT12_CLUSTERS, _FAT16_CLUSTERS = 4085, 65525  # from so many on it is FAT16, FAT32
_NO_BOOT_PARTITION: Final = "take an image of Raspberry Pi OS, as it was published"
_EXTRA: Final = "pip install 'urban-gateway[flash]'"


class Geometry(NamedTuple):
    """What the first sector says of a file system."""

    cluster_bytes: int
    fat_offset: int  # bytes
    clusters: int
    entry_bits: int  # of the table: 16, or 32

    @classmethod
    def of(cls, medium: Medium) -> Self:
        """Read the first sector. Raises BadMaterialError when it is none of FAT16 or FAT32."""
        first = medium.read_at(0, _SECTOR)
        if len(first) < _SECTOR or first[510:] != _SIGNATURE:
            _refuse_it("it has no boot sector")
        sector, per_cluster, reserved, fats = struct.unpack_from("<HBHB", first, 11)
        if sector != _SECTOR or not per_cluster or not reserved or not fats:
            _refuse_it(f"its sectors have {sector} bytes")
        roots, few, _media, short = struct.unpack_from("<HHBH", first, 17)
        (many,) = struct.unpack_from("<L", first, 32)
        (long,) = struct.unpack_from("<L", first, 36)
        before = reserved + fats * (short or long) + -(-roots * _ENTRY // _SECTOR)
        clusters = ((few or many) - before) // per_cluster
        if clusters < _FAT12_CLUSTERS or (few or many) * _SECTOR > medium.size:
            _refuse_it("it is smaller than it says, or too small")
        bits = 16 if clusters < _FAT16_CLUSTERS else 32
        return cls(per_cluster * _SECTOR, reserved * _SECTOR, clusters, bits)


class BootPartition:
    """The files of a FAT file system; names are relative to its top, with / between folders."""

    def __init__(self, medium: Medium) -> None:
        """Mount it. Raises BadMaterialError when it is no FAT, OSError when the medium fails."""
        self._geometry = Geometry.of(medium)
        self._medium = medium
        self._sectors = _Sectors(medium)
        self._fatfs = _library()
        self._files: Any = self._fatfs.create_extended_partition(self._sectors)
        try:
            self._attempt("", self._files.mount)
        except BaseException:
            self.close()  # FatFs has room for ten, and keeps one that could not be mounted
            raise

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder; capitals do not matter."""
        return bool(self._attempt(name, self._files.exists, "/" + name))

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name."""
        return bool(self._attempt(name, self._files.isdir, "/" + name))

    def read(self, name: str) -> bytes:
        """Return a file. Raises BadMaterialError when it cannot be had."""
        facts = self._attempt(name, self._files.stat, "/" + name)
        if facts["is_dir"] or facts["size"] > self._medium.size:
            raise _spoilt(name, "it is no file, or none of this size fits there")
        content = bytes(self._attempt(name, self._files.read_file, "/" + name))
        if len(content) != facts["size"]:
            raise _spoilt(name, f"{len(content)} of {facts['size']} bytes can be read")
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file in the place of the one there may be; make its folders."""
        folder = name.rpartition("/")[0]
        if folder:
            self._attempt(name, self._files.makedirs, "/" + folder, exist_ok=True)
        self._attempt(name, self._files.write_file, "/" + name, content)
        facts = self._attempt(name, self._files.stat, "/" + name)
        if facts["size"] != len(content):  # FatFs writes what fits, and calls that a success
            raise _full(name)

    def remove(self, name: str) -> None:
        """Remove a file, or an empty folder."""
        self._attempt(name, self._files.remove, "/" + name)

    def listdir(self, folder: str = "") -> list[str]:
        """Return the names in a folder."""
        return [str(each) for each in self._attempt(folder, self._files.listdir, "/" + folder)]

    def walk(self, folder: str) -> Iterator[tuple[str, bool]]:
        """Yield everything below a folder, what is deepest first, and whether it is a folder.

        Raises BadMaterialError for folders without end: where a file system is damaged, a folder
        may lie within itself.
        """
        if folder.count("/") >= _DEEPEST:
            raise _spoilt(folder, "folders lie within folders without end")
        for each in self.listdir(folder):
            name = f"{folder}/{each}" if folder else each
            is_folder = self.is_folder(name)
            if is_folder:
                yield from self.walk(name)
            yield name, is_folder

    def size_of(self, name: str) -> int:
        """Return how many bytes of room a file takes."""
        size = int(self._attempt(name, self._files.stat, "/" + name)["size"])
        return self.room_for(size)

    def room_for(self, size: int) -> int:
        """Return how many bytes of room a file of this size takes."""
        return -(-size // self._geometry.cluster_bytes) * self._geometry.cluster_bytes

    def free(self) -> int:
        """Return how many bytes of room are free, as of the last `flush`."""
        bits, clusters = self._geometry.entry_bits, self._geometry.clusters
        table = array.array("H" if bits == 16 else "I")  # noqa: PLR2004 - FAT16
        table.frombytes(
            self._medium.read_at(self._geometry.fat_offset, (clusters + 2) * bits // 8)
        )
        return table[2:].count(0) * self._geometry.cluster_bytes

    def flush(self) -> None:
        """Return once all that was written is on the medium."""
        self._sectors.flush()

    def close(self) -> None:
        """Let go of it; what was written since the last `flush` is not on the medium."""
        self._files.unmount()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def _attempt(self, name: str, action: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - FatFs has no types
        """Do something; the medium's error goes before what FatFs makes of it."""
        if not name.isascii():  # FatFs is built for a code page, and no system for the same
            raise _spoilt(name, "its name has letters with accents; rename or remove it")
        try:
            result = action(*arguments, **options)
        except FileNotFoundError:
            self._sectors.refuse()
            raise _spoilt(name, "it is not there") from None
        except (OSError, self._fatfs.wrapper.FatFSException) as error:
            self._sectors.refuse()
            raise _spoilt(name, str(error)) from None
        self._sectors.refuse()
        return result


class _Sectors:
    """A medium as FatFs asks for it; what is written is kept until `flush`.

    An exception cannot pass through C: the medium's first one is kept, and raised by `refuse`.
    """

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._blocks: dict[int, bytearray] = {}
        self._changed: set[int] = set()  # sectors
        self._unwritten: set[int] = set()  # blocks with such sectors
        self._error: OSError | None = None

    def ioctl_get_sector_count(self) -> int:
        return self._medium.size // _SECTOR

    def ioctl_get_sector_size(self) -> int:
        return _SECTOR

    def ioctl_get_block_size(self) -> int:
        return 1

    def ioctl_sync(self) -> None:
        """Do nothing: FatFs asks after every file, we write when told to."""

    def ioctl_trim(self) -> None:
        """Do nothing."""

    def read(self, sector: int, count: int) -> bytes:
        """Return `count` bytes from a sector on; zeros where the medium fails."""
        found = bytearray()
        for each in range(sector, sector + count // _SECTOR):
            found += self._view(each)
        return bytes(found)

    def write(self, sector: int, count: int, buff: bytes) -> None:
        """Keep `count` bytes from a sector on."""
        for number in range(count // _SECTOR):
            content = buff[number * _SECTOR : (number + 1) * _SECTOR]
            place = self._view(sector + number)
            if bytes(place) != content:
                place[:] = content
                self._changed.add(sector + number)
                self._unwritten.add((sector + number) * _SECTOR // _BLOCK * _BLOCK)

    def refuse(self) -> None:
        """Raise what the medium raised since it was opened."""
        if self._error is not None:
            raise self._error

    def flush(self) -> None:
        """Write what has changed, in order. Raises OSError."""
        self.refuse()
        if not self._changed:  # a card that is only read is asked for nothing else
            return
        for first, last in _runs(sorted(self._changed)):
            content = b"".join(bytes(self._view(each)) for each in range(first, last + 1))
            self._medium.write_at(first * _SECTOR, content)
        self._changed.clear()
        self._unwritten.clear()
        self._medium.flush()

    def _view(self, sector: int) -> memoryview:
        offset = sector * _SECTOR
        start = offset - offset % _BLOCK
        if start not in self._blocks:
            if len(self._blocks) - len(self._unwritten) >= _MOST_BLOCKS:
                self._forget()
            self._blocks[start] = self._load(start)
        return memoryview(self._blocks[start])[offset - start : offset - start + _SECTOR]

    def _forget(self) -> None:
        """Drop what can be read again."""
        self._blocks = {start: self._blocks[start] for start in self._unwritten}

    def _load(self, start: int) -> bytearray:
        wanted = min(_BLOCK, self._medium.size - start)
        try:
            found = self._medium.read_at(start, wanted) if self._error is None else b""
        except OSError as error:
            self._error = error
            found = b""
        if len(found) < wanted and self._error is None:
            self._error = OSError(f"only {len(found)} of {wanted} bytes at {start} can be read")
        return bytearray(found.ljust(_BLOCK, b"\0"))


def _runs(sectors: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of sectors that follow each other, in pieces of 4 MiB."""
    most = (4 << 20) // _SECTOR
    first = last = -1
    for each in sectors:
        if first >= 0 and (each != last + 1 or each - first >= most):
            yield first, last
            first = each
        first = each if first < 0 else first
        last = each
    if first >= 0:
        yield first, last


def _library() -> Any:  # noqa: ANN401 - it has no types
    try:
        return importlib.import_module("fatfs")
    except ImportError as error:
        cause = f"the boot partition of a card needs fatfs-ng ({error})"
        raise BadMaterialError(cause, remedy=_EXTRA) from None


def _refuse_it(why: str) -> NoReturn:
    cause = f"this is no boot partition (FAT): {why}"
    raise BadMaterialError(cause, remedy=_NO_BOOT_PARTITION)


def _spoilt(name: str, why: str) -> BadMaterialError:
    cause = f"{name or 'the boot partition'} cannot be used on the boot partition: {why}"
    return BadMaterialError(cause, remedy="make the card anew: ugw flash pi")


def _full(name: str) -> BadMaterialError:
    cause = f"{name} does not fit onto the boot partition"
    return BadMaterialError(cause, remedy="take an image with a larger one, or a smaller package")
