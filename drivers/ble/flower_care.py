"""Xiaomi Flower Care (HHCCJCY01; VegTrug Grow Care Home), a soil probe: polled, little-endian.

It measures when A01F is written to 1A00; then the values stand in 1A01. The payload is that of
gateway.core.gatt_table:

    02 1A01 10 TTTT ?? LLLLLLLL MM CCCC ????????????
    02 1A02 NN BB ?? FF...

    T  temperature, 0.1 Cel, signed     B  battery, %
    L  light, lx                        F  firmware, ASCII: 3.1.8
    M  soil moisture, %                 N  bytes of the value that follows
    C  soil conductivity, uS/cm         ?  not known

Until it has measured, 1A01 holds a placeholder: refused, and read anew at the next poll. The probe
also advertises its values (MiBeacon), one at a time; battery and firmware only a poll brings.
Source: https://github.com/vrachieru/xiaomi-flower-care-api and
https://github.com/basnijholt/miflora (both MIT)
"""

from gateway.core import gatt, gatt_table
from gateway.core.context import Context
from gateway.core.fields import i16le, u8, u16le, u32le
from gateway.core.gatt_table import integer, text
from gateway.core.refusal import BAD_VALUE, DecodeError

API = 1
MODEL = "flower-care"
DEVICES = ("Xiaomi Flower Care (HHCCJCY01)", "VegTrug Grow Care Home")
MATCH: dict[str, int | bytes] = {}  # nothing says which listed device is to be connected to
STRENGTH = 0
INTERVAL_S = 3600

_SERVICE = gatt.uuid(0x1204)
_MODE = gatt.uuid(0x1A00)
_VALUES = gatt.uuid(0x1A01)
_STATE = gatt.uuid(0x1A02)
_MEASURE = b"\xa0\x1f"
_PLACEHOLDER = bytes.fromhex("aabbccddeeff99887766000000000000")

# Service, characteristic, length, offset, read, multiply, scale, property, channel.
TABLE = (
    (_SERVICE, _VALUES, 16, 0, integer(i16le), 1, 1, "soil_temperature", ""),
    (_SERVICE, _VALUES, 16, 3, integer(u32le), 1, 0, "illuminance", ""),
    (_SERVICE, _VALUES, 16, 7, integer(u8), 1, 0, "soil_moisture", ""),
    (_SERVICE, _VALUES, 16, 8, integer(u16le), 1, 0, "soil_ec", ""),
    (_SERVICE, _STATE, 0, 0, integer(u8), 1, 0, "battery_level", ""),
    (_SERVICE, _STATE, 0, 2, text, 1, 0, "firmware_version", ""),
)


def poll(_context: Context) -> "gatt.Poll":
    """Have it measure, read the values, battery and firmware."""
    yield gatt.write(_SERVICE, _MODE, _MEASURE)
    return (yield from gatt_table.poll(TABLE))


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of one measurement."""
    if gatt_table.entry(_VALUES, _PLACEHOLDER) in payload:
        raise DecodeError(BAD_VALUE)
    return gatt_table.decode(TABLE, payload)
