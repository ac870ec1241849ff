"""Inkbird against inkbird-ble: what either reads of frames that are in order.

Where the two differ:
- The library does not check the sum of an IBS frame, nor which of two sensors it is of; it throws
  a frame away that has more than 100 % of anything in it, right sum or not.
- An IBS-TH1 ("sps") that says 0 % or FFFF: to the library it is dry, or its frame is damaged; to
  us it has no hygrometer, as an IBS-TH2 ("tps") has to both.
- A frame of an xBBQ with company id 2: alone it is temperatures to the library, beside one with 1
  it is not; to us it never is.
- FFF6 is a probe that is not plugged in, as theengs and ble_monitor have it; the library says
  that it is -1 Cel.
- Degrees Fahrenheit: the library publishes binary thirds, we the nearest 0.01 Cel.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inkbird_ble import INKBIRDBluetoothDeviceData

from drivers.ble import inkbird_iam_t2, inkbird_ibbq, inkbird_ibs, inkbird_ith
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
    sent,
    there,
)

IBS, ITH, IBBQ, IAM_T2 = map(loaded, (inkbird_ibs, inkbird_ith, inkbird_ibbq, inkbird_iam_t2))
NAMES = {
    f"temperature_probe_{probe}": ("probe_temperature", "" if probe == 1 else str(probe))
    for probe in range(1, 7)
}
WITHIN = {"air_temperature": Decimal("0.005")}  # of degrees Fahrenheit
SERVICE = 0xFFF0
NOT_COMPARED = (
    "the probe of an IBS-TH1 Plus",
    "something else instead of temperatures",
    "four probes, found without a name, one not plugged in",
)
NAME_OF = {"inkbird-ith": "ITH-11-B", "inkbird-ibbq": "iBBQ", "inkbird-iam-t2": "Ink@IAM-T2"}

temperature = number(-32768, 32767, 2)
percent = number(0, 100, 1)


def library(company: int, rest: bytes, name: str = "") -> Said:
    """Return what the library says of an advertisement it hears for the first time."""
    parser = INKBIRDBluetoothDeviceData()
    sent_now = advertised(manufacturer={company: rest}, listed=[SERVICE], name=name)
    return said(parser.update(sent_now), NAMES)


def compare(driver: LoadedDriver, payload: bytes, theirs: Said) -> str:
    """Return where the two differ, but for how they say that a value is missing."""
    within = WITHIN if driver is IAM_T2 else None
    return differences(there(read(driver, payload)), theirs, within)


@pytest.mark.parametrize(
    "one",
    [
        one
        for one in published(inkbird_ibs, inkbird_ith, inkbird_ibbq, inkbird_iam_t2)
        if one[1]["name"] not in NOT_COMPARED
    ],
    ids=label,
)
def test_what_a_published_frame_says(one: Published) -> None:
    driver, example = one
    name = example.get("local_name") or NAME_OF[driver.model]
    ((company, rest),) = sent(driver, example).manufacturer_data.items()
    theirs = library(company, rest, name)
    assert theirs or example["name"] == "no probe plugged in"
    assert compare(driver, bytes.fromhex(example["payload"]), theirs) == ""


@given(
    name=st.sampled_from(["sps", "tps"]),
    values=frame(temperature, number(1, 10_000, 2), b"\0"),
    battery=percent,
    last=one_of(6, 8),
)
def test_what_a_frame_of_an_ibs_says(
    name: str, values: bytes, battery: bytes, last: bytes
) -> None:
    payload = values + _modbus(values).to_bytes(2, "little") + battery + last
    theirs = library(int.from_bytes(payload[:2], "little"), payload[2:], name)
    assert compare(IBS, payload, theirs) == ""


@given(
    name=st.sampled_from(["ITH-11-B", "ITH-13-B", "ITH-21-B", "IBS-P02B"]),
    payload=frame(4, temperature, number(0, 1000, 2), percent, 4, bytes(3)),
)
def test_what_a_frame_of_an_ith_says(name: str, payload: bytes) -> None:
    assert compare(ITH, payload, library(0x2449, payload, name)) == ""


@given(
    name=st.sampled_from(["iBBQ", "xBBQ"]),
    company=st.integers(0, 1),
    probes=st.sampled_from([1, 2, 4, 6]),
    data=st.data(),
)
def test_what_a_frame_of_an_ibbq_says(
    name: str, company: int, probes: int, data: st.DataObject
) -> None:
    plugged_in = temperature.filter(lambda value: value != b"\xf6\xff")
    rest = data.draw(frame(bytes(2), 6, *[plugged_in | st.just(b"\xff\xff")] * probes))
    theirs = library(company, rest, name)
    assert compare(IBBQ, company.to_bytes(2, "little") + rest, theirs) == ""


@given(
    payload=frame(b"\0\x62", 5, 1, number(-32768, 32767, 2, "big"), number(0, 1000, 2, "big"), 3)
)
def test_what_a_frame_of_an_iam_t2_says(payload: bytes) -> None:
    assert compare(IAM_T2, payload, library(0x3254, payload, "Ink@IAM-T2")) == ""


def _modbus(data: bytes) -> int:
    """Return the CRC a table would: by division, highest power last."""
    remainder = 0xFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        carry = (remainder ^ bit) & 1
        remainder = (remainder >> 1) ^ (0xA001 if carry else 0)
    return remainder
