"""SensorPush against sensorpush-ble: what either reads of frames that are in order.

The library rounds to 0.01; the temperature of a thermocouple has another name here. Nothing else
differs.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorpush_ble import SensorPushBluetoothDeviceData

from drivers.ble import sensorpush, sensorpush_ht1
from gateway.driver import LoadedDriver
from tests.differential.agreement import Said, advertised, differences, read, said
from tests.differential.makers import Published, frame, label, loaded, one_of, published, renamed

V2, HT1 = loaded(sensorpush), loaded(sensorpush_ht1)
SERVICE_V2 = 0xEF09000011D642BA93B89DD7EC090AB0
SERVICE_HT1 = 0xEF09000011D642BA93B89DD7EC090AA9
THERMOCOUPLE = 2
WITHIN = {
    name: Decimal("0.00551")
    for name in ("air_temperature", "probe_temperature", "relative_humidity")
}


def library(payload: bytes, *, name: str, listed: int) -> Said:
    """Return what the library says of an advertisement it hears for the first time."""
    made = {int.from_bytes(payload[:2], "little"): payload[2:]}
    parser = SensorPushBluetoothDeviceData()
    found = said(parser.update(advertised(manufacturer=made, listed=[listed], name=name)))
    if listed == SERVICE_V2 and payload[0] >> 2 == THERMOCOUPLE:
        return renamed(found, lambda _name, channel, value: ("probe_temperature", channel, value))
    return found


def compare(driver: LoadedDriver, payload: bytes, theirs: Said) -> str:
    """Return where the two differ by more than the library rounds."""
    return differences(read(driver, payload), theirs, WITHIN)


@pytest.mark.parametrize("one", published(sensorpush, sensorpush_ht1), ids=label)
def test_what_a_published_frame_says(one: Published) -> None:
    driver, example = one
    payload = bytes.fromhex(example["payload"])
    if driver is HT1:
        theirs = library(payload, name="s", listed=SERVICE_HT1)
    else:
        theirs = library(payload, name="SensorPush HT.w 0CA1", listed=SERVICE_V2)
    assert bool(theirs) == (example["name"] != "another page")
    assert compare(driver, payload, theirs) == ""


@given(payload=frame(b"\0", 6) | frame(one_of(1 << 2, 2 << 2), 4) | frame(one_of(1, 6, 11), 4))
def test_what_a_frame_says(payload: bytes) -> None:
    theirs = library(payload, name="SensorPush HT.w 0CA1", listed=SERVICE_V2)
    assert compare(V2, payload, theirs) == ""


@given(number=st.integers(0, (1 << 26) - 1), top=st.integers(0, 1))
def test_what_a_frame_of_an_ht1_says(number: int, top: int) -> None:
    payload = (number | 1 << 26 | top << 31).to_bytes(4, "little")
    assert compare(HT1, payload, library(payload, name="s", listed=SERVICE_HT1)) == ""
