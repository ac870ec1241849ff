"""An image as it was published: what it is, and its content, unpacked while it is read.

Its SHA-256 is checked before anybody gets a byte of it, and once more over what was really read:
a file that changed in between, or a stick that reads differently the second time, is refused.
"""

import gzip
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol, Self, cast

from ugw_flash.card import xz
from ugw_flash.outcome import BadMaterialError
from ugw_flash.progress import Watcher

CHUNK: Final = 4 << 20
"""Bytes that are read, written and compared at once."""

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZIP: Final = b"PK\x03\x04"
_WHAT_UNPACKERS_RAISE: Final = (
    EOFError,
    OSError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a zip packed in a way that Python does not know
)


class Image(NamedTuple):
    """An image whose digest was right."""

    path: Path
    sha256: str
    size: int  # bytes, unpacked

    @classmethod
    def open(cls, path: Path, sha256: str, watcher: Watcher) -> Self:
        """Check the file against its digest. Raises BadMaterialError."""
        wanted = sha256.lower()
        if not path.is_file():
            cause = f"the image {path} is not there"
            raise BadMaterialError(cause, "put it there as it was published, packed or not")
        try:
            found = _digest(path, watcher)
            if found != wanted:
                cause = f"{path} is not the image it should be: its SHA-256 is {found}"
                remedy = f"it should be {wanted}; download it again, or correct the digest"
                raise BadMaterialError(cause, remedy)
            size = _size(path, watcher)
        except (*_WHAT_UNPACKERS_RAISE, ValueError) as error:
            raise _unreadable(path, error) from error
        return cls(path, wanted, size)

    def beginning(self) -> bytes:
        """Return its first CHUNK bytes, or all of it. Raises BadMaterialError."""
        try:
            with self.path.open("rb") as file, _unpacked(file, _Digesting(file)) as content:
                return next(_pieces(content), b"")
        except _WHAT_UNPACKERS_RAISE as error:
            raise _unreadable(self.path, error) from error

    def chunks(self) -> Generator[bytes]:
        """Yield all of it, unpacked: CHUNK bytes each, and at the end what is left.

        Raises BadMaterialError: it cannot be unpacked, or is not what it was when it was checked.
        """
        found = 0
        try:
            with self.path.open("rb") as file:
                reader = _Digesting(file)
                with _unpacked(file, reader) as content:
                    for chunk in _ahead(_pieces(content)):
                        found += len(chunk)
                        yield chunk
                self._still_the_same(found, reader)
        except _WHAT_UNPACKERS_RAISE as error:
            raise _unreadable(self.path, error) from error

    def _still_the_same(self, size: int, reader: "_Digesting") -> None:
        if reader.used and reader.whole() != self.sha256:
            cause = f"{self.path} changed while it was read"
            remedy = "let nothing write to it, and read it from a medium that is in order"
            raise BadMaterialError(cause, remedy)
        if size != self.size:
            cause = f"it unpacks to {size:,} bytes, and says {self.size:,} of itself"
            raise _unreadable(self.path, ValueError(cause))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Digesting:
    """A file that is read once, from its beginning, and digested on the way.

    A zip is read here and there instead, and not through it: its own checksums have to do.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.used = False

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes more."""
        self.used = True
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def whole(self) -> str:
        """Return the digest of all of it, also of what nobody asked for."""
        while self.read(CHUNK):
            pass
        return self._digest.hexdigest()


@contextmanager
def _unpacked(file: BinaryIO, reader: _Digesting) -> Generator[_Readable]:
    """Offer what is in the file, by what it begins with; its name may say anything."""
    match _kind(file):
        case "xz":
            with lzma.open(cast("BinaryIO", reader)) as content:
                yield content
        case "gz":
            with gzip.open(cast("BinaryIO", reader)) as content:
                yield content
        case "zip":
            with zipfile.ZipFile(file) as archive, archive.open(_member(archive)) as content:
                yield content
        case _:
            yield reader


def _kind(file: BinaryIO) -> str:
    begin = file.read(8)
    file.seek(0)
    if begin.startswith(_ZSTD):
        cause = "it is packed with zstd, which is not read here"
        raise ValueError(cause)
    magics = {xz.MAGIC: "xz", b"\x1f\x8b": "gz", _ZIP: "zip"}
    return next((kind for magic, kind in magics.items() if begin.startswith(magic)), "plain")


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        each
        for each in archive.infolist()
        if not each.is_dir() and not each.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        cause = f"an image is one file, and {len(members)} are in it"
        raise zipfile.BadZipFile(cause)
    if members[0].flag_bits & 1:
        cause = "it is locked with a password"
        raise zipfile.BadZipFile(cause)
    return members[0]


def _size(path: Path, watcher: Watcher) -> int:
    """Return how large its content is. Only .gz has to be unpacked for it: it counts to 4 GB."""
    with path.open("rb") as file:
        match _kind(file):
            case "xz":
                return xz.unpacked_size(file, path.stat().st_size)
            case "zip":
                with zipfile.ZipFile(file) as archive:
                    return _member(archive).file_size
            case "gz":
                watcher.phase("measure")
                with gzip.open(file) as content:
                    return sum(len(piece) for piece in _pieces(content))
            case _:
                return path.stat().st_size


def _digest(path: Path, watcher: Watcher) -> str:
    watcher.phase("check image", path.stat().st_size)
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        for piece in _pieces(file):
            digest.update(piece)
            watcher.done(done := done + len(piece))
    return digest.hexdigest()


def _pieces(content: _Readable) -> Iterator[bytes]:
    """Yield CHUNK bytes at a time, also of what returns less when asked for them."""
    chunk = bytearray()
    while more := content.read(CHUNK - len(chunk)):
        chunk += more
        if len(chunk) == CHUNK:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def _ahead(pieces: Iterator[bytes]) -> Generator[bytes]:
    """Yield the same; while one is being written, the next is being unpacked."""
    with ThreadPoolExecutor(1, "unpacking") as worker:
        coming = worker.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = worker.submit(next, pieces, None)
            yield piece


def _unreadable(path: Path, error: Exception) -> BadMaterialError:
    if isinstance(error, FileNotFoundError):
        cause = f"the image {path} is not there"
        return BadMaterialError(
            cause, "put it there; a bundle's README.txt says what belongs in it"
        )
    cause = f"{path} cannot be read as an image: {str(error) or type(error).__name__}"
    remedy = "images are read as they are (.img) or packed as .xz, .gz or .zip; download it again"
    return BadMaterialError(cause, remedy)
