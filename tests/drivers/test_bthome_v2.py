"""BTHome v2: every object of the format has an example, and an unknown id ends a frame."""

import json
from pathlib import Path

import pytest

from drivers.ble import bthome_v2
from gateway.core.context import Context

# Of https://bthome.io/format, April 2026.
OBJECT_IDS = {*range(0x30), *range(0x3A, 0x66), *range(0xF0, 0xF3)}


def _first_objects() -> set[int]:
    document = json.loads(Path(bthome_v2.__file__).with_suffix(".json").read_bytes())
    payloads = [bytes.fromhex(example["payload"]) for example in document["examples"]]
    return {payload[1] for payload in payloads if payload[:1] in b"\x40\x44" and len(payload) > 1}


def test_every_object_of_the_format_page_has_an_example() -> None:
    assert _first_objects() >= OBJECT_IDS


@pytest.mark.parametrize("unknown", sorted(set(range(256)) - OBJECT_IDS))
def test_an_unknown_object_ends_the_frame_and_keeps_what_was_before(unknown: int) -> None:
    payload = bytes([0x40, 0x01, 97, unknown, 0x01, 98])
    assert bthome_v2.decode(payload, Context()) == [("battery_level", 97, 0, "")]


@pytest.mark.parametrize("info", range(256))
def test_only_version_2_is_read(info: int) -> None:
    payload = bytes([info]) + bytes(20)
    number = bthome_v2.packet_counter(payload)
    assert (number is not None) == (info >> 5 == 2)
