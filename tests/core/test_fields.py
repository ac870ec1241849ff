"""Reads over bytes agree with struct where there are enough, else they are refused."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import fields
from gateway.core.refusal import TRUNCATED, DecodeError

Read = Callable[[bytes, int], int]

AS_STRUCT_HAS_IT: list[tuple[Read, str]] = [
    (fields.u8, "B"),
    (fields.i8, "b"),
    (fields.u16le, "<H"),
    (fields.i16le, "<h"),
    (fields.u16be, ">H"),
    (fields.i16be, ">h"),
    (fields.u32le, "<I"),
    (fields.i32le, "<i"),
    (fields.u32be, ">I"),
    (fields.i32be, ">i"),
]
FORMS = [form for _, form in AS_STRUCT_HAS_IT]


@pytest.mark.parametrize(("read", "form"), AS_STRUCT_HAS_IT, ids=FORMS)
@given(data=st.binary(max_size=12), offset=st.integers(-3, 14))
def test_a_read_is_structs_or_refused(read: Read, form: str, data: bytes, offset: int) -> None:
    if 0 <= offset <= len(data) - struct.calcsize(form):
        assert read(data, offset) == struct.unpack_from(form, data, offset)[0]
    else:
        with pytest.raises(DecodeError, match=TRUNCATED):
            read(data, offset)


@given(data=st.binary(max_size=8), offset=st.integers(-3, 10))
def test_three_bytes_are_read_in_both_orders_or_refused(data: bytes, offset: int) -> None:
    reads: dict[Read, Callable[[bytes], int]] = {
        fields.u24le: lambda three: int.from_bytes(three, "little"),
        fields.u24be: lambda three: int.from_bytes(three, "big"),
        fields.i24be: lambda three: int.from_bytes(three, "big", signed=True),
    }
    for read, expected in reads.items():
        if 0 <= offset <= len(data) - 3:
            assert read(data, offset) == expected(data[offset : offset + 3])
        else:
            with pytest.raises(DecodeError, match=TRUNCATED):
                read(data, offset)


@given(data=st.binary(max_size=8), offset=st.integers(-3, 10), size=st.integers(-3, 10))
def test_taken_bytes_are_all_there_or_refused(data: bytes, offset: int, size: int) -> None:
    if min(offset, size) >= 0 and offset + size <= len(data):
        assert fields.take(data, offset, size) == data[offset : offset + size]
    else:
        with pytest.raises(DecodeError, match=TRUNCATED):
            fields.take(data, offset, size)
