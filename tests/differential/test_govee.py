"""Govee against govee-ble: what either reads of frames that are in order.

Where the two differ:
- A probe or an alarm that is not there: the library says 0 Cel, we that it is missing. For a
  faulty sensor it says the text "error".
- A third sensor of an H5178: the library publishes it as the station, we refuse it.
- The name alone tells the library an H5074 or H5075 whatever its company id is; we ask for both.
A door, a pad, somebody's presence and what is around the probe of an H5191 have other names there;
the probe of an H5178 is another device.
"""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from govee_ble import GoveeBluetoothDeviceData
from govee_ble.parser import calculate_crc
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import (
    govee_event,
    govee_h5055,
    govee_h5106,
    govee_h5112,
    govee_h5127,
    govee_h5140,
    govee_h5191,
    govee_h5198,
    govee_probes,
    govee_thermometer,
)
from gateway.driver import LoadedDriver
from tests.differential.agreement import Said, Value, advertised, differences, read, said
from tests.differential.makers import (
    ZERO,
    Published,
    any_byte,
    frame,
    label,
    loaded,
    number,
    one_of,
    published,
    renamed,
    sent,
    there,
)

THERMOMETER, PROBES, H5055, H5106, H5112, H5127, H5140, H5191, H5198, EVENT = (
    loaded(module)
    for module in (
        govee_thermometer,
        govee_probes,
        govee_h5055,
        govee_h5106,
        govee_h5112,
        govee_h5127,
        govee_h5140,
        govee_h5191,
        govee_h5198,
        govee_event,
    )
)
EXAMPLES = published(
    govee_thermometer,
    govee_probes,
    govee_h5055,
    govee_h5106,
    govee_h5112,
    govee_h5127,
    govee_h5140,
    govee_h5191,
    govee_h5198,
    govee_event,
)

NAMES = {
    "humidity_probe_1": ("relative_humidity", ""),
    "motion": ("motion_detected", ""),
    "vibration": ("vibration_detected", ""),
    "window": ("opening_open", ""),
    "presence": ("pressed", ""),
    "occupancy": ("presence_detected", ""),
}
for probe in range(1, 7):
    which = "" if probe == 1 else str(probe)
    low = f"{which}-low".lstrip("-")
    NAMES[f"temperature_probe_{probe}"] = ("probe_temperature", which)
    NAMES[f"temperature_alarm_probe_{probe}"] = ("target_temperature", which)
    NAMES[f"low_temperature_alarm_probe_{probe}"] = ("target_temperature", low)
for button in range(256):
    NAMES[f"button_{button}"] = ("button_event", "" if button == 0 else str(button + 1))

PACKED = 3
BEACON = bytes.fromhex("4c000215494e54454c4c495f524f434b535f48575075f2ff0c")
temperature = number(-32768, 32767, 2)
of_probe = number(-32768, 32767, 2, "big")
first, either = one_of(1, 65, 129, 193), one_of(1, 65, 129, 193, 2, 66, 130, 194)

BY_NAME: dict[str, tuple[LoadedDriver, int, st.SearchStrategy[bytes]]] = {
    "GVH5072_ABCD": (THERMOMETER, 0xEC88, frame(1, PACKED, 1, 1)),
    "GVH5075_2762": (THERMOMETER, 0xEC88, frame(1, PACKED, 1, 1)),
    "GVH5129_ABCD": (THERMOMETER, 0xEC88, frame(1, PACKED, 1, 1)),
    "GVH5104_311C": (THERMOMETER, 1, frame(b"\1\1", PACKED, 1)),
    "GVH5177_2EC8": (THERMOMETER, 1, frame(b"\1\1", PACKED, 1)),
    "GV5179_6319": (THERMOMETER, 1, frame(b"\1\1", PACKED, 1)),
    "GV51085242": (THERMOMETER, 1, frame(b"\1\1", PACKED, 1, 2)),
    "Govee_H5074_5FF4": (THERMOMETER, 0xEC88, frame(1, temperature, 2, 1, 1)),
    "Govee_H5052_E81B": (THERMOMETER, 0xEC88, frame(1, temperature, 2, 1, 3)),
    "Govee_H5179_3CD5": (THERMOMETER, 0x8801, frame(4, temperature, 2, 1)),
    "GVH5106_4E05": (H5106, 1, frame(2, 4)),
    "GV5112AC3D": (H5112, 1, frame(2, PACKED, 1, 1, one_of(0x41, 0x82))),
    "GV5140303A": (H5140, 1, frame(2, PACKED, 2, one_of(0, 0, 1, 255))),
    "GVH5181_2EC8": (PROBES, 0x388A, frame(8, of_probe, of_probe, 2)),
    "GVH5183_2EC8": (PROBES, 0x67DD, frame(8, of_probe, of_probe, 2)),
    "GVH5182_2EC8": (PROBES, 0x2730, frame(6, first, 1, 4, 1, 4)),
    "GVH5184_2EC8": (PROBES, 0x1B36, frame(6, either, 1, 4, 1, 4)),
    "GVH5185_2EC8": (PROBES, 0x4A32, frame(6, first, 1, 4, 2, 4, 2)),
    "GVH5191_AC3D": (H5191, 0xAC63, frame(8, of_probe, of_probe, 2, of_probe, 4)),
    "GVH5198_3022": (H5198, 0x3022, frame(6, either, 1, 12)),
}


def library(advertisement: object) -> Said:
    """Return what the library says of an advertisement it hears for the first time."""
    found = said(GoveeBluetoothDeviceData().update(advertisement), NAMES)
    return renamed(found, _as_ours)


def _as_ours(name: str, channel: str, value: Value) -> tuple[str, str, Value]:
    if name.endswith("_detected"):
        return name, channel, bool(value)  # what happened is an event of that name there
    return name, channel, None if value == "error" else value


def agreed(driver: LoadedDriver, payload: bytes, theirs: Said) -> str:
    """Return where the two differ, but for how they say that a value is missing."""
    ours = read(driver, payload)
    if driver is H5191:
        theirs["probe_temperature", "ambient"] = theirs.pop(("air_temperature", ""))
    if driver in (PROBES, H5191, H5198):
        filled = {place: ZERO if value is None else value for place, value in ours.items()}
        return differences(filled, theirs)
    return differences(there(ours), there(theirs))


@pytest.mark.parametrize("one", EXAMPLES, ids=label)
def test_what_a_published_frame_says(one: Published) -> None:
    driver, example = one
    payload = bytes.fromhex(example["payload"])
    theirs = library(sent(driver, example))
    assert theirs, "the library knows the frame"
    if example["name"].startswith("H5178"):
        outside = "remote" if payload[4] else ""
        theirs = {(name, outside): value for (name, _), value in theirs.items()}
    assert agreed(driver, payload, theirs) == ""


@pytest.mark.parametrize("glued", [b"", BEACON], ids=["alone", "beacon"])
@pytest.mark.parametrize("name", BY_NAME)
@given(data=st.data())
def test_what_a_frame_says(name: str, glued: bytes, data: st.DataObject) -> None:
    driver, company, frames = BY_NAME[name]
    rest = data.draw(frames) + glued
    theirs = library(advertised(manufacturer={company: rest}, name=name))
    assert agreed(driver, company.to_bytes(2, "little") + rest, theirs) == ""


@given(rest=frame(3, st.integers(0, 0xBF).map(lambda ids: bytes((ids,))), 1, 6, 1, 6, 2))
def test_what_a_frame_of_six_probes_says(rest: bytes) -> None:
    theirs = library(advertised(manufacturer={0xAF2F: rest}, listed=[0x5550]))
    assert agreed(H5055, b"\x2f\xaf" + rest, theirs) == ""


@given(
    company=st.sampled_from([0x8803, 0x8843]),
    rest=frame(
        st.sampled_from([b"\xec\0\1\1", b"\xec\0\2\1"]), one_of(0, 1, 2), one_of(0, 1, 0x11)
    ),
)
def test_what_a_frame_about_presence_says(company: int, rest: bytes) -> None:
    theirs = library(advertised(manufacturer={company: rest}))
    assert agreed(H5127, rest, theirs) == ""


@given(
    time=st.binary(min_size=4, max_size=4),
    clear=frame(
        2, one_of(2, 3, 8, 9, 10, 11, 13), 1, any_byte, any_byte | one_of(0, 1, 2, 16, 17), 10
    ),
)
def test_what_a_frame_about_an_event_says(time: bytes, clear: bytes) -> None:
    key = (time + bytes(12))[::-1]
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - as the maker does it
    block = cipher.encryptor().update(clear[::-1])[::-1]
    payload = b"AA" + time + block + calculate_crc(block).to_bytes(2, "big")
    theirs = library(advertised(manufacturer={0xEF88: payload}))
    assert theirs
    assert agreed(EVENT, payload, theirs) == ""
