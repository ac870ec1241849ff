"""Writing: everything read back, the table last, false and failing cards found out."""

import errno
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.cards import (
    BOOT_AT,
    BOOT_BYTES,
    CARD_BYTES,
    IMAGE_BYTES,
    MB,
    FailingCard,
    FoldedCard,
    ForgetfulCard,
    MemoryCard,
    WornCard,
    pi_packed,
)
from ugw_flash.card.image import CHUNK, Image
from ugw_flash.card.journal import Journal
from ugw_flash.card.medium import Medium
from ugw_flash.card.table import Slice, boot_slice
from ugw_flash.card.write import (
    CANARY_BYTES,
    Afresh,
    Canaries,
    Layout,
    System,
    Written,
    complete,
    erase_table,
    read_back,
    write_body,
)
from ugw_flash.outcome import BadMaterialError, NotWrittenError
from ugw_flash.progress import Silence


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    packed, sha256 = pi_packed()
    path = tmp_path_factory.mktemp("write") / "pi.img.xz"
    path.write_bytes(packed)
    return Image.open(path, sha256, Silence())


@pytest.fixture(scope="module")
def content(image: Image) -> bytes:
    return b"".join(image.chunks())


class Said(Afresh):
    """An earlier attempt that is said to have come so far."""

    def __init__(self, said_bytes: int) -> None:
        self.said_bytes = said_bytes
        self.noted = list[int]()

    def note(self, done_bytes: int) -> None:
        self.noted.append(done_bytes)


def write(card: Medium, image: Image, progress: Said | None = None) -> tuple[Layout, Written]:
    layout = Layout.of(image)
    erase_table(card)
    written = write_body(card, image, layout, progress or Said(0), Silence())
    read_back(card, image.size, layout, written.digests, Silence())
    return layout, written


def test_a_card_that_is_complete_has_the_image_and_beyond_it_nothing(
    image: Image, content: bytes
) -> None:
    card = MemoryCard()
    canaries = Canaries(card, image.size)
    layout, _ = write(card, image)
    canaries.clear()
    complete(card, layout.head)

    assert card.content == content.ljust(CARD_BYTES, b"\0")


def test_until_it_is_complete_no_sector_before_the_first_partition_is_written(
    image: Image,
) -> None:
    card = MemoryCard(content=b"\x11" * CARD_BYTES)
    write(card, image)

    assert card.writes[0] == (0, bytes(CHUNK))
    assert card.flushed[0] == 1
    assert not any(card.content[:BOOT_AT])
    assert any(card.content[BOOT_AT:CHUNK])
    with pytest.raises(BadMaterialError, match="no partition table"):
        boot_slice(card)


def test_the_last_thing_written_is_the_sector_that_makes_it_boot(image: Image) -> None:
    card = MemoryCard()
    layout, _ = write(card, image)
    complete(card, layout.head)

    assert card.writes[-1] == (0, layout.head[:512])
    assert card.flushed[-2:] == [len(card.writes) - 1, len(card.writes)]


def test_the_digest_of_the_system_leaves_out_the_boot_partition_alone(
    image: Image, content: bytes
) -> None:
    _, written = write(MemoryCard(), image)

    rest = content[:BOOT_AT] + content[BOOT_AT + BOOT_BYTES :]
    assert written.system_sha256 == hashlib.sha256(rest).hexdigest()


@given(st.lists(st.integers(1, 900), min_size=1), st.integers(0, 900), st.integers(1, 900))
@settings(max_examples=100, deadline=None)
def test_that_digest_is_the_same_in_whatever_pieces_it_is_read(
    pieces: list[int], offset: int, size: int
) -> None:
    data = bytes(each % 251 for each in range(sum(pieces)))
    system, at = System(Slice(1, offset, size, "fat")), 0
    for piece in pieces:
        system.update(at, data[at : at + piece])
        at += piece
    rest = data[:offset] + data[offset + size :]
    assert system.hexdigest() == hashlib.sha256(rest).hexdigest()


@pytest.mark.parametrize("at", [BOOT_AT, BOOT_AT + CHUNK - 1, IMAGE_BYTES - 1])
def test_one_wrong_bit_is_found_wherever_it_is(image: Image, at: int) -> None:
    with pytest.raises(NotWrittenError, match="reads back differently"):
        write(WornCard(at), image)


def test_a_wrong_bit_in_the_partition_table_is_found(image: Image) -> None:
    card = WornCard(500)
    layout, _ = write(card, image)
    with pytest.raises(NotWrittenError, match="partition table reads back differently"):
        complete(card, layout.head)


@pytest.mark.parametrize(
    ("false_card", "true_mb"),
    [
        # An address line that is missing leaves a power of two; what forgets may end anywhere.
        *((FoldedCard, each) for each in (1, 16, 32)),
        *((ForgetfulCard, each) for each in (1, 16, 32, 48, 63)),
    ],
)
def test_a_card_with_less_room_than_it_says_is_found_out(
    image: Image, false_card: type[FoldedCard | ForgetfulCard], true_mb: int
) -> None:
    card = false_card(64 * MB, true_mb * MB)
    with pytest.raises(NotWrittenError):  # noqa: PT012 - at the latest by the last look
        canaries = Canaries(card, image.size)
        canaries.check()
        write(card, image)
        canaries.check()


@given(st.integers(0, 3 * CARD_BYTES), st.integers(0, CARD_BYTES))
@settings(max_examples=100, deadline=None)
def test_canaries_lie_beyond_the_image_and_within_the_card(size: int, image_size: int) -> None:
    card = MemoryCard(min(size, CARD_BYTES) // 512 * 512)
    Canaries(card, image_size).clear()
    for at, data in card.writes:
        assert image_size <= at <= card.size - len(data)
    if card.size - image_size >= 2 * CANARY_BYTES:
        assert card.writes


@pytest.mark.parametrize("sectors", [0, 1, 127])
def test_the_last_canary_covers_the_end_of_the_card_where_the_second_gpt_lies(
    sectors: int,
) -> None:
    card = MemoryCard(CARD_BYTES + sectors * 512)
    Canaries(card, IMAGE_BYTES).clear()
    assert max(at + len(data) for at, data in card.writes) == card.size


@pytest.mark.parametrize("said", [0, CHUNK, 2 * CHUNK, 3 * CHUNK + 1, IMAGE_BYTES, 10**12])
def test_what_was_there_already_is_compared_and_not_written_again(
    image: Image, content: bytes, said: int
) -> None:
    there = min(said // CHUNK * CHUNK, IMAGE_BYTES) if said < IMAGE_BYTES else IMAGE_BYTES
    card = MemoryCard(content=content[:there])
    layout, written = write(card, image, Said(said))
    complete(card, layout.head)

    assert card.content == content.ljust(CARD_BYTES, b"\0")
    assert written.found_bytes == max(0, there - CHUNK)  # the first was erased
    rewritten = [at for at, _ in card.writes[1:-2] if CHUNK <= at < there]
    assert rewritten == []


def test_an_attempt_that_lies_costs_nothing_but_time(image: Image, content: bytes) -> None:
    card = MemoryCard(content=b"another card" * 1000)
    layout, written = write(card, image, Said(IMAGE_BYTES))
    complete(card, layout.head)

    assert card.content == content.ljust(CARD_BYTES, b"\0")
    assert written.found_bytes < IMAGE_BYTES


def test_no_more_is_noted_than_was_flushed(image: Image) -> None:
    card, said = MemoryCard(), Said(0)
    write(card, image, said)
    assert said.noted == [4 * CHUNK, IMAGE_BYTES]
    assert card.flushed[-1] == len(card.writes)


@pytest.mark.parametrize("content", [b"", bytes(MB), b"#!/bin/sh\n" * 1000])
def test_what_is_no_image_of_a_card_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.img"
    path.write_bytes(content)
    image = Image.open(path, hashlib.sha256(content).hexdigest(), Silence())
    with pytest.raises(BadMaterialError, match="no image of a whole card"):
        Layout.of(image)


def test_a_card_that_fails_raises_what_the_system_said(image: Image) -> None:
    card = FailingCard(3, lambda: OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        write(card, image)


def test_the_journal_knows_a_card_and_an_image_together(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a" / "b", now_s=0.0)
    journal.note("card", "a" * 64, 5)

    assert journal.said("card", "a" * 64) == 5
    assert journal.said("card", "b" * 64) == 0
    assert journal.said("another", "a" * 64) == 0
    journal.forget("card", "a" * 64)
    assert journal.said("card", "a" * 64) == 0
    assert list(journal.folder.iterdir()) == []


def test_a_journal_that_cannot_be_read_or_is_old_knows_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, now_s=0.0)
    journal.note("card", "a" * 64, 5)
    (path,) = tmp_path.iterdir()
    later = Journal(tmp_path, now_s=path.stat().st_mtime + 40 * 86_400)
    assert later.said("card", "a" * 64) == 0
    later.forget("another", "a" * 64)
    assert not path.exists()

    path.write_text('{"card": "card", "image_sha256": 3}')
    assert journal.said("card", "a" * 64) == 0
    Journal(path, now_s=0.0).note("card", "a" * 64, 5)  # a file where the folder should be
