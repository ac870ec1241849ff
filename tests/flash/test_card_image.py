"""Images: what was published and nothing else, however it is packed."""

import gzip
import hashlib
import lzma
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.cards import MB, noise
from ugw_flash.card import xz
from ugw_flash.card.image import CHUNK, Image
from ugw_flash.outcome import BadMaterialError
from ugw_flash.progress import Silence

CONTENT = noise(MB // 8) * 72 + b"the end"


def as_it_is(content: bytes) -> bytes:
    return content


def as_xz(content: bytes) -> bytes:
    """Pack in two streams, as `cat` of two .xz files is."""
    return lzma.compress(content[:MB], preset=0) + lzma.compress(content[MB:], preset=0)


def as_zip(content: bytes) -> bytes:
    return zipped({"x.img": content, "__MACOSX/x.img": b""})


def zipped(members: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def opened(path: Path, data: bytes) -> Image:
    path.write_bytes(data)
    return Image.open(path, sha256(data).upper(), Silence())


@pytest.mark.parametrize("packed", [as_it_is, as_xz, gzip.compress, as_zip])
def test_every_way_of_packing_gives_the_same_chunks(
    tmp_path: Path, packed: Callable[[bytes], bytes]
) -> None:
    image = opened(tmp_path / "x", packed(CONTENT))

    chunks = list(image.chunks())

    assert b"".join(chunks) == CONTENT
    assert image.size == len(CONTENT)
    assert image.beginning() == CONTENT[:CHUNK]
    assert list(map(len, chunks)) == [CHUNK, CHUNK, len(CONTENT) - 2 * CHUNK]


def test_a_file_with_another_digest_is_refused_with_both_digests(tmp_path: Path) -> None:
    path = tmp_path / "x.img"
    path.write_bytes(b"another")
    with pytest.raises(BadMaterialError, match=sha256(b"another")) as caught:
        Image.open(path, sha256(b"this"), Silence())
    assert sha256(b"this") in caught.value.remedy


@pytest.mark.parametrize("packed", [as_it_is, as_xz, gzip.compress])
def test_a_file_that_changes_after_its_check_is_refused(
    tmp_path: Path, packed: Callable[[bytes], bytes]
) -> None:
    image = opened(tmp_path / "x", packed(CONTENT))
    (tmp_path / "x").write_bytes(packed(b"!" + CONTENT[1:]))
    with pytest.raises(BadMaterialError, match="changed while it was read"):
        list(image.chunks())


@pytest.mark.parametrize("packed", [as_xz, gzip.compress, as_zip])
@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_file_is_refused_though_its_digest_is_right(
    tmp_path: Path, packed: Callable[[bytes], bytes], harm: str
) -> None:
    data = bytearray(packed(CONTENT))
    if harm == "cut":
        del data[-1000:]
    else:
        data[len(data) // 2] ^= 1
    with pytest.raises(BadMaterialError, match="cannot be read as an image"):
        list(opened(tmp_path / "x", bytes(data)).chunks())


def test_an_image_that_is_not_there_is_said_to_be_missing_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(BadMaterialError, match=r"the image .*pi\.img is not there") as caught:
        Image.open(tmp_path / "pi.img", "0" * 64, Silence())
    assert "download it again" not in caught.value.remedy


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x28\xb5\x2f\xfd rest", "zstd"),
        (zipped({"a.img": b"a", "b.img": b"b"}), "one file, and 2"),
        (lzma.compress(b"a") + bytes(4), "does not end as an .xz file"),
        (lzma.compress(b"a") + b"?" + lzma.compress(b"b"), "it unpacks to|does not end|index"),
        (lzma.compress(b"a")[:20], "cannot be read as an image"),
    ],
)
def test_what_cannot_be_unpacked_says_why(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(BadMaterialError, match=cause):
        list(opened(tmp_path / "x", data).chunks())


def test_a_second_stream_that_is_damaged_is_not_taken_for_the_end(tmp_path: Path) -> None:
    first, second = lzma.compress(b"first"), bytearray(lzma.compress(b"second"))
    second[0] ^= 1  # Python's lzma takes it for trailing garbage, and says nothing
    with pytest.raises(BadMaterialError, match="unpacks to 5 bytes, and says 11"):
        list(opened(tmp_path / "x", first + second).chunks())


def test_an_image_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadMaterialError, match=r"x\.img is not there"):
        Image.open(tmp_path / "x.img", sha256(b""), Silence())


@given(
    st.lists(st.binary(max_size=300), max_size=4),
    st.sampled_from([lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256]),
)
@settings(max_examples=50, deadline=None)
def test_the_size_in_an_index_is_what_comes_out(parts: list[bytes], check: int) -> None:
    data = b"".join(lzma.compress(part, check=check) for part in parts)
    assert xz.unpacked_size(BytesIO(data), len(data)) == sum(map(len, parts))


def test_whichever_bit_of_an_xz_file_is_wrong_its_size_is_right_or_refused() -> None:
    content = b"a content of some length" * 9
    packed = lzma.compress(content[:7]) + lzma.compress(content[7:])
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            size = xz.unpacked_size(BytesIO(damaged), len(damaged))
        except ValueError:
            continue
        assert size == len(content)


def test_an_xz_file_that_was_cut_off_anywhere_is_refused() -> None:
    packed = lzma.compress(b"a content of some length")
    for size in range(1, len(packed)):
        with pytest.raises(ValueError, match="it "):
            xz.unpacked_size(BytesIO(packed[:size]), size)
