"""Sensirion against sensirion-ble: the three types of sample that it knows.

It rounds them to tenths, type 6 to hundredths. What the other types are is checked against
Sensirion's own description, in tests/drivers/test_sensirion.py.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensirion_ble import SensirionBluetoothDeviceData

from drivers.ble import sensirion
from gateway.driver import codec
from tests.differential.agreement import Said, advertised, differences, read, said

DRIVER = codec(sensirion, foreign=False)
# Half a step of ours and half a step of theirs.
TENTHS = {"air_temperature": Decimal("0.055"), "relative_humidity": Decimal("0.055")}
HUNDREDTHS = {"air_temperature": Decimal("0.01"), "relative_humidity": Decimal("0.01")}
# The samples of the library's tests, https://github.com/akx/sensirion-ble, and of ble_monitor's.
SAMPLES = [
    "000884e33e5f3347d402",
    "000884e34e5f0d47d402",
    "000867355367925c0b04",
    "0006e2e7036a1c65",
]


def library(payload: bytes) -> Said:
    """Return what the library reads, in our words."""
    advertisement = advertised(manufacturer={0x06D5: payload}, name="MyCO2")
    return said(SensirionBluetoothDeviceData().update(advertisement))


@given(device=st.binary(min_size=2, max_size=2), ticks=st.binary(min_size=4, max_size=4))
@pytest.mark.parametrize(("kind", "within"), [(4, TENTHS), (6, HUNDREDTHS)])
def test_what_temperature_and_humidity_say(
    kind: int, within: dict[str, Decimal], device: bytes, ticks: bytes
) -> None:
    payload = bytes((0, kind)) + device + ticks
    assert differences(read(DRIVER, payload), library(payload), within) == ""


@given(device=st.binary(min_size=2, max_size=2), values=st.binary(min_size=6, max_size=6))
@pytest.mark.parametrize("reserved", [b"", bytes(2)])
def test_what_a_co2_gadget_says(reserved: bytes, device: bytes, values: bytes) -> None:
    payload = b"\x00\x08" + device + values + reserved
    assert differences(read(DRIVER, payload), library(payload), TENTHS) == ""


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_a_published_sample_says(sample: str) -> None:
    payload = bytes.fromhex(sample)
    assert differences(read(DRIVER, payload), library(payload), TENTHS) == ""
