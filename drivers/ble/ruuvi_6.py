"""Ruuvi data format 6 (Ruuvi Air): manufacturer data of company 0x0499, big-endian, 20 bytes.

    06 TTTT HHHH PPPP MMMM CCCC VV NN LL RR SS FF AAAAAA

    T  temperature, 0.005 Cel, signed         N  NOx index, upper 8 of 9 bits
    H  humidity, 0.0025 %                     L  luminosity L: 65536**(L/254) - 1 lx
    P  pressure, Pa above 50000               R  reserved
    M  PM2.5, 0.1 ug/m3                       S  number of the measurement, wraps around
    C  CO2, ppm                               F  bit 0: calibrating, 6: lowest of V, 7: of N
    V  VOC index, upper 8 of 9 bits           A  end of the address, not used

A field of all ones, where it is signed of the lowest value, is a value the sensor does not have.

The device sends each measurement in format E1 too, with more in it, to whom Bluetooth 5 reaches.
An adapter that hears both has every measurement twice: name the driver `ruuvi-e1` for the device.
Source: https://docs.ruuvi.com/communication/bluetooth-advertisements/data-format-6
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u8, u16be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "ruuvi-6"
DEVICES = ("Ruuvi Air",)
MATCH = {"manufacturer_id": 0x0499, "prefix": b"\x06"}
STRENGTH = 1

_SIZE = 20
_FLAGS = 16
# 65536**(2**i / 254) for the eight bits of L, with 48 binary digits after the point: the product
# of those whose bit is set is exact to 0.01 lx for every L, and needs no float.
_BRIGHTER = (
    0x10B6CE02E2F81,
    0x1175C49EE4261,
    0x130DA4A6A8D49,
    0x16B072ADFE2A8,
    0x202CD53CA4C34,
    0x40B3D2927A76D,
    0x105A679963474C,
    0x10B6CE02E2F817C,
)
_POINT = 48


def _voc(payload: bytes, offset: int) -> int:
    return u8(payload, offset) << 1 | u8(payload, _FLAGS) >> 6 & 1


def _nox(payload: bytes, offset: int) -> int:
    return u8(payload, offset) << 1 | u8(payload, _FLAGS) >> 7


def _luminosity(payload: bytes, offset: int) -> int:
    """Return hundredths of a lux; -1 for the code that is none."""
    code = u8(payload, offset)
    if code == 0xFF:
        return -1
    ratio = 1 << _POINT
    for bit, factor in enumerate(_BRIGHTER):
        if code >> bit & 1:
            ratio = ratio * factor >> _POINT
    return ((ratio - (1 << _POINT)) * 100 + (1 << _POINT - 1)) >> _POINT


_FIELDS = (  # property, read, offset, absent; value = (raw + add) * multiply / 10**scale
    ("air_temperature", i16be, 1, -0x8000, 0, 5, 3),
    ("relative_humidity", u16be, 3, 0xFFFF, 0, 25, 4),
    ("atmospheric_pressure", u16be, 5, 0xFFFF, 50_000, 1, 2),
    ("pm2_5", u16be, 7, 0xFFFF, 0, 1, 1),
    ("co2", u16be, 9, 0xFFFF, 0, 1, 0),
    ("voc_index", _voc, 11, 0x1FF, 0, 1, 0),
    ("nox_index", _nox, 12, 0x1FF, 0, 1, 0),
    ("illuminance", _luminosity, 13, -1, 0, 1, 2),
)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the nine readings of one measurement."""
    if len(payload) != _SIZE:
        raise DecodeError(BAD_LENGTH)
    if payload[0] != 6:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | None, int, str]] = []
    for name, read, offset, absent, add, multiply, scale in _FIELDS:
        raw = read(payload, offset)
        readings.append((name, None if raw == absent else (raw + add) * multiply, scale, ""))
    readings.append(("calibrating", payload[_FLAGS] & 1 == 1, 0, ""))
    return readings


def packet_counter(payload: bytes) -> int | None:
    """Return the number of the measurement: repeats of one measurement carry the same."""
    return payload[15] if len(payload) == _SIZE else None
