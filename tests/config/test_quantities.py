"""Quantities are exact, need their unit, and are written as they are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Duration, Frequency, Size, duration_ns, size_bytes

DAY_NS = 86_400_000_000_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0ms", 0),
        ("20ms", 20_000_000),
        ("1.5s", 1_500_000_000),
        ("15min", 900_000_000_000),
        ("2 h", 7_200_000_000_000),
        ("1d", DAY_NS),
    ],
)
def test_a_duration_is_nanoseconds(text: str, value: int) -> None:
    assert duration_ns(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("500B", 500), ("100kB", 100_000), ("4MiB", 4 << 20), ("512MB", 512_000_000)],
)
def test_a_size_is_bytes(text: str, value: int) -> None:
    assert size_bytes(text) == value


def test_a_frequency_is_hertz() -> None:
    frequency = Frequency("1kHz", "1020MHz")

    assert frequency.parse("868.1MHz") == 868_100_000
    assert frequency.text(868_100_000) == "868.1MHz"
    assert frequency.text(125_000) == "125kHz"


@pytest.mark.parametrize("text", ["20", "", "ms", "-1s", "1 hour", "1e3s", "1m", "20mb", "٣s"])
def test_what_has_no_known_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write a number and one of"):
        duration_ns(text)


def test_what_is_no_whole_number_of_the_smallest_step_is_refused() -> None:
    with pytest.raises(ValueError, match="too many decimals"):
        size_bytes("0.5B")


@given(st.integers(0, DAY_NS))
def test_a_duration_is_written_as_it_is_read(value: int) -> None:
    duration = Duration("0ms", "1d")
    assert duration.parse(duration.text(value)) == value


@given(st.integers(0, 10**12))
def test_a_size_is_written_as_it_is_read(value: int) -> None:
    size = Size("0B", "1GB")
    assert size.parse(size.text(value)) == value
