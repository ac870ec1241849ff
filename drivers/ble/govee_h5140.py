"""Govee H5140, carbon dioxide: manufacturer data, its company id in front, big-endian, 10 bytes.

    0100 xxxx NNNNNN CCCC EE

    N  highest bit: below zero; else temperature * 1000 + humidity, in 0.1 Cel and 0.1 %
    C  carbon dioxide, ppm      E  not 0: the sensor is faulty      x  not known

The layout is that of a thermometer: only the name tells.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import u16be
from gateway.core.govee import company, names, packed, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "govee-h5140"
DEVICES = ("Govee H5140",)
PAYLOAD = "manufacturer"
MATCH = names(b"5140")
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature, humidity and carbon dioxide."""
    payload = without_beacon(payload)
    if company(payload) != 1:
        raise DecodeError(BAD_TYPE)
    if len(payload) != 10:
        raise DecodeError(BAD_LENGTH)
    temperature, humidity = packed(payload, 4, is_fault=payload[9] != 0)
    return [
        ("air_temperature", temperature, 1, ""),
        ("relative_humidity", humidity, 1, ""),
        ("co2", None if temperature is None else u16be(payload, 7), 0, ""),
    ]
