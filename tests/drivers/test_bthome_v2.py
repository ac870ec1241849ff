"""BTHome v2: every object has an example, an unknown id ends a frame, a press counts once."""

import json
from pathlib import Path

import pytest

from drivers.ble import bthome_v2
from gateway.admission import Limits
from gateway.core.context import Context
from gateway.core.refusal import TRUNCATED, DecodeError
from tests.pipeline.bench import SEALED, Bench, sealed

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


# ------------------------------------------------------------------------------- what is triggered
def heard(*payloads: str) -> list[object]:
    """Return the presses observed of a button that sends this, 0.2 s apart."""
    bench = Bench()
    for payload in payloads:
        bench.advertise(payload)
        bench.clock.pass_s(0.2)
    return [value for name, value, _ in bench.values if name == "button_event"]


def test_a_press_sent_many_times_over_is_one_by_its_packet_id() -> None:
    assert heard(*["440021015e3a01"] * 5, *["440022015e3a01"] * 5) == ["press", "press"]


def test_a_press_is_one_also_where_something_else_of_the_frame_has_changed() -> None:
    assert heard("440021015e3a01", "440021015d3a01") == ["press"]


def test_two_buttons_pressed_at_once_are_two_events() -> None:
    bench = Bench()
    bench.advertise("440021015e3a013a02")
    assert [result[:4] for result in bench.shelf.taken[0].results if "event" in result[0]] == [
        ("button_event", "press", 0, ""),
        ("button_event", "double_press", 0, "2"),
    ]


def test_a_button_let_go_says_nothing_and_ends_no_press() -> None:
    assert heard("440021015e3a01", "440022015e3a00", "440023015e3a01") == ["press", "press"]


def test_presses_of_a_button_that_numbers_nothing_are_told_apart_by_its_window() -> None:
    window = Limits(repeat_window_ns=4_000_000_000, burst=1_000)
    bench = Bench(window)
    for pause_s in (0.2, 0.2, 5, 0):
        bench.advertise("443a01")
        bench.clock.pass_s(pause_s)
    assert [value for _, value, _ in bench.values] == ["press", "press"]


def test_encrypted_presses_are_told_apart_by_their_counter() -> None:
    bench = Bench()
    for counter in (1000, 1000, 1001):
        bench.advertise(sealed(counter, "3a01"), SEALED)
    assert [value for _, value, _ in bench.values] == ["press", "press"]
