"""The ESP32's radio as a transport, on MicroPython with an ESP32's word size (vm_ble.py)."""

import pytest

from tests.esp32.machines import run_on

PROMISES = {
    "copies": "what is heard is copied before the firmware uses its memory again",
    "strangers": "of strangers nothing is kept, however many there are",
    "flood": "a full ring keeps events and the newest of each routine device, and counts the rest",
    "odd": "nothing that comes makes the interrupt raise",
    "windows": "it listens in one window after the other, each of them whole",
    "refusals": "a radio that refuses is started anew until it scans",
    "deaf": "a radio that has fallen silent is called deaf and started anew",
    "silence": "where starting anew brings nothing it is done more and more seldom",
}


@pytest.mark.parametrize("scenario", PROMISES, ids=PROMISES.__getitem__)
def test_the_radio(scenario: str) -> None:
    ended = run_on("32", "tests/esp32/vm_ble.py", scenario)
    assert ended.text.splitlines()[-1:] == ["well"], ended.text
