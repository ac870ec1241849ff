"""Floats as exact decimals: what struct says, rounded, and nothing a float could get wrong."""

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.float32 import f32le
from gateway.core.refusal import BAD_VALUE, TRUNCATED, DecodeError


@given(value=st.floats(-(2**31), 2**31, width=32, exclude_min=True, exclude_max=True))
@pytest.mark.parametrize("scale", [0, 1, 2, 6])
def test_a_float_is_rounded_to_the_nearest_the_half_away_from_zero(
    scale: int, value: float
) -> None:
    exact = Fraction(value) * 10**scale
    nearest = int(abs(exact) + Fraction(1, 2))
    read = f32le(b"\xff" + struct.pack("<f", value), 1, scale)
    assert read == (nearest if value >= 0 else -nearest)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_no_value(value: float) -> None:
    assert f32le(struct.pack("<f", value), 0, 2) is None


@pytest.mark.parametrize("value", [2.0**31, -(2.0**31), 3.4e38])
def test_what_no_sensor_means_is_refused(value: float) -> None:
    with pytest.raises(DecodeError) as caught:
        f32le(struct.pack("<f", value), 0, 2)
    assert caught.value.reason == BAD_VALUE


def test_a_float_cut_short_is_truncated() -> None:
    with pytest.raises(DecodeError) as caught:
        f32le(bytes(4), 1, 2)
    assert caught.value.reason == TRUNCATED
