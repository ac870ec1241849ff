"""Inkbird ITH-11-B, ITH-13-B, ITH-21-B, IBS-P02B: manufacturer data of 0x2449, little-endian.

    xxxxxxxx TTTT HHHH BB xxxxxxxx 000000

    T  temperature, 0.1 Cel, signed      H  humidity, 0.1 %; 0: no hygrometer
    B  battery, %      x  not known

A pool thermometer (IBS-P02B) says air_temperature too: nothing in the frame is known to tell it.
The company id is of no company.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/inkbird-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16le, u16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "inkbird-ith"
DEVICES = ("Inkbird ITH-11-B", "Inkbird ITH-13-B", "Inkbird ITH-21-B", "Inkbird IBS-P02B")
MATCH = {"manufacturer_id": 0x2449}
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature, battery and, where there is a hygrometer, humidity."""
    if len(payload) != 16:
        raise DecodeError(BAD_LENGTH)
    if payload[13:] != bytes(3):
        raise DecodeError(BAD_TYPE)
    humidity, battery = u16le(payload, 6), payload[8]
    if humidity > 1000 or battery > 100:
        raise DecodeError(BAD_VALUE)
    readings = [
        ("air_temperature", i16le(payload, 4), 1, ""),
        ("battery_level", battery, 0, ""),
    ]
    if humidity:
        readings.append(("relative_humidity", humidity, 1, ""))
    return readings
