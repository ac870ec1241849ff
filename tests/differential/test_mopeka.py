"""Mopeka against mopeka-iot-ble: what either reads of frames that are in order.

The library is told what is in the tank; here it is what the model measures, and of a model that
measures many the level is not compared. Where the two differ:
- The library cuts a level off to whole millimetres; we publish the nearest tenth.
- It guesses the battery in percent from the voltage; we publish the voltage.
- The highest bits of model and battery: Victron's parser has a meaning for them, and so have we.
- It publishes acceleration as bytes without a sign or a unit.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from mopeka_iot_ble import MediumType, MopekaIOTBluetoothDeviceData

from drivers.ble import mopeka
from tests.differential.agreement import ADDRESS, Said, advertised, differences, read, said
from tests.differential.makers import (
    Published,
    address_of,
    frame,
    label,
    loaded,
    number,
    one_of,
    published,
)

MOPEKA = loaded(mopeka)
MEDIA = {
    0x03: MediumType.PROPANE,
    0x04: MediumType.AIR,
    0x05: MediumType.FRESH_WATER,
    0x06: MediumType.PROPANE,
    0x0A: MediumType.AIR,
    0x0B: MediumType.AIR,
    0x12: MediumType.AIR,
}
MODELS = (*MEDIA, 0x08, 0x09, 0x0C)
NAMES = {
    "battery_voltage": ("battery_voltage", ""),
    "button_pressed": ("pressed", ""),
    "tank_level": ("level", ""),
    "temperature": ("device_temperature", ""),
    "reading_quality": ("measurement_quality", ""),
    "accelerometer_x": ("acceleration", "x"),
    "accelerometer_y": ("acceleration", "y"),
    "reading_quality_raw": ("", ""),
    "battery": ("", "percent"),
}
WITHIN = {"level": Decimal("0.00105")}  # m
PUBLISHED = [one for one in published(mopeka) if not bytes.fromhex(one[1]["payload"])[2] & 0x80]
UNSIGNED = Decimal("9.80665") / 1024


def library(payload: bytes, address: str = ADDRESS) -> Said:
    """Return what the library says, told what the model measures."""
    parser = MopekaIOTBluetoothDeviceData(MEDIA.get(payload[2], MediumType.PROPANE))
    heard = advertised(manufacturer={0x0059: payload[2:]}, listed=[0xFEE5], address=address)
    found = said(parser.update(heard), NAMES)
    if payload[2] not in MEDIA:
        del found["level", ""]
    for axis in "xy":
        byte = found["acceleration", axis]
        assert isinstance(byte, Decimal)
        found["acceleration", axis] = (byte - 256 if byte > 127 else byte) * UNSIGNED
    return {place: value for place, value in found.items() if place[0]}


def compare(payload: bytes, theirs: Said, address: str = ADDRESS) -> str:
    """Return where the two differ by more than the library cuts off."""
    ours = {
        ("level" if name in {"liquid_level", "distance"} else name, channel): value
        for (name, channel), value in read(MOPEKA, payload, address=address).items()
        if name != "x_echo_time"
    }
    return differences(ours, theirs, WITHIN)


@pytest.mark.parametrize("one", PUBLISHED, ids=label)
def test_what_a_published_frame_says(one: Published) -> None:
    payload, address = bytes.fromhex(one[1]["payload"]), address_of(one[1])
    assert compare(payload, library(payload, address), address) == ""


@given(
    payload=frame(
        b"\x59\0",
        one_of(*MODELS),
        number(0, 127, 1),
        1,
        2,
        bytes.fromhex(ADDRESS[9:].replace(":", "")),
        2,
    )
)
def test_what_a_frame_says(payload: bytes) -> None:
    assert compare(payload, library(payload)) == ""
