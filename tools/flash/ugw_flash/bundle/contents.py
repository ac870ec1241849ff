"""What a bundle says of itself: what is in it, until when it may be used, who vouches for it.

A bundle that was altered, is incomplete, holds anything more, or has expired is refused as a
whole. System images and firmware are not in it: it says which are needed and what they have to be.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from gateway.config.files import read_regular
from ugw_flash.outcome import BadMaterialError
from ugw_flash.updates.signing import SigningError, is_signed

SCHEMA: Final = "ugw.bundle/1"
NAME: Final = "bundle.json"
SIGNATURE: Final = "bundle.sig"
SHEET: Final = "sites.csv"
CLAIMS: Final = "sites.claims.csv"
RESULTS: Final = "sites.result.csv"
MATERIALS: Final = "materials"

# What comes to be while it is used.
_GROWS: Final = (RESULTS, CLAIMS, f".{SHEET}.lock")
_MOST_BYTES: Final = 1_000_000_000  # of one file
_MOST_KEY_BYTES: Final = 10_000
_REMEDY: Final = "ask for a new one: ugw flash bundle"
_MANY: Final = 5
_LAST_S: Final = 253_402_300_799  # of the year 9999


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """An image or a firmware that has to be put beside."""

    name: str
    sha256: str
    profile: str


class Contents(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was packed."""

    schema: str
    made_by: str
    made_at_s: int  # Unix time
    expires_s: Annotated[int, msgspec.Meta(ge=0, le=_LAST_S)]
    gateways: tuple[str, ...]
    materials: tuple[Material, ...]
    files: dict[str, str]  # SHA-256 by path

    def render(self) -> bytes:
        """Return it as it is signed and written."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return what `Contents.files` holds of files."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def is_bundle(folder: Path) -> bool:
    """Whether a folder is a bundle, whole or not."""
    return (folder / NAME).is_file()


def check(folder: Path, now_s: int, signed_by: Path | None) -> Contents:
    """Return what a bundle holds, once all of it was looked at. Raises BadMaterialError.

    `signed_by` is a file with the public key of who has to have signed it; None: nobody has to.
    """
    raw = _read(folder / NAME)
    if signed_by is not None and not _is_signed(folder, raw, signed_by):
        cause = f"{folder} was not signed by the key that you named, or was altered since"
        raise BadMaterialError(cause, "use it for nothing; " + _REMEDY)
    contents = _decoded(folder, raw)
    if contents.expires_s <= now_s:
        ended = datetime.fromtimestamp(contents.expires_s, UTC)
        cause = f"{folder} has expired on {ended:%Y-%m-%d}"
        raise BadMaterialError(cause, f"{_REMEDY}; or is this machine's clock wrong?")
    faults = list(_faults(folder, contents))
    if faults:
        more = f" and {len(faults) - _MANY} more" if len(faults) > _MANY else ""
        cause = f"{folder} is not as it was packed: {'; '.join(faults[:_MANY])}{more}"
        raise BadMaterialError(cause, _REMEDY)
    return contents


def missing(folder: Path, contents: Contents) -> list[Material]:
    """Return the materials that are not in their place yet; what they are is looked at later."""
    return [each for each in contents.materials if not (folder / MATERIALS / each.name).is_file()]


def _is_signed(folder: Path, raw: bytes, signed_by: Path) -> bool:
    key, signature = _key(signed_by), _signature(folder)
    try:
        return is_signed(key, signature, raw)
    except SigningError as error:
        cause = f"{signed_by} is not the public key of who signed it: {error}"
        raise BadMaterialError(cause, "--signed-by names FILE.pub of ugw flash keygen") from None


def _key(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_KEY_BYTES)
    except ValueError as error:
        raise BadMaterialError(str(error), "--signed-by names a public key, PEM") from None


def _signature(folder: Path) -> bytes:
    path = folder / SIGNATURE
    if not path.is_file():
        cause = f"{folder} is not signed"
        raise BadMaterialError(cause, "have it made with --key, or do not ask for a signature")
    return _read(path)


def _decoded(folder: Path, raw: bytes) -> Contents:
    try:
        contents = msgspec.json.decode(raw, type=Contents)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter in strings alone
        cause = f"{folder / NAME} cannot be read: {error}"
        raise BadMaterialError(cause, _REMEDY) from None
    if contents.schema != SCHEMA:
        cause = f"{folder} is a bundle of another version: {contents.schema}"
        raise BadMaterialError(cause, "use the ugw that it was made with")
    return contents


def _faults(folder: Path, contents: Contents) -> Iterator[str]:
    there = set(_walk(folder))
    for name, digest in sorted(contents.files.items()):
        if name not in there:
            yield f"{name} is missing"
        elif hashlib.sha256(_read(folder / name)).hexdigest() != digest:
            yield f"{name} was altered"
    own = {NAME, SIGNATURE, *_GROWS, *contents.files}
    for name in sorted(there - own):
        if not name.startswith(f"{MATERIALS}/"):
            yield f"{name} was added"


def _walk(folder: Path) -> Iterator[str]:
    """Yield every file, and whatever else is no folder, by its path from the folder on."""
    for where, folders, files in os.walk(folder):
        for name in files:
            yield (Path(where) / name).relative_to(folder).as_posix()
        for name in folders:
            if (Path(where) / name).is_symlink():
                yield (Path(where) / name).relative_to(folder).as_posix()


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, _MOST_BYTES)
    except ValueError as error:
        raise BadMaterialError(str(error), _REMEDY) from None
