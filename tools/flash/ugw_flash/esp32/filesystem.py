"""A board's file system as MicroPython mounts it (littlefs 2): made, looked into, cut for writing.

An image is read back before it leaves here: what a board would not find is noticed on the desk.
The one adapter of littlefs-python, an extra that only who makes boards needs.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

from gateway.errors import UgwError
from ugw_flash.esp32.partitions import SECTOR
from ugw_flash.outcome import BadMaterialError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from littlefs import LittleFS

# As extmod/vfs_lfsx.c of MicroPython mounts what it finds on a partition.
_READ: Final = 32
_CACHE: Final = 4 * _READ
_LOOKAHEAD: Final = 32
_OLDEST: Final = 0x00020000  # what versions that do not know 2.1 read too
_NEWEST: Final = 0  # a board's own littlefs raises the version with its first write
_BLANK: Final = b"\xff" * SECTOR
_NO_SPACE: Final = -28


def image(files: Mapping[str, bytes], size: int) -> bytes:
    """Return a file system of `size` bytes that holds these files, by path.

    Raises BadMaterialError when they do not fit, and when they cannot be read back.
    """
    made = _write(files, size)
    if read(made) != dict(files):
        cause = "the file system made for the board does not hold what was put into it"
        raise BadMaterialError(cause, "report it: this is a fault of ugw or of littlefs-python")
    return made


def read(made: bytes) -> dict[str, bytes]:
    """Return the files of a file system, by path. Raises BadMaterialError: it is none."""
    from littlefs import LittleFSError  # noqa: PLC0415 - an extra

    try:
        system = _opened(len(made), _NEWEST)
        system.context.buffer = bytearray(made)
        system.mount()
        return {path: _content(system, path) for path in _paths(system)}
    except LittleFSError as error:
        cause = f"there is no file system that could be read ({error.name})"
        raise BadMaterialError(cause, "write the board anew: ugw flash esp32") from None


def used(made: bytes) -> list[tuple[int, bytes]]:
    """Return the parts that say something, each with its offset: the rest need not be written.

    littlefs erases a block before it writes it, so what lies in the others does not matter.
    """
    parts: list[tuple[int, bytearray]] = []
    for at in range(0, len(made), SECTOR):
        block = made[at : at + SECTOR]
        if block == _BLANK:
            continue
        if not parts or parts[-1][0] + len(parts[-1][1]) != at:
            parts.append((at, bytearray()))
        parts[-1][1].extend(block)
    return [(at, bytes(part)) for at, part in parts]


def _write(files: Mapping[str, bytes], size: int) -> bytes:
    system = _opened(size, _OLDEST)
    from littlefs import LittleFSError  # noqa: PLC0415 - an extra

    system.format()
    system.mount()
    try:
        for path, content in sorted(files.items()):
            folder = path.rpartition("/")[0]
            if folder:
                system.makedirs(folder, exist_ok=True)
            with _file(system, path, "wb") as file:
                file.write(content)
        system.unmount()
    except LittleFSError as error:
        if error.code != _NO_SPACE:
            raise
        total = sum(map(len, files.values()))
        cause = f"{total:,} bytes of files do not fit into the {size:,} for them in this flash"
        raise BadMaterialError(cause, "take a board with more flash, or fewer drivers") from None
    return bytes(system.context.buffer)


def _opened(size: int, disk_version: int) -> LittleFS:
    try:
        from littlefs import LittleFS  # noqa: PLC0415 - an extra
    except ImportError:
        cause = "littlefs-python is not installed"
        raise UgwError(cause, "pip install 'urban-gateway[flash]'") from None
    return LittleFS(
        mount=False,
        block_size=SECTOR,
        block_count=size // SECTOR,
        read_size=_READ,
        prog_size=_READ,
        cache_size=_CACHE,
        lookahead_size=_LOOKAHEAD,
        disk_version=disk_version,
    )


def _paths(system: LittleFS) -> Iterator[str]:
    for folder, _, names in system.walk("/"):
        for name in names:
            yield f"{folder.rstrip('/')}/{name}".lstrip("/")


def _content(system: LittleFS, path: str) -> bytes:
    with _file(system, path, "rb") as file:
        return file.read()


def _file(system: LittleFS, path: str, mode: str) -> IO[bytes]:
    # Its types are half there.
    return system.open(path, mode)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
