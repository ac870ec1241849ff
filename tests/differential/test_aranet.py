"""Aranet against aranet4: what either reads of advertisements with values in them.

Where the two differ:
- The library rounds temperatures, of steps of 0.05 Cel, to tenths.
- It leaves out a radon sensor's temperature of 0 Cel and humidity of 0 %; we only both together.
- A temperature of 8000 to BFFF is 1638 Cel and more to the library, no value to us.
"""

import struct
from decimal import Decimal
from types import SimpleNamespace

import pytest
from aranet4.client import Aranet4Advertisement
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import aranet
from gateway.core.refusal import BAD_LENGTH, DecodeError
from gateway.driver import codec
from tests.differential.agreement import Said, differences, read

DRIVER = codec(aranet, foreign=False)
ROUNDED = {"air_temperature": Decimal("0.051")}
NUMBERS = {  # of the library's attributes: property, channel, factor
    "co2": ("co2", "", "1"),
    "temperature": ("air_temperature", "", "1"),
    "pressure": ("atmospheric_pressure", "", "1"),
    "humidity": ("relative_humidity", "", "1"),
    "radiation_rate": ("radiation_dose_rate", "", "0.001"),
    "radiation_total": ("radiation_dose_total", "", "0.001"),
    "radiation_duration": ("duration", "dose", "1"),
    "radon_concentration": ("radon_concentration", "", "1"),
    "battery": ("battery_level", "", "1"),
    "interval": ("measurement_interval", "", "1"),
    "ago": ("measurement_age", "", "1"),
}
STATES = {
    "status": "",
    "status_temperature": "temperature",
    "status_humidity": "humidity",
}
# The samples of the library's tests, https://github.com/Anrijs/Aranet4-Python.
SAMPLES = [
    "210503010005000143049f018b27350c023c00100055",
    "01210404010000000000990100000a02003b097800520064",
    "022126040100d03300006c60060082000063002c01580072",
    "03210406010000000700fe01c927ce010064015802f60108",
    "032104060100000007000000c92700000064015802f60108",
]
EMPTY = [
    "210a0400000000",
    "01000201000000",
    "01010404010000000000990100000a02003b007800520064",
    "020126040100d03300006c60060082000063002c01580072",
]

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
temperatures = st.integers(1, 0x7FFF) | st.integers(0xC000, 0xFFFF)
humidities = st.integers(1, 0xFFFF)
colours = st.integers(0, 3)
heads = st.builds(
    lambda calibration, version: bytes((0x21 | calibration << 2, *version)),
    st.integers(0, 3),
    st.binary(min_size=3, max_size=3),
)
frames = st.one_of(
    st.builds(
        lambda head, *values: head + bytes(4) + struct.pack("<HHHBBBHHB", *values),
        *(heads, u16, temperatures, u16, u8, u8, colours, u16, u16, u8),
    ),
    st.builds(
        lambda head, *values: b"\x01" + head + bytes(3) + struct.pack("<HHHHBBBHHB", *values),
        *(heads, u16, temperatures, u16, humidities, u8, u8, st.integers(0, 15), u16, u16, u8),
    ),
    st.builds(
        lambda head, *values: b"\x02" + head + bytes(1) + struct.pack("<IIHBBBHHB", *values),
        *(heads, u32, u32, u16, u8, u8, u8, u16, u16, u8),
    ),
    st.builds(
        lambda head, *values: b"\x03" + head + bytes(3) + struct.pack("<HHHHBBBHHB", *values),
        *(heads, u16, temperatures, u16, humidities, u8, u8, colours, u16, u16, u8),
    ),
)


def library(payload: bytes) -> Said | None:
    """Return what the library reads, in our words; None: nothing at all."""
    device = SimpleNamespace(name=None)
    data = SimpleNamespace(manufacturer_data={0x0702: payload}, rssi=-60)
    advertisement = Aranet4Advertisement(device, data)
    reading = advertisement.readings
    if reading is None:
        return None
    found: Said = {}
    for attribute, (name, channel, factor) in NUMBERS.items():
        value = getattr(reading, attribute)
        if value != -1:  # which is all the library says of what is not there
            found[name, channel] = Decimal(str(value)) * Decimal(factor)
    for attribute, channel in STATES.items():
        if getattr(reading, attribute) != -1:
            found["device_state", channel] = getattr(reading, attribute).name.lower()
    if len(payload) == 22:
        state = advertisement.manufacturer_data.calibration_state
        found["calibrating", ""] = state.name == "IN_PROGRESS"
    return found


def ours(payload: bytes) -> Said:
    """Return what we read, without that there is no value."""
    return {place: value for place, value in read(DRIVER, payload).items() if value is not None}


@given(payload=frames)
def test_what_an_advertisement_says(payload: bytes) -> None:
    assert differences(ours(payload), library(payload) or {}, ROUNDED) == ""


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_a_published_sample_says(sample: str) -> None:
    payload = bytes.fromhex(sample)
    assert differences(ours(payload), library(payload) or {}, ROUNDED) == ""


@pytest.mark.parametrize("sample", EMPTY)
def test_a_published_sample_without_values_is_empty(sample: str) -> None:
    assert library(bytes.fromhex(sample)) is None
    assert ours(bytes.fromhex(sample)) == {}


def test_a_published_sample_cut_short_is_refused() -> None:
    payload = bytes.fromhex(SAMPLES[0][:-4])
    assert library(payload) is None
    with pytest.raises(DecodeError) as caught:
        ours(payload)
    assert caught.value.reason == BAD_LENGTH


@given(number=u8)
def test_the_packet_counter(number: int) -> None:
    payload = bytes.fromhex(SAMPLES[1])[:-1] + bytes((number,))
    data = SimpleNamespace(manufacturer_data={0x0702: payload}, rssi=-60)
    theirs = Aranet4Advertisement(SimpleNamespace(name=None), data)
    assert aranet.packet_counter(payload) == theirs.readings.counter


def test_zero_degrees_are_a_temperature() -> None:
    payload = bytes.fromhex("032104060100000007000000c927ce010064025802f6010a")
    assert ours(payload)["air_temperature", ""] == 0
    assert ("air_temperature", "") not in (library(payload) or {})
