"""Inkbird iBBQ and xBBQ grill thermometers: manufacturer data, its company id in front.

    NN 000000 AAAAAAAAAAAA (TTTT)...      1, 2, 4 or 6 temperatures, little-endian

    N  0 or 1; 2: something else stands in place of the temperatures
    T  temperature of a probe, 0.1 Cel, signed; FFFF and FFF6: not plugged in
    A  address of the device: not read

Not mapped: what a frame with N of 2 holds, likely the temperatures of the alarms. The alternating
frames come as two structures, of which the one with temperatures may not be the latest.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/inkbird-ble;
FFF6 as https://github.com/theengs/decoder reads it, and
https://github.com/custom-components/ble_monitor.
"""

from gateway.core.context import Context
from gateway.core.fields import i16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "inkbird-ibbq"
DEVICES = ("Inkbird iBBQ", "Inkbird xBBQ")
PAYLOAD = "manufacturer"
MATCH = (
    {"local_name": b"iBBQ"},
    {"local_name": b"xBBQ"},
    {"manufacturer_id": 0, "prefix": b"\x00\x00"},
    {"manufacturer_id": 1, "prefix": b"\x00\x00"},
)
STRENGTH = 1

_LENGTHS = (12, 14, 18, 22)
_START = 10
_ABSENT = (-1, -10)
_OTHER_VALUES = 2


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the temperature of each probe."""
    if len(payload) not in _LENGTHS:
        raise DecodeError(BAD_LENGTH)
    if payload[0] > _OTHER_VALUES or payload[1:4] != bytes(3):
        raise DecodeError(BAD_TYPE)
    if payload[0] == _OTHER_VALUES:
        return []
    readings: list[tuple[str, int | None, int, str]] = []
    for number, offset in enumerate(range(_START, len(payload), 2), 1):
        value = i16le(payload, offset)
        channel = "" if number == 1 else str(number)
        readings.append(("probe_temperature", None if value in _ABSENT else value, 1, channel))
    return readings
