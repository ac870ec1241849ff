"""What lies on the desk of who makes gateways: images, releases, bundles, records, reports.

Promised: what it says, or a UgwError with a cause and a remedy; never another error, whatever was
damaged on its way or made by somebody else.
"""

import io
import zipfile
from binascii import crc32
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from struct import pack
from tempfile import mkdtemp
from typing import Final

import msgspec

from gateway.errors import UgwError
from tests.fuzz.target import JSON_WORDS, Target
from ugw_flash.batch.handover import read_reports
from ugw_flash.bundle.contents import NAME, check
from ugw_flash.card.medium import FileMedium
from ugw_flash.card.table import boot_slice, partitions
from ugw_flash.seed import record as seed_record
from ugw_flash.updates import release as releases

_SECTOR: Final = 512
_IMAGE_BYTES: Final = 64 * _SECTOR
_GUID: Final = bytes.fromhex("a2a0d0ebe5b9334487c068b6b72699c7")  # Microsoft basic data


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="ugw-fuzz-"))


def _is_read(read: Callable[[], object]) -> None:
    try:
        read()
    except UgwError as error:
        assert str(error)


# ------------------------------------------------------------------------------- partition tables
def table(data: bytes) -> None:
    """Read the table of an image: `F` 1 has its checksums set right; then sectors."""
    image = bytearray(data[1:]).ljust(_IMAGE_BYTES, b"\0")
    image[510:512] = b"\x55\xaa"
    if data[:1] == b"\1":
        _summed(image)
    path = _folder() / "image"
    path.write_bytes(image)
    medium = FileMedium(path)
    try:
        _is_read(lambda: boot_slice(medium))
        for each in partitions(medium):
            assert _SECTOR <= each.offset < each.end <= medium.size
    except UgwError as error:
        assert str(error)
    finally:
        medium.close()


def _summed(image: bytearray) -> None:
    """Set the checksums of a GPT to what they have to be."""
    header = image[_SECTOR : 2 * _SECTOR]
    at, count, each = (
        int.from_bytes(header[a:b], "little") for a, b in ((72, 80), (80, 84), (84, 88))
    )
    if at * _SECTOR < len(image) and count * each <= len(image):
        entries = bytes(image[at * _SECTOR : at * _SECTOR + count * each])
        image[_SECTOR + 88 : _SECTOR + 92] = crc32(entries).to_bytes(4, "little")
    size = int.from_bytes(header[12:16], "little") % (_SECTOR + 1)
    image[_SECTOR + 16 : _SECTOR + 20] = bytes(4)
    total = crc32(bytes(image[_SECTOR : _SECTOR + size]))
    image[_SECTOR + 16 : _SECTOR + 20] = total.to_bytes(4, "little")


def _table_seeds() -> Iterator[bytes]:
    entry = pack("<B3sB3sII", 0, b"", 0x0C, b"", 2, 20) + pack(
        "<B3sB3sII", 0, b"", 0x83, b"", 30, 30
    )
    yield b"\0" + bytes(446) + entry
    protective = bytes(446) + pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, 63) + bytes(48) + b"\x55\xaa"
    header = pack(
        "<8s4sIIIQQQQ16sQIII",
        b"EFI PART",
        b"\0\0\1\0",
        92,
        0,
        0,
        1,
        63,
        4,
        60,
        bytes(16),
        2,
        2,
        128,
        0,
    )
    entries = (_GUID + bytes(16) + pack("<QQ", 10, 20)).ljust(128, b"\0")
    yield b"\1" + protective + header.ljust(_SECTOR, b"\0") + entries


# -------------------------------------------------------------------------------------- documents
def release(data: bytes) -> None:
    """Read a release for boards."""
    path = _folder() / "one.zip"
    path.write_bytes(data)
    _is_read(lambda: releases.read(path))


def _release_seeds() -> Iterator[bytes]:
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", how) as archive:
            for name, text in (
                ("offer", b"s" * 384 + b"ugw-update 1 esp32 6 4 9 00 ugw 1"),
                ("manifest", b"ugw-release 1 4 ugw 1\n"),
                ("files/a.mpy", b"a" * 50),
            ):
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text, how)
        yield out.getvalue()


def bundle(data: bytes) -> None:
    """Look a bundle through whose table of contents says so."""
    folder = _folder() / "bundle"
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(data)
    _is_read(lambda: check(folder, 1_795_341_600, None))


def record(data: bytes) -> None:
    """Read what was planted on a card."""
    _is_read(lambda: seed_record.parse(data))


def report(data: bytes) -> None:
    """Read the report of a site."""
    path = _folder() / "report.json"
    path.write_bytes(data)
    _is_read(lambda: read_reports([path]))


def _bundle_seeds() -> Iterator[bytes]:
    material = {"name": "a.img", "sha256": "0" * 64, "profile": "pi"}
    told: dict[str, object] = {
        "schema": "ugw.bundle/1",
        "madeBy": "ugw 1",
        "madeAtS": 1,
        "expiresS": 1_900_000_000,
        "gateways": ["gw-1"],
        "materials": [material],
        "files": {},
    }
    yield msgspec.json.encode(told)
    yield msgspec.json.encode({**told, "files": {"a": "0" * 64}})
    yield msgspec.json.encode({**told, "expiresS": 1})


def _record_seeds() -> Iterator[bytes]:
    package = {"name": "ugw.deb", "sha256": "0" * 64, "size": 1}
    yield msgspec.json.encode({
        "gateway": "gw-1", "org": "kiel", "flavour": "cloud-init", "made_by": "ugw 1",
        "made_at": "2026-11-22T10:00:00Z", "made_at_s": 1, "wipe": [], "boot": {}, "files": {},
        "image": {**package, "system_sha256": "0" * 64}, "package": package, "others": {},
        "enrolment": {"url": "https://est.example", "expires_s": 2},
    })  # fmt: skip


def _report_seeds() -> Iterator[bytes]:
    yield msgspec.json.encode({
        "schema": "ugw.site-report/1", "light": "green", "acknowledged": True, "org": "kiel",
        "software": "ugw 1", "gateway": "gw-1", "reportTime": "2026-11-22T10:00:00Z",
        "sensors": [{"light": "green", "device": "ugw:kiel:a"}],
    })  # fmt: skip


TARGETS: Final = (
    Target(
        "partition-tables",
        "partition tables of images and cards",
        table,
        _table_seeds,
        ("ugw_flash.card.table", "ugw_flash.card.medium"),
        most_bytes=1800,
    ),
    Target(
        "release-files",
        "releases for boards, as files",
        release,
        _release_seeds,
        ("ugw_flash.updates.release",),
        most_bytes=1200,
        words=(b"PK\1\2", b"PK\3\4", b"PK\5\6"),
    ),
    Target(
        "bundle-contents",
        "bundles for who makes gateways offline",
        bundle,
        _bundle_seeds,
        ("ugw_flash.bundle.contents",),
        most_bytes=600,
        words=JSON_WORDS,
    ),
    Target(
        "seed-records",
        "what was planted on a card, read back",
        record,
        _record_seeds,
        ("ugw_flash.seed.record",),
        most_bytes=600,
        words=JSON_WORDS,
    ),
    Target(
        "site-reports",
        "site reports of gateways",
        report,
        _report_seeds,
        ("ugw_flash.batch.handover",),
        most_bytes=600,
        words=JSON_WORDS,
    ),
)
