"""Inkbird IAM-T2, carbon dioxide: manufacturer data of company id 0x3254 ("T2"), big-endian.

    0062 AAAAAAAA xx SS TTTT HHHH CCCC xx

    A  rest of the address      S  bit 1: T is in 0.1 degF, else in 0.1 Cel
    T  temperature, signed      H  humidity, 0.1 %      C  carbon dioxide, ppm
    x  not known; the last byte belongs to the battery

Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/inkbird-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u16be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "inkbird-iam-t2"
DEVICES = ("Inkbird IAM-T2",)
MATCH = {"manufacturer_id": 0x3254, "prefix": b"\x00\x62"}
STRENGTH = 1

_FAHRENHEIT = 0x02


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature, humidity and carbon dioxide."""
    if len(payload) != 15:
        raise DecodeError(BAD_LENGTH)
    if payload[:2] != MATCH["prefix"]:
        raise DecodeError(BAD_TYPE)
    humidity = u16be(payload, 10)
    if humidity > 1000:
        raise DecodeError(BAD_VALUE)
    return [
        ("air_temperature", _hundredths(i16be(payload, 8), payload[7]), 2, ""),
        ("relative_humidity", humidity, 1, ""),
        ("co2", u16be(payload, 12), 0, ""),
    ]


def _hundredths(tenths: int, status: int) -> int:
    """Return 0.01 Cel, the nearest where the device says degrees Fahrenheit."""
    if not status & _FAHRENHEIT:
        return tenths * 10
    return (2 * (tenths - 320) * 50 + 9) // 18  # (F - 32) * 5 / 9, and one half to round
