"""ThermoBeacon and BlueMaestro against thermobeacon-ble and bluemaestro-ble.

Where they differ:
- thermobeacon-ble guesses the battery in percent from the voltage, and rounds to 0.01; it does not
  know the time since the start.
- bluemaestro-ble computes the dew point where a disc does not send it; of a frame cut short it
  says nothing, where we refuse.
"""

from decimal import Decimal

import pytest
from bluemaestro_ble import BlueMaestroBluetoothDeviceData
from hypothesis import given
from hypothesis import strategies as st
from thermobeacon_ble import ThermoBeaconBluetoothDeviceData

from drivers.ble import bluemaestro, thermobeacon
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

BEACON, MAESTRO = loaded(thermobeacon), loaded(bluemaestro)
NAMES = {"voltage": ("battery_voltage", ""), "occupancy": ("pressed", ""), "battery": ("", "")}
ROUNDED = ("air_temperature", "relative_humidity", "battery_voltage")
WITHIN = {name: Decimal("0.0051") for name in ROUNDED}
IDS = (0x10, 0x11, 0x14, 0x15, 0x18, 0x1B, 0x30)
COMPUTED = (0x2A, 0x2B)  # their dew point


def of_beacon(company: int, payload: bytes, address: str = ADDRESS) -> Said:
    """Return what the library says, without the battery it guesses."""
    parser = ThermoBeaconBluetoothDeviceData()
    heard = advertised(manufacturer={company: payload}, listed=[0xFFF0], address=address)
    found = said(parser.update(heard), NAMES)
    found.pop(("", ""), None)
    return found


def ours_of_beacon(payload: bytes, address: str = ADDRESS) -> Said:
    """Return what we say and the library knows."""
    found = read(BEACON, payload, address=address)
    found.pop(("uptime", ""), None)
    return found


@pytest.mark.parametrize("one", published(thermobeacon), ids=label)
def test_what_a_published_frame_of_a_thermobeacon_says(one: Published) -> None:
    payload, address = bytes.fromhex(one[1]["payload"]), address_of(one[1])
    theirs = of_beacon(int(one[1]["identifier"]), payload, address)
    assert bool(theirs) == (one[1]["name"] != "extremes of the past")
    assert differences(ours_of_beacon(payload, address), theirs, WITHIN) == ""


@given(
    company=st.sampled_from(IDS),
    payload=frame(
        2,
        bytes.fromhex(ADDRESS.replace(":", ""))[::-1],
        2,
        number(-32768, 1600, 2),
        number(0, 1600, 2),
        4,
    ),
)
def test_what_a_frame_of_a_thermobeacon_says(company: int, payload: bytes) -> None:
    theirs = of_beacon(company, payload)
    assert theirs
    assert differences(ours_of_beacon(payload), theirs, WITHIN) == ""


def of_maestro(payload: bytes) -> Said:
    """Return what the library says, without a dew point it computes."""
    parser = BlueMaestroBluetoothDeviceData()
    found = said(parser.update(advertised(manufacturer={0x0133: payload})))
    if payload[0] in COMPUTED:
        found.pop(("dew_point", ""), None)
    return found


@pytest.mark.parametrize("one", published(bluemaestro), ids=label)
def test_what_a_published_frame_of_a_disc_says(one: Published) -> None:
    payload = bytes.fromhex(one[1]["payload"])
    assert differences(read(MAESTRO, payload), of_maestro(payload)) == ""


@given(payload=frame(one_of(0x08, 0x0D, 0x16, 0x17, 0x1B, 0x29, 0x2A, 0x2B), 25))
def test_what_a_frame_of_a_disc_says(payload: bytes) -> None:
    theirs = of_maestro(payload)
    assert theirs
    assert differences(read(MAESTRO, payload), theirs) == ""
