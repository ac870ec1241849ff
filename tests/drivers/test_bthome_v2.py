"""BTHome v2: every object of the format has an example, and an unknown id ends a frame."""

import json
from pathlib import Path

import pytest

from drivers.ble import bthome_v2
from gateway.core.context import Context
from gateway.core.refusal import TRUNCATED, DecodeError

# Of https://bthome.io/format, April 2026.
OBJECT_IDS = {*range(0x30), *range(0x3A, 0x66), *range(0xF0, 0xF3)}


FILE = Path(bthome_v2.__file__).with_suffix(".json")
PAYLOADS = [bytes.fromhex(e["payload"]) for e in json.loads(FILE.read_bytes())["examples"]]
PLAIN = [payload for payload in PAYLOADS if payload[0] in {0x40, 0x44} and len(payload) > 1]
KNOWN = [payload for payload in PLAIN if 0xE0 not in payload]  # that no later id ends


def test_every_object_of_the_format_page_has_an_example() -> None:
    assert {payload[1] for payload in PLAIN} >= OBJECT_IDS


@pytest.mark.parametrize("payload", KNOWN, ids=bytes.hex)
def test_the_object_after_another_is_read(payload: bytes) -> None:
    """So a size in the tables that is wrong is noticed; an object alone does not show it."""
    before = bthome_v2.decode(payload, Context())
    after = bthome_v2.decode(payload + b"\xf0\x34\x12", Context())
    assert [(reading[0], reading[1]) for reading in after[len(before) :]] == [
        ("device_type_id", 0x1234)
    ]
    assert after[: len(before)] == before


@pytest.mark.parametrize("size", range(8))
def test_an_encrypted_frame_without_room_for_counter_and_tag_is_truncated(size: int) -> None:
    with pytest.raises(DecodeError) as caught:
        bthome_v2.sealed(b"\x41" + bytes(size), Context(bytes(6)))
    assert caught.value.reason == TRUNCATED


@pytest.mark.parametrize("unknown", sorted(set(range(256)) - OBJECT_IDS))
def test_an_unknown_object_ends_the_frame_and_keeps_what_was_before(unknown: int) -> None:
    payload = bytes([0x40, 0x01, 97, unknown, 0x01, 98])
    assert bthome_v2.decode(payload, Context()) == [("battery_level", 97, 0, "")]


@pytest.mark.parametrize("info", range(256))
def test_only_version_2_is_read(info: int) -> None:
    payload = bytes([info]) + bytes(20)
    number = bthome_v2.packet_counter(payload)
    assert (number is not None) == (info >> 5 == 2)
