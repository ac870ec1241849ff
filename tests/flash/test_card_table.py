"""Partition tables: read as sfdisk wrote them, and refused when they contradict themselves."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.cards import (
    BOOT_AT,
    BOOT_BYTES,
    IMAGE_BYTES,
    ROOT_AT,
    ROOT_BYTES,
    MemoryCard,
    pi_bytes,
)
from ugw_flash.card.table import Slice, boot_slice, partitions
from ugw_flash.outcome import BadMaterialError


@pytest.fixture(params=["dos", "gpt"])
def image(request: pytest.FixtureRequest) -> bytes:
    return pi_bytes(request.param)


def medium(data: bytes) -> MemoryCard:
    return MemoryCard(len(data), data)


def entry(kind: int, first: int, count: int, active: int = 0) -> bytes:
    return struct.pack("<B3xB3xII", active, kind, first, count)


def mbr(*entries: bytes) -> bytes:
    return bytes(446) + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def test_both_kinds_of_table_are_read_as_sfdisk_wrote_them(image: bytes) -> None:
    assert partitions(medium(image)) == [
        Slice(1, BOOT_AT, BOOT_BYTES, "fat"),
        Slice(2, ROOT_AT, ROOT_BYTES, "other"),
    ]
    assert boot_slice(medium(image)).number == 1


@pytest.mark.parametrize("at", [512 + 16, 512 + 72, 1024, 1024 + 40])
def test_a_damaged_gpt_is_refused(at: int) -> None:
    data = bytearray(pi_bytes("gpt"))
    data[at] ^= 1
    with pytest.raises(BadMaterialError, match="GPT"):
        partitions(medium(bytes(data)))


def test_the_boot_sector_of_a_file_system_is_no_table(image: bytes) -> None:
    with pytest.raises(BadMaterialError, match="partition table"):
        partitions(medium(image[BOOT_AT : BOOT_AT + BOOT_BYTES]))


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        (b"", "no partition table"),
        (bytes(512), "no partition table"),
        (mbr(), "empty"),
        (mbr(entry(0x0C, 0, 100)), "outside"),
        (mbr(entry(0x0C, 8, IMAGE_BYTES // 512)), "outside"),
        (mbr(entry(0x0C, 8, 100), entry(0x83, 107, 100)), "overlap"),
        (mbr(entry(0x0C, 8, 100, active=7)), "no partition table"),
        (mbr(entry(0xEE, 1, 100)), "there is no GPT"),
    ],
)
def test_nonsense_is_refused(table: bytes, cause: str) -> None:
    with pytest.raises(BadMaterialError, match=cause):
        partitions(MemoryCard(IMAGE_BYTES, table))


def test_a_card_without_a_fat_partition_has_no_boot_partition() -> None:
    with pytest.raises(BadMaterialError, match="no boot partition"):
        boot_slice(MemoryCard(IMAGE_BYTES, mbr(entry(0x83, 8, 100))))


@given(st.binary(max_size=1200))
@settings(max_examples=200, deadline=None)
def test_whatever_is_read_lies_within_the_card_and_apart(data: bytes) -> None:
    card = MemoryCard(IMAGE_BYTES, (data[:510].ljust(510, b"\0") + b"\x55\xaa" + data[510:]))
    try:
        found = sorted(partitions(card), key=lambda each: each.offset)
    except BadMaterialError:
        return
    ends = [0, *(each.end for each in found)]
    assert all(each.offset >= end for each, end in zip(found, ends, strict=False))
    assert ends[-1] <= IMAGE_BYTES
