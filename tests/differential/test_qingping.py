"""Qingping against qingping-ble: what either reads of frames that are in order.

Where the two differ:
- A battery level of FF is an external supply; the library calls it 100 %, we do not. Bit 7 of
  another is no part of it, as theengs reads it; the library says more than 100 %.
- A value cut short: the library keeps what was before it, we refuse the frame.
- A state of a door that is not known: the library says closed, we say nothing.
The library reads the products it knows alone, we all that send this service's values.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qingping_ble import QingpingBluetoothDeviceData
from qingping_ble.parser import DEVICE_TYPES

from drivers.ble import qingping
from gateway.core.refusal import TRUNCATED, DecodeError
from gateway.driver import codec
from tests.differential.agreement import Said, advertised, differences, read, said

DRIVER = codec(qingping, foreign=False)
NAMES: Any = {  # of the library's keys one is a tuple
    "voc_index": ("voc_index", ""),
    "sound_pressure": ("sound_level", ""),
    (None, "door_left_open"): ("left_open", ""),
}
SIZES = {0x01: 4, 0x02: 1, 0x07: 2, 0x08: 4, 0x09: 4, 0x11: 1, 0x12: 4, 0x13: 2, 0x15: 2, 0x19: 1}
HEADER = bytes.fromhex("0801a72514342d58")

values = st.one_of(
    *(
        st.binary(min_size=size, max_size=size).map(bytes((kind, size)).__add__)
        for kind, size in SIZES.items()
    ),
    st.sampled_from([0, 1, 2]).map(lambda state: bytes((0x04, 1, state))),
    st.integers(0, 255).map(lambda number: bytes((0x0F, 1, number))),
    st.binary(min_size=2, max_size=2).map(b"\x18\x02".__add__),
    st.binary(min_size=3, max_size=3).map(b"\x13\x03".__add__),  # not the length it has
).filter(lambda value: value[0] != 0x02 or value[2] < 0x80)
frames = st.builds(
    lambda flags, product, address, several: (
        bytes((0x08 | flags, product)) + address + b"".join(several)
    ),
    st.integers(0, 255),
    st.sampled_from(sorted(DEVICE_TYPES)),
    st.binary(min_size=6, max_size=6),
    st.lists(values, max_size=6, unique_by=lambda value: value[0]),
)
SAMPLES = [
    example
    for example in json.loads(Path(qingping.__file__).with_suffix(".json").read_bytes())[
        "examples"
    ]
    if example["name"].startswith("qingping-ble: ")
]


def library(payload: bytes) -> Said:
    """Return what the library reads, in our words."""
    update = QingpingBluetoothDeviceData().update(advertised(service={0xFDCD: payload}))
    found = said(update, NAMES)
    if found.pop(("left_open", ""), False):
        found["alarm", ""] = "left_open"
    return found


@given(payload=frames)
def test_what_a_frame_says(payload: bytes) -> None:
    assert differences(read(DRIVER, payload), library(payload)) == ""


@pytest.mark.parametrize("example", SAMPLES, ids=lambda example: example["name"])
def test_what_a_published_sample_says(example: dict[str, Any]) -> None:
    payload = bytes.fromhex(example["payload"])
    assert library(payload)
    assert differences(read(DRIVER, payload), library(payload)) == ""


def test_an_external_supply_is_no_battery_level() -> None:
    payload = HEADER + b"\x02\x01\xff"
    assert read(DRIVER, payload) == {("plugged_in", ""): True}
    assert library(payload) == {("battery_level", ""): 100}


def test_a_frame_cut_short_is_refused() -> None:
    payload = HEADER + b"\x02\x01\x63\x13\x02\x8f"
    with pytest.raises(DecodeError) as caught:
        read(DRIVER, payload)
    assert caught.value.reason == TRUNCATED
    assert library(payload) == {("battery_level", ""): 99}
