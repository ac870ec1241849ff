"""Ruuvi's formats against ruuvitag-ble.

The library rounds: temperature and humidity to hundredths (format E1: to thousandths), the
acceleration to hundredths, the luminosity of format 6 to whole lux. It adds what is not in the
frame, a total acceleration and an index of air quality, and leaves out the rest: transmit power,
whether the device is calibrating.

Where the two differ, and the specification is on our side:
- One axis without a value: the library gives none for all three.
- Format 3, humidity above 100 %: a value of the test vectors, no value to the library.
- Format 3, pressure: the library compares a wrong field with its mark for "none", to no effect.
"""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruuvitag_ble import RuuvitagBluetoothDeviceData

from drivers.ble import ruuvi_6, ruuvi_e1, ruuvi_rawv1, ruuvi_rawv2
from gateway.driver import LoadedDriver, codec
from tests.differential.agreement import Said, advertised, differences, read, said

RAWV1, RAWV2, SIX, E1 = (
    codec(module, foreign=False) for module in (ruuvi_rawv1, ruuvi_rawv2, ruuvi_6, ruuvi_e1)
)
NAMES = {
    "voltage": ("battery_voltage", ""),
    "movement_counter": ("movement_count", ""),
    "voc_index": ("voc_index", ""),
    "nox_index": ("nox_index", ""),
}
ADDED = {("air_quality_index", ""), ("acceleration", "total")}
LEFT_OUT = {("tx_power", ""), ("calibrating", "")}
HUNDREDTH = Decimal("0.005")
ROUNDED = {
    "air_temperature": HUNDREDTH,
    "relative_humidity": HUNDREDTH,
    "acceleration": HUNDREDTH,
    "illuminance": Decimal("0.51"),  # half a lux, and ours is rounded too
}
ROUNDED_E1 = {"relative_humidity": Decimal("0.0005")}

signed = st.integers(-0x7FFF, 0x7FFF)
word = st.integers(0, 0xFFFF)
byte = st.integers(0, 0xFF)
axes = st.tuples(signed, signed, signed) | st.just((-0x8000, -0x8000, -0x8000))


def library(payload: bytes) -> Said:
    """Return what the library says of what is in the frame."""
    update = RuuvitagBluetoothDeviceData().update(advertised(manufacturer={0x0499: payload}))
    names = {"iaqs": ("air_quality_index", ""), **NAMES}
    found = said(update, names)
    return {place: value for place, value in found.items() if place not in ADDED}


def ours(driver: LoadedDriver, payload: bytes) -> Said:
    """Return what our driver says and the library knows."""
    found = read(driver, payload)
    return {place: value for place, value in found.items() if place not in LEFT_OUT}


@given(
    humidity=st.integers(0, 200),
    whole=byte,
    hundredths=st.integers(0, 99),
    pressure=word,
    acceleration=axes,
    battery=word,
)
def test_format_3(  # noqa: PLR0913, PLR0917 - the fields of the format
    humidity: int,
    whole: int,
    hundredths: int,
    pressure: int,
    acceleration: tuple[int, int, int],
    battery: int,
) -> None:
    fields = (3, humidity, whole, hundredths, pressure, *acceleration, battery)
    payload = struct.pack(">BBBBHhhhH", *fields)
    assert differences(ours(RAWV1, payload), library(payload), ROUNDED) == ""


@given(
    temperature=st.integers(-0x8000, 0x7FFF),
    words=st.tuples(word, word),
    acceleration=axes,
    rest=st.tuples(word, st.integers(0, 0xFE), word),
)
def test_format_5(
    temperature: int,
    words: tuple[int, int],
    acceleration: tuple[int, int, int],
    rest: tuple[int, int, int],
) -> None:
    """A movement counter of FF is none to the specification and 255 to the library."""
    payload = struct.pack(">BhHHhhhHBH6x", 5, temperature, *words, *acceleration, *rest)
    assert differences(ours(RAWV2, payload), library(payload), ROUNDED) == ""


@given(
    temperature=st.integers(-0x8000, 0x7FFF),
    words=st.lists(word, min_size=4, max_size=4),
    rest=st.lists(byte, min_size=6, max_size=6),
)
def test_format_6(temperature: int, words: list[int], rest: list[int]) -> None:
    payload = struct.pack(">BhHHHHBBBBBB3x", 6, temperature, *words, *rest)
    assert differences(ours(SIX, payload), library(payload), ROUNDED) == ""


@given(
    temperature=st.integers(-0x8000, 0x7FFF),
    words=st.lists(word, min_size=7, max_size=7),
    indices=st.tuples(byte, byte),
    rest=st.tuples(st.binary(min_size=9, max_size=9), byte),
)
def test_format_e1(
    temperature: int, words: list[int], indices: tuple[int, int], rest: tuple[bytes, int]
) -> None:
    payload = struct.pack(">BhHHHHHHHBB9sB11x", 0xE1, temperature, *words, *indices, *rest)
    assert differences(ours(E1, payload), library(payload), ROUNDED_E1) == ""


# All frames in order of ruuvitag-ble's own tests, and the maker's test vectors.
SAMPLES = [
    (RAWV1, "03b20c1fca20007a002603d0088f"),
    (RAWV1, "03b28145ca20007a002603d0088f"),
    (RAWV1, "03291a1ece1efc18f94202ca0b53"),
    (RAWV2, "0505a060a0c89afd34028cff006376726976dead7b3fefaf"),
    (RAWV2, "050ea44d7ec818fcbcfdf0ffb42bf600103cd9370ff7aa48"),
    (RAWV2, "0512fc5394c37c0004fffc040cac364200cdcbb8334c884f"),
    (RAWV2, "057ffffffefffe7fff7fff7fffffdefefffecbb8334c884f"),
    (RAWV2, "058001000000008001800180010000000000cbb8334c884f"),
    (SIX, "06144e40f8c915000602193200a34bbdc0ff00ff"),
    (SIX, "0614da863cc90300090df9a600a057f690ff00ff"),
    (SIX, "0615113e08c9030007057b3e00a44d6290ff00ff"),
    (SIX, "0614974158c9110005020c56007c4b9580ff00ff"),
    (SIX, "06170c5668c79e007000c90501d94acd004c884f"),
    (SIX, "068000ffffffffffffffffffffffffffffffffff"),
    (SIX, "0680010000000000000000000000000000000000"),
    (SIX, "067fff9c40fffe27109c40fafafefeff07ffffff"),
    (E1, "e1170c5668c79e0065007004bd11ca00c90a0213e0ac000000decdee110000000000cbb8334c884f"),
    (E1, "e17fff9c40fffe27102710271027109c40fafadc28f0000000fffffe3f0000000000cbb8334c884f"),
    (E1, "e1800100000000000000000000000000000000000000000000000000000000000000cbb8334c884f"),
    (E1, "e18000" + "ff" * 37),
]


@pytest.mark.parametrize(
    ("driver", "sample"), SAMPLES, ids=[f"{driver.model} {sample}" for driver, sample in SAMPLES]
)
def test_a_sample(driver: LoadedDriver, sample: str) -> None:
    payload = bytes.fromhex(sample)
    assert differences(ours(driver, payload), library(payload), ROUNDED) == ""
