"""Ruuvi data format E1 (Ruuvi Air): manufacturer data of company 0x0499, big-endian, 40 bytes.

    E1 TTTT HHHH PPPP 1111 2222 4444 MMMM CCCC VV NN LLLLLL
    RRRRRR SSSSSS FF RRRRRRRRRR AAAAAAAAAAAA

    T  temperature, 0.005 Cel, signed         V  VOC index, upper 8 of 9 bits
    H  humidity, 0.0025 %                     N  NOx index, upper 8 of 9 bits
    P  pressure, Pa above 50000               L  luminosity, 0.01 lx
    1  2  4  M  particles up to 1, 2.5, 4     R  reserved
       and 10 um, 0.1 ug/m3                   S  number of the measurement
    C  CO2, ppm                               F  bit 0: calibrating, 6: lowest of V, 7: of N
                                              A  address, not used: the frame's own says it

A field of all ones, where it is signed of the lowest value, is a value the sensor does not have.
It is too long for an advertisement of Bluetooth 4: the adapter has to hear extended advertising.
Source: https://docs.ruuvi.com/communication/bluetooth-advertisements/data-format-e1
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u8, u16be, u24be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "ruuvi-e1"
DEVICES = ("Ruuvi Air",)
MATCH = {"manufacturer_id": 0x0499, "prefix": b"\xe1"}
STRENGTH = 1

_SIZE = 40
_FLAGS = 28
_NO_NUMBER = 0xFFFFFF


def _voc(payload: bytes, offset: int) -> int:
    return u8(payload, offset) << 1 | u8(payload, _FLAGS) >> 6 & 1


def _nox(payload: bytes, offset: int) -> int:
    return u8(payload, offset) << 1 | u8(payload, _FLAGS) >> 7


_FIELDS = (  # property, read, offset, absent; value = (raw + add) * multiply / 10**scale
    ("air_temperature", i16be, 1, -0x8000, 0, 5, 3),
    ("relative_humidity", u16be, 3, 0xFFFF, 0, 25, 4),
    ("atmospheric_pressure", u16be, 5, 0xFFFF, 50_000, 1, 2),
    ("pm1", u16be, 7, 0xFFFF, 0, 1, 1),
    ("pm2_5", u16be, 9, 0xFFFF, 0, 1, 1),
    ("pm4", u16be, 11, 0xFFFF, 0, 1, 1),
    ("pm10", u16be, 13, 0xFFFF, 0, 1, 1),
    ("co2", u16be, 15, 0xFFFF, 0, 1, 0),
    ("voc_index", _voc, 17, 0x1FF, 0, 1, 0),
    ("nox_index", _nox, 18, 0x1FF, 0, 1, 0),
    ("illuminance", u24be, 19, 0xFFFFFF, 0, 1, 2),
)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the twelve readings of one measurement."""
    if len(payload) != _SIZE:
        raise DecodeError(BAD_LENGTH)
    if payload[0] != 0xE1:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | None, int, str]] = []
    for name, read, offset, absent, add, multiply, scale in _FIELDS:
        raw = read(payload, offset)
        readings.append((name, None if raw == absent else (raw + add) * multiply, scale, ""))
    readings.append(("calibrating", payload[_FLAGS] & 1 == 1, 0, ""))
    return readings


def packet_counter(payload: bytes) -> int | None:
    """Return the number of the measurement: repeats of one measurement carry the same."""
    number = u24be(payload, 25) if len(payload) == _SIZE else _NO_NUMBER
    return None if number == _NO_NUMBER else number
