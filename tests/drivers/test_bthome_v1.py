"""BTHome v1: numbers have the type their sender chose, floats too, and no float touches them."""

import json
import struct
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import bthome_v1
from gateway.core.context import Context
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

# Of https://bthome.io/v1.
OBJECT_IDS = {*range(0x30), 0x3A, 0x3C, *range(0x50, 0x55)}
FILE = Path(bthome_v1.__file__).with_suffix(".json")
PAYLOADS = [bytes.fromhex(e["payload"]) for e in json.loads(FILE.read_bytes())["examples"]]
FORMATS = {2: "<e", 4: "<f", 8: "<d"}


def temperature(form: int, value: bytes) -> int | str | None:
    """Return what a temperature says, in hundredths."""
    head = bytes((len(value) + 1 | form << 5, 0x02))
    readings = bthome_v1.decode(head + value, Context())
    return readings[0][1] if readings else None


def test_every_object_of_the_page_is_known() -> None:
    for kind in OBJECT_IDS - {0x00}:
        assert bthome_v1.decode(bytes((3, kind, 1, 1)), Context()), hex(kind)


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload], ids=bytes.hex)
def test_the_object_after_another_is_read(payload: bytes) -> None:
    before = bthome_v1.decode(payload, Context())
    after = bthome_v1.decode(payload + b"\x03\xf0\x34\x12", Context())
    assert [reading[:2] for reading in after[len(before) :]] == [("device_type_id", 0x1234)]
    assert after[: len(before)] == before


@pytest.mark.parametrize("size", range(1, 9))
@given(data=st.data())
def test_a_whole_number_of_any_length(size: int, data: st.DataObject) -> None:
    value = data.draw(st.binary(min_size=size, max_size=size))
    assert temperature(0, value) == int.from_bytes(value, "little")
    assert temperature(1, value) == int.from_bytes(value, "little", signed=True)


@pytest.mark.parametrize("size", FORMATS)
@given(data=st.data())
def test_a_float_is_the_nearest_whole_number_of_steps(size: int, data: st.DataObject) -> None:
    value = data.draw(st.binary(min_size=size, max_size=size))
    [number] = struct.unpack(FORMATS[size], value)
    if abs(number) < 1 << 64:
        assert temperature(2, value) == round(Fraction(number))


@pytest.mark.parametrize("size", FORMATS)
@pytest.mark.parametrize(
    ("number", "steps"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (0.0, 0), (-0.0, 0)]
)
def test_a_float_halfway_between_two_steps_is_the_even_one(
    size: int, number: float, steps: int
) -> None:
    assert temperature(2, struct.pack(FORMATS[size], number)) == steps


@pytest.mark.parametrize("size", FORMATS)
@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_a_float_that_is_no_number_has_no_value(size: int, number: str) -> None:
    assert temperature(2, struct.pack(FORMATS[size], float(number))) is None


@pytest.mark.parametrize(
    ("form", "value", "reason"),
    [
        (2, struct.pack("<f", 2.0**64), BAD_VALUE),
        (2, struct.pack("<d", -(2.0**64)), BAD_VALUE),
        (2, bytes(3), BAD_LENGTH),
        (0, bytes(9), BAD_LENGTH),
    ],
)
def test_a_number_beyond_all_measure_is_refused(form: int, value: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        temperature(form, value)
    assert caught.value.reason == reason


def test_the_largest_float_there_may_be_is_read() -> None:
    largest = struct.unpack("<d", b"\xff\xff\xff\xff\xff\xff\xef\x43")[0]
    assert temperature(2, struct.pack("<d", largest)) == int(largest)
