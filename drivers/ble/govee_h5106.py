"""Govee H5106, air quality: manufacturer data, its company id in front, big-endian, 8 bytes.

    0100 xxxx NNNNNNNN

    N  highest bit: below zero; else temperature * 1000000 + humidity * 1000 + PM2.5, in 0.1 Cel,
       0.1 % and ug/m3
    x  not known

The layout is that of the thermometers but for what it holds: only the name tells.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import u32be
from gateway.core.govee import company, names, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "govee-h5106"
DEVICES = ("Govee H5106",)
PAYLOAD = "manufacturer"
MATCH = names(b"5106")
STRENGTH = 1

_SIGN = 0x80000000


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature, humidity and particles."""
    payload = without_beacon(payload)
    if company(payload) != 1:
        raise DecodeError(BAD_TYPE)
    if len(payload) != 8:
        raise DecodeError(BAD_LENGTH)
    number = u32be(payload, 4)
    temperature, rest = divmod(number & ~_SIGN, 1_000_000)
    humidity, particles = divmod(rest, 1000)
    return [
        ("air_temperature", -temperature if number & _SIGN else temperature, 1, ""),
        ("relative_humidity", humidity, 1, ""),
        ("pm2_5", particles, 0, ""),
    ]
