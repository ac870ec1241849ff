"""Govee H5127, presence by radar: manufacturer data, 6 bytes after one of two company ids.

    8803 or 8843      EC 00 VV 01 PP MM

    V  1, or 2 since firmware 1.00.13      P  1: somebody is there      M  11: something moves

The company ids are of no company: lamps and plugs of the maker have them too, and other bytes.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "govee-h5127"
DEVICES = ("Govee H5127",)
_PREFIXES = (b"\xec\x00\x01\x01", b"\xec\x00\x02\x01")
MATCH = (
    {"manufacturer_id": 0x8803, "prefix": _PREFIXES[0]},
    {"manufacturer_id": 0x8803, "prefix": _PREFIXES[1]},
    {"manufacturer_id": 0x8843, "prefix": _PREFIXES[0]},
    {"manufacturer_id": 0x8843, "prefix": _PREFIXES[1]},
)
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, bool, int, str]]:
    """Return whether somebody is there, and whether something moves."""
    if len(payload) != 6:
        raise DecodeError(BAD_LENGTH)
    if payload[:4] not in _PREFIXES:
        raise DecodeError(BAD_TYPE)
    return [
        ("presence_detected", payload[4] == 1, 0, ""),
        ("motion_detected", payload[5] == 0x11, 0, ""),
    ]
