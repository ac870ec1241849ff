"""A release for boards: the compiled files, the manifest that names each by its hash, the offer.

The offer is one signed line; the manifest is named in it by its hash. So who signs the offer
vouches for every byte, and a board believes nothing that is not in that chain
(docs/decisions/0027-updates-over-the-air.md). A release is a zip file without secrets.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.errors import UgwError
from ugw_flash.esp32.compile import MPY_VERSION, Compiled
from ugw_flash.updates.signing import BYTES, sign

PIECE_BYTES: Final = 512
MANIFEST: Final = "manifest"
PRODUCT: Final = "esp32"

_OFFER: Final = "offer"
_FILES: Final = "files/"
_LONGEST_NAME: Final = 64
_MOST_MANIFEST: Final = 20_000  # a board reads no longer one
_MOST_BYTES: Final = 2_000_000
# What reading one raises: also what is compressed or encrypted as nobody here can undo.
_NO_ZIP: Final = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # NotImplementedError is one
    ValueError,  # UnicodeDecodeError is one
)
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)


class ReleaseError(UgwError):
    """A release cannot be made, or is not what it should be."""


class Release(NamedTuple):
    """A release, signed."""

    number: int
    software: str
    offer: bytes  # the signature, then the line it signs
    manifest: bytes
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """Return the name of the release in topics: by what was signed."""
        return hashlib.sha256(self.offer[BYTES:]).hexdigest()[:32]

    def pieces(self) -> Iterator[bytes]:
        """Yield all there is to fetch, piece by piece: no piece has parts of two files."""
        for content in (self.manifest, *(self.files[path] for path in sorted(self.files))):
            for at in range(0, len(content), PIECE_BYTES):
                yield content[at : at + PIECE_BYTES]


def manifest_of(files: Mapping[str, bytes], number: int, software: str) -> bytes:
    """Render a manifest: number and name of the release, then hash, size and path of each file."""
    if not 0 < len(software) <= _LONGEST_NAME or not software.isprintable() or number < 1:
        cause = f"a release has a number from 1 on and a name of 1 to {_LONGEST_NAME} characters"
        raise ReleaseError(cause)
    lines = [f"ugw-release 1 {number} {software}"]
    for path, content in sorted(files.items()):
        lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}")
    manifest = ("\n".join(lines) + "\n").encode()
    if len(manifest) > _MOST_MANIFEST:
        cause = f"the manifest is longer than the {_MOST_MANIFEST} bytes a board reads"
        raise ReleaseError(cause, remedy="fewer drivers make it shorter")
    return manifest


def read_tree(target: Path, compiled: list[Compiled]) -> dict[str, bytes]:
    """Return the files of a version that was compiled."""
    return {each.path: (target / each.path).read_bytes() for each in compiled}


def make(
    files: Mapping[str, bytes], number: int, software: str, key: rsa.RSAPrivateKey
) -> Release:
    """Put a release together and sign it."""
    manifest = manifest_of(files, number, software)
    digest = hashlib.sha256(manifest).hexdigest()
    line = f"ugw-update 1 {PRODUCT} {MPY_VERSION} {number} {len(manifest)} {digest} {software}"
    text = line.encode()
    return Release(number, software, sign(key, text) + text, manifest, dict(files))


def write(release: Release, path: Path) -> None:
    """Write a release; equal ones are equal files."""
    content = {_OFFER: release.offer, MANIFEST: release.manifest}
    content |= {_FILES + name: data for name, data in release.files.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content[name], zipfile.ZIP_DEFLATED)


def read(path: Path) -> Release:
    """Read a release. Raises ReleaseError when its files are not those that were signed."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > _MOST_BYTES:
                cause = f"{path} is larger than any release"
                raise ReleaseError(cause)
            content = {name: archive.read(name) for name in archive.namelist()}
    except _NO_ZIP as error:
        cause = f"{path} is no release: {error}"
        raise ReleaseError(cause, remedy="make one with `ugw flash release`") from None
    offer, manifest = content.get(_OFFER, b""), content.get(MANIFEST, b"")
    files = {n.removeprefix(_FILES): c for n, c in content.items() if n.startswith(_FILES)}
    words = offer[BYTES:].decode(errors="replace").split(" ", 7)
    try:
        number, software = int(words[4]), words[7]
        whole = words[6] == hashlib.sha256(manifest).hexdigest()
        whole &= manifest == manifest_of(files, number, software)
    except (IndexError, ValueError):
        number, software, whole = 0, "", False
    if not whole:
        cause = f"{path} is damaged: its files are not those that were signed"
        raise ReleaseError(cause, remedy="make it anew with `ugw flash release`")
    return Release(number, software, offer, manifest, files)
