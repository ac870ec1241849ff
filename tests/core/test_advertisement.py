"""Raw advertising data becomes the structures that bleak would have given."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.advertisement import (
    LISTED_SERVICE,
    MANUFACTURER,
    NAME,
    SERVICE_DATA,
    structures,
    uuid_number,
)
from gateway.core.refusal import TRUNCATED, DecodeError

BASE = "-0000-1000-8000-00805f9b34fb"
# Type, bytes of the identifier, and what a structure of it is handed on as.
TYPES = {0xFF: (2, MANUFACTURER), 0x16: (2, SERVICE_DATA), 0x20: (4, SERVICE_DATA)}


@st.composite
def _structure(draw: st.DrawFn) -> tuple[bytes, tuple[int, int, bytes] | None]:
    """Draw one structure: its bytes, and what is to be made of them."""
    data = draw(st.binary(max_size=20))
    kind = draw(st.sampled_from([*TYPES, 0x21, 0x09, 0x08, 0x01, 0x0A]))
    if kind in TYPES:
        size, handed_on = TYPES[kind]
        number = draw(st.integers(0, 256**size - 1))
        return _raw(kind, number.to_bytes(size, "little") + data), (handed_on, number, data)
    if kind == 0x21:
        number = draw(st.integers(1 << 100, (1 << 128) - 1).filter(_off_base))
        return _raw(kind, number.to_bytes(16, "little") + data), (SERVICE_DATA, number, data)
    if kind in {0x08, 0x09}:
        return _raw(kind, data), (NAME, 0, data)
    return _raw(kind, data), None


def _off_base(number: int) -> bool:
    return not str(uuid.UUID(int=number)).endswith(BASE)


def _raw(kind: int, content: bytes) -> bytes:
    return bytes([1 + len(content), kind]) + content


@given(drawn=st.lists(_structure(), max_size=6), padding=st.integers(0, 5))
def test_every_structure_of_a_kind_we_read_is_handed_on_in_order(
    drawn: list[tuple[bytes, tuple[int, int, bytes] | None]], padding: int
) -> None:
    data = b"".join(raw for raw, _ in drawn) + bytes(padding)
    assert structures(data) == tuple(wanted for _, wanted in drawn if wanted is not None)


@pytest.mark.parametrize(
    ("data", "uuids"),
    [
        ("0503 95fe 1a18", (0xFE95, 0x181A)),
        ("0302 d2fc", (0xFCD2,)),
        ("0505 78563412", (0x12345678,)),
        ("1107 fb349b5f80000080001000009 5fe0000", (0xFE95,)),
        (
            "1106 a9aa0e c7ed d8 93b9 ba42 d611 0000 09ef",
            (0xEF090000_11D6_42BA_B993_D8EDC70EAAA9,),
        ),
        ("0103", ()),
    ],
)
def test_each_service_of_a_list_is_handed_on(data: str, uuids: tuple[int, ...]) -> None:
    wanted = tuple((LISTED_SERVICE, uuid, b"") for uuid in uuids)
    assert structures(bytes.fromhex(data.replace(" ", ""))) == wanted


@given(structure=_structure())
def test_every_truncation_of_a_structure_is_refused(
    structure: tuple[bytes, tuple[int, int, bytes] | None],
) -> None:
    raw, _ = structure
    for size in range(1, len(raw)):
        with pytest.raises(DecodeError, match=TRUNCATED):
            structures(raw[:size])


@pytest.mark.parametrize("data", ["01ff", "02ff99", "0216d2", "0420d2fc00", "03210000", "020399"])
def test_a_structure_that_ends_before_its_identifier_is_refused(data: str) -> None:
    with pytest.raises(DecodeError, match=TRUNCATED):
        structures(bytes.fromhex(data))


@given(data=st.binary(max_size=64))
def test_any_bytes_are_structures_or_a_refusal(data: bytes) -> None:
    try:
        found = structures(data)
    except DecodeError:
        return
    assert all(kind in {MANUFACTURER, SERVICE_DATA, NAME, LISTED_SERVICE} for kind, _, _ in found)


@given(number=st.integers(0, (1 << 32) - 1))
def test_a_uuid_on_the_bluetooth_base_is_its_short_number_in_any_width(number: int) -> None:
    text = f"{number:08x}{BASE}"
    wide = _raw(0x21, uuid.UUID(text).bytes[::-1] + b"\x40")
    assert uuid_number(text) == uuid_number(text.upper()) == number
    assert structures(wide) == ((SERVICE_DATA, number, b"\x40"),)


@given(number=st.integers(0, (1 << 128) - 1).filter(_off_base))
def test_a_uuid_off_the_base_is_all_of_its_128_bits(number: int) -> None:
    assert uuid_number(str(uuid.UUID(int=number))) == number
