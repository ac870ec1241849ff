"""iBeacon: manufacturer data of company 0x004C (Apple), big-endian, always 23 bytes.

    02 15 UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU MMMM NNNN PP

    U  identity of its owner      M  N  major and minor number      P  power received at 1 m, dBm

A beacon measures nothing: it says that it is there. It is read only for a device that names this
driver; every phone and many toys send such frames.
Source: https://developer.apple.com/ibeacon (Proximity Beacon Specification, R1)
"""

from gateway.core.context import Context
from gateway.core.fields import i8, take, u8, u16be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "ibeacon"
DEVICES = ("iBeacons",)
MATCH = {"manufacturer_id": 0x004C, "prefix": b"\x02\x15"}
STRENGTH = 0

_SIZE = 23


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str, int, str]]:
    """Return identity, numbers and power."""
    if u8(payload, 0) != 0x02 or u8(payload, 1) != 0x15:
        raise DecodeError(BAD_TYPE)
    if len(payload) != _SIZE:
        raise DecodeError(BAD_LENGTH)
    return [
        ("beacon_id", take(payload, 2, 16).hex(), 0, ""),
        ("beacon_major", u16be(payload, 18), 0, ""),
        ("beacon_minor", u16be(payload, 20), 0, ""),
        ("measured_power", i8(payload, 22), 0, ""),
    ]
