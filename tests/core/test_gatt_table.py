"""A table's polls and payloads; what its fields hold stands in the drivers' examples."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import gatt, gatt_table
from gateway.core.fields import u8, u16le
from gateway.core.gatt_table import integer, medfloat16, text
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError
from gateway.driver import Request

SERVICE, OWN = gatt.uuid(0x181A), "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
ONE, TWO, LONG = gatt.uuid(0x2A6E), gatt.uuid(0x2A6F), gatt.uuid(0x12345678)
TABLE = (
    (SERVICE, ONE, 2, 0, integer(u8), 1, 0, "count", "low"),
    (SERVICE, ONE, 2, 1, integer(u8), 1, 0, "count", "high"),
    (SERVICE, TWO, 2, 0, integer(u16le, 0xFFFF), 25, 2, "relative_humidity", ""),
    (SERVICE, LONG, 1, 0, integer(u8), 1, 0, "uv_index", ""),
    (OWN, OWN, 0, 0, text, 1, 0, "text", ""),
)


def ask(device: Mapping[str, list[bytes]]) -> tuple[bytes, list[Request]]:
    """Poll a device that has these values; return the payload and what was asked."""
    asked: list[Request] = []
    requests = gatt_table.poll(TABLE)
    answer: bytes | None = None
    while True:
        try:
            request = requests.send(answer)
        except StopIteration as end:
            payload: bytes = end.value
            return payload, asked
        asked.append(request)
        values = device.get(request[2], [])
        answer = values[request[4]] if request[4] < len(values) else None


def test_each_characteristic_is_asked_for_once_and_again_while_there_are_more() -> None:
    payload, asked = ask({ONE: [b"\1\2", b"\3\4"], LONG: [b"\7"], OWN: [b"ok"]})
    assert [(request[2], request[4]) for request in asked] == [
        *((ONE, 0), (ONE, 1), (ONE, 2)),
        (TWO, 0),
        *((LONG, 0), (LONG, 1)),
        *((OWN, 0), (OWN, 1)),
    ]
    assert {request[0] for request in asked} == {gatt.READ}
    assert gatt_table.decode(TABLE, payload) == [
        ("count", 1, 0, "low"),
        ("count", 2, 0, "high"),
        ("count", 3, 0, "low-2"),
        ("count", 4, 0, "high-2"),
        ("uv_index", 7, 0, ""),
        ("text", "ok", 0, ""),
    ]


def test_a_device_with_nothing_of_it_makes_an_empty_payload_which_is_refused() -> None:
    payload, _ = ask({})
    assert payload == b""
    with pytest.raises(DecodeError, match="bad_type"):
        gatt_table.decode(TABLE, payload)


def test_of_more_alike_than_anybody_has_only_so_many_are_read() -> None:
    payload, asked = ask({TWO: [b"\0\0"] * 100})
    assert sum(request[2] == TWO for request in asked) == gatt_table.MOST_ALIKE
    assert len(gatt_table.decode(TABLE, payload)) == gatt_table.MOST_ALIKE


def test_a_short_uuid_takes_two_bytes_and_any_other_sixteen() -> None:
    assert gatt_table.entry(ONE, b"\1\2") == b"\x02\x2a\x6e\x02\1\2"
    own = bytes.fromhex(OWN.replace("-", ""))
    assert gatt_table.entry(OWN, b"") == b"\x10" + own + b"\0"
    assert gatt_table.entry(LONG, b"")[:5] == b"\x10\x12\x34\x56\x78"


def test_a_value_longer_than_any_measurement_is_refused() -> None:
    gatt_table.entry(ONE, bytes(255))
    with pytest.raises(DecodeError, match=BAD_LENGTH):
        gatt_table.entry(ONE, bytes(256))


def test_a_medfloat_is_its_mantissa_times_ten_to_its_exponent_but_for_five() -> None:
    for raw in range(0x10000):
        mantissa, exponent = raw & 0xFFF, raw >> 12
        mantissa -= (mantissa >= 0x800) * 0x1000
        exponent -= (exponent >= 8) * 16
        expected: tuple[int | None, int] = (mantissa, exponent)
        if raw in (0x07FE, 0x07FF, 0x0800, 0x0801, 0x0802):
            expected = (None, 0)
        assert medfloat16(raw.to_bytes(2, "little"), 0) == expected


@pytest.mark.parametrize("wrong", [b"", b"3.1\0", b"3.1\x7f", b"\xc3\xa4"])
def test_a_text_is_printable_ascii(wrong: bytes) -> None:
    with pytest.raises(DecodeError, match=BAD_VALUE):
        text(wrong, 0)


@given(st.binary(max_size=60))
def test_any_payload_is_decoded_or_refused(payload: bytes) -> None:
    try:
        gatt_table.decode(TABLE, payload)
    except DecodeError:
        return
