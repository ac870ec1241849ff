"""ThermoPro against thermopro-ble: what either reads of frames that are in order.

Where the two differ:
- The library guesses the battery of a meat probe in percent from its voltage; we publish the
  voltage.
- Degrees Fahrenheit of a TP972: the library rounds to 0.1 Cel, and cuts the temperature around the
  probe off to whole ones; we publish the nearest 0.01 Cel.
- The library takes a TP3 frame that begins with any byte; we ask for C2, as all recorded ones do.
"""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thermopro_ble import ThermoProBluetoothDeviceData

from drivers.ble import thermopro_tp3, thermopro_tp9
from gateway.driver import LoadedDriver
from tests.differential.agreement import Said, advertised, differences, read, said
from tests.differential.makers import (
    Published,
    frame,
    label,
    loaded,
    number,
    one_of,
    published,
    there,
)

TP3, TP9 = loaded(thermopro_tp3), loaded(thermopro_tp9)
BATTERY = "battery in percent, as the library guesses it"
NAMES = {}
for probe in range(1, 257):
    which = "" if probe == 1 else str(probe)
    for key, part in (("", ""), ("center_", "center"), ("end_", "end")):
        place = ("probe_temperature", f"{which}-{part}".strip("-"))
        NAMES[f"internal_{key}temperature_probe_{probe}"] = place
    NAMES[f"ambient_temperature_probe_{probe}"] = (
        "probe_temperature",
        f"{which}-ambient".lstrip("-"),
    )
    NAMES[f"battery_probe_{probe}"] = (BATTERY, which)
LONG = 23
WITHIN = {"probe_temperature": Decimal("0.05001")}


def library(payload: bytes, name: str) -> Said:
    """Return what the library says of an advertisement it hears for the first time."""
    made = {int.from_bytes(payload[:2], "little"): payload[2:]}
    parser = ThermoProBluetoothDeviceData()
    found = said(parser.update(advertised(manufacturer=made, name=name)), NAMES)
    return {place: value for place, value in found.items() if place[0] != BATTERY}


def compare(driver: LoadedDriver, payload: bytes, theirs: Said) -> str:
    """Return where the two differ, but for the battery of a meat probe."""
    ours = {
        place: value
        for place, value in there(read(driver, payload)).items()
        if place[0] != "battery_voltage"
    }
    if len(payload) != LONG:
        return differences(ours, theirs)
    (around,) = [place for place in ours if place[1].endswith("ambient")]
    whole = theirs.pop(around)
    exact = ours.pop(around)
    assert isinstance(exact, Decimal)
    return differences(ours, theirs, WITHIN) + ("" if int(round(exact, 1)) == whole else "around")


@pytest.mark.parametrize("one", published(thermopro_tp3, thermopro_tp9), ids=label)
def test_what_a_published_frame_says(one: Published) -> None:
    driver, example = one
    payload = bytes.fromhex(example["payload"])
    theirs = library(payload, example["local_name"])
    assert theirs
    assert compare(driver, payload, theirs) == ""


@given(
    name=st.sampled_from(["TP357 (2142)", "TP358S (2142)", "TP393 (9376)"]),
    payload=frame(b"\xc2", 2, 1, 1, 1)
    | frame(b"\xc2", 2, 1, 1, 2)
    | st.just(b"\xc2\xff\xff\xff\2\0"),
)
def test_what_a_frame_of_a_thermometer_says(name: str, payload: bytes) -> None:
    assert compare(TP3, payload, library(payload, name)) == ""


@given(
    name=st.sampled_from(["TP960R (0000)", "TP962R (0000)", "TP970R", "TP972S"]),
    payload=frame(1, 6) | frame(1, 12),
)
def test_what_a_frame_of_a_meat_probe_says(name: str, payload: bytes) -> None:
    assert compare(TP9, payload, library(payload, name)) == ""


degrees = st.floats(-1000, 30_000, width=32).map(lambda value: struct.pack("<f", value))


@given(payload=frame(one_of(0, 1, 3), number(0, 4000, 2), 2, degrees, degrees, degrees, 6))
def test_what_a_frame_of_four_temperatures_says(payload: bytes) -> None:
    assert compare(TP9, payload, library(payload, "TP972S")) == ""
