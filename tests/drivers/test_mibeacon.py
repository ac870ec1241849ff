"""MiBeacon: every object has an example, and a sealed frame is numbered with all its counter."""

import json
import struct
from pathlib import Path

import pytest

from drivers.ble import mibeacon
from gateway.core.context import Context
from gateway.core.refusal import NO_KEY, TRUNCATED, DecodeError
from gateway.crypto import CcmKey
from gateway.model import Sealed

# Xiaomi's object definition; from 0x4000 on xiaomi-ble 1.21.2 and ble_monitor, November 2026.
OBJECT_IDS = {
    *(0x0003, 0x0006, 0x0007, 0x0008, 0x0009, 0x000A, 0x000B, 0x000C, 0x000D, 0x000E, 0x000F),
    *(0x0010, 0x0011, 0x0012, 0x1001, 0x1002, 0x1004, 0x1005, 0x1006, 0x1007, 0x1008, 0x1009),
    *(0x100A, 0x100D, 0x100E, 0x100F, 0x1010, 0x1012, 0x1013, 0x1014, 0x1015, 0x1016, 0x1017),
    *(0x1018, 0x1019, 0x101A, 0x101B, 0x101C, 0x2000, 0x3000, 0x3003, 0x4801, 0x4802, 0x4803),
    *(0x4804, 0x4805, 0x4806, 0x4808, 0x480C, 0x4810, 0x4811, 0x4818, 0x483C, 0x483D, 0x483E),
    *(0x483F, 0x4840, 0x484E, 0x484F, 0x4850, 0x4851, 0x4852, 0x487B, 0x4A01, 0x4A08, 0x4A0C),
    *(0x4A0D, 0x4A0E, 0x4A0F, 0x4A12, 0x4A13, 0x4A1A, 0x4A1C, 0x4A68, 0x4C01, 0x4C02, 0x4C03),
    *(0x4C08, 0x4E01, 0x4E0C, 0x4E0D, 0x4E0E, 0x4E16, 0x4E17, 0x4E1C, 0x5003, 0x5010, 0x5011),
    *(0x5403, 0x5413, 0x5422, 0x5601, 0x560C, 0x560D, 0x560E, 0x5810, 0x5A16, 0x6012, 0x605D),
    *(0x6461, 0x6E16),
}
UNMAPPED = {
    *(0x0001, 0x0002, 0x0004, 0x0005, 0x1003, 0x1011, 0x2001, 0x2002, 0x2003, 0x3001, 0x3002),
    *(0x4C14, 0x5414),
}
ALARMS = [*range(0x11), *range(0x1000, 0x1006)]
HEAD = bytes.fromhex("40505b0501")
ADDRESS = bytes.fromhex("a4c1380283f4")
SEALED = bytes.fromhex("58585b0550f4830238c1a495ef58763c26000097e2abb5")  # of xiaomi-ble's tests

FILE = Path(mibeacon.__file__).with_suffix(".json")
EXAMPLES = json.loads(FILE.read_bytes())["examples"]


def written(kind: int, data: bytes) -> bytes:
    return struct.pack("<HB", kind, len(data)) + data


def decoded(*objects: bytes) -> list[tuple[str, int | str | None, int, str]]:
    return mibeacon.decode(HEAD + b"".join(objects), Context(ADDRESS))


def kinds_in(objects: bytes) -> set[int]:
    found: set[int] = set()
    while len(objects) > 2:
        found.add(int.from_bytes(objects[:2], "little"))
        objects = objects[3 + objects[2] :]
    return found


def objects_of(example: dict[str, str]) -> bytes:
    """Return the objects of an example in clear."""
    payload = bytes.fromhex(example["payload"])
    fields = mibeacon.sealed(payload, Context(bytes.fromhex(example.get("address", ""))))
    if fields is not None:
        return CcmKey.from_text(example["key"]).open(Sealed(*fields))
    if not payload[0] & 0x40:
        return b""
    start = 5 + (6 if payload[0] & 0x10 else 0)
    if payload[0] & 0x20:
        start += 3 if payload[1] >> 4 == 5 and payload[start] & 0x20 else 1
    return payload[start:]


def test_every_object_has_an_example() -> None:
    found: set[int] = set()
    for example in EXAMPLES:
        found |= kinds_in(objects_of(example))
    assert found >= OBJECT_IDS


def test_no_other_object_says_anything() -> None:
    for kind in set(range(0x10000)) - OBJECT_IDS:
        for size in (0, 1, 4):
            assert decoded(written(kind, bytes(size))) == [], hex(kind)


def test_what_is_not_mapped_stands_in_the_module_s_head() -> None:
    text = str(mibeacon.__doc__)
    spoken = {0x2002: "2001 to 2003"}
    for kind in UNMAPPED:
        assert spoken.get(kind, f"{kind:04X}") in text
        assert kind not in OBJECT_IDS


@pytest.mark.parametrize("kind", sorted(OBJECT_IDS))
def test_an_object_of_any_length_and_content_leaves_the_next_one_alone(kind: int) -> None:
    battery = ("battery_level", 99, 0, "")
    for size in range(12):
        for fill in (0x00, 0x01, 0x02, 0x3F, 0xC0):
            readings = decoded(written(kind, bytes((fill,)) * size), written(0x100A, b"\x63"))
            assert readings[-1] == battery or battery in readings


@pytest.mark.parametrize("code", ALARMS)
def test_every_alarm_of_a_lock_has_a_name(code: int) -> None:
    key = code.to_bytes(2, "little") + b"\xde\xc0"
    readings = decoded(written(0x000B, b"\x0f" + key + bytes(4)))
    assert [name for name, *_ in readings].count("alarm") == 1


def test_who_used_a_lock_or_a_scale_is_never_read() -> None:
    one, other = (
        decoded(
            written(0x000B, b"\x20" + who + bytes(4)),
            written(0x0006, who + b"\x00"),
            written(0x6E16, who[:1] + bytes.fromhex("bb52e154ed26f767")),
        )
        for who in (b"\x01\x00\x01\x80", b"\x02\x00\x01\x80")
    )
    assert one == other
    assert len(one) == 8


def test_a_sealed_frame_is_numbered_with_all_of_its_counter() -> None:
    later = SEALED[:-7] + b"\x01\x02\x03" + SEALED[-4:]
    for payload, wanted in ((SEALED, 0x26_50), (later, 0x03_02_01_50)):
        fields = mibeacon.sealed(payload, Context(ADDRESS))
        assert fields is not None
        nonce, _, _, _, counter = fields
        assert counter == wanted
        assert nonce == ADDRESS[::-1] + payload[2:5] + payload[-7:-4]


def test_the_address_of_the_frame_stands_in_for_one_that_is_not_in_it() -> None:
    """A frame without it is sealed with the same nonce."""
    short = bytes((SEALED[0] & ~0x10,)) + SEALED[1:5] + SEALED[11:]
    assert mibeacon.sealed(short, Context(ADDRESS)) == mibeacon.sealed(SEALED, Context(ADDRESS))


@pytest.mark.parametrize("size", range(7))
def test_a_sealed_frame_without_room_for_counter_and_tag_is_truncated(size: int) -> None:
    with pytest.raises(DecodeError) as caught:
        mibeacon.sealed(b"\x48\x50\x5b\x05\x01" + bytes(size), Context(ADDRESS))
    assert caught.value.reason == TRUNCATED


def test_a_sealed_frame_that_nobody_opened_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        mibeacon.decode(SEALED, Context(ADDRESS))
    assert caught.value.reason == NO_KEY


def test_a_frame_without_objects_has_no_counter() -> None:
    """Such frames repeat the counter of the last one with objects."""
    assert mibeacon.packet_counter(bytes.fromhex("1059db780df4f80238c1a4")) is None
    assert mibeacon.packet_counter(HEAD) == 1
    assert mibeacon.packet_counter(b"") is None
