"""ThermoPro TP350 to TP359, TP390 to TP399: manufacturer data, its company id in front.

    C2 TTTT HH BB xx [xx]

    T  temperature, 0.1 Cel, signed, little-endian: its first byte is in the company id
    H  humidity, %      B  lower two bits, battery: 0 empty, 1 half, 2 full
    x  not known

T and H all ones: the sensor has no value. Battery 3 is not known and left out.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/thermopro-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "thermopro-tp3"
DEVICES = ("ThermoPro TP350 to TP359", "ThermoPro TP390 to TP399")
PAYLOAD = "manufacturer"
MATCH = ({"local_name": b"TP35"}, {"local_name": b"TP39"})
STRENGTH = 1

_BATTERY = {0: 1, 1: 50, 2: 100}  # %, as the reference reads the symbol on the display


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature, humidity and battery."""
    if len(payload) not in (6, 7):
        raise DecodeError(BAD_LENGTH)
    if payload[0] != 0xC2:
        raise DecodeError(BAD_TYPE)
    is_absent = payload[1:4] == b"\xff\xff\xff"
    readings = [
        ("air_temperature", None if is_absent else i16le(payload, 1), 1, ""),
        ("relative_humidity", None if is_absent else payload[3], 0, ""),
    ]
    battery = payload[4] & 3
    if battery in _BATTERY:
        readings.append(("battery_level", _BATTERY[battery], 0, ""))
    return readings
