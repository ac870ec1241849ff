"""Ruuvi RAWv1 (data format 3): manufacturer data of company 0x0499, big-endian, 14 bytes.

    03 HH TT FF PPPP XXXX YYYY ZZZZ VVVV [00000000]

    H  humidity, 0.5 %                        X  Y  Z  acceleration, 0.001 g, signed
    T  bit 7: sign, bits 0-6: whole Cel       V  battery, mV
    F  hundredths of Cel, 0 to 99
    P  pressure, Pa above 50000

Format 5 has followed it. The format has no way to say that a value is missing; the acceleration it
cannot hold, 8000, is taken for that. It does not number its measurements.
Source: https://github.com/ruuvi/ruuvi-sensor-protocols/blob/master/dataformat_03.md; the zeros
behind it as in a frame that https://github.com/custom-components/ble_monitor has recorded.
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u8, u16be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "ruuvi-rawv1"
DEVICES = ("Ruuvi RuuviTag with firmware 1",)
MATCH = {"manufacturer_id": 0x0499, "prefix": b"\x03"}
STRENGTH = 1

_AXES = (("x", 6), ("y", 8), ("z", 10))
_BEHIND = (b"", bytes(4))


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the seven readings of one measurement."""
    if len(payload) < 14 or payload[14:] not in _BEHIND:
        raise DecodeError(BAD_LENGTH)
    if payload[0] != 3:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | None, int, str]] = [
        ("air_temperature", _temperature(payload), 2, ""),
        ("relative_humidity", u8(payload, 1) * 5, 1, ""),
        ("atmospheric_pressure", u16be(payload, 4) + 50_000, 2, ""),
    ]
    for axis, offset in _AXES:
        raw = i16be(payload, offset)
        value = None if raw == -0x8000 else raw * 980_665  # 1 g = 9.80665 m/s2
        readings.append(("acceleration", value, 8, axis))
    readings.append(("battery_voltage", u16be(payload, 12), 3, ""))
    return readings


def _temperature(payload: bytes) -> int:
    whole, hundredths = u8(payload, 2), u8(payload, 3)
    if hundredths > 99:
        raise DecodeError(BAD_VALUE)
    size = (whole & 0x7F) * 100 + hundredths
    return -size if whole & 0x80 else size
