"""HHCC plant sensor HHCCJCY10 (pink): service data of UUID 0xFD50, big-endian, always 9 bytes.

    MM TTTT LLLLLL BB EEEE

    M  soil moisture, %        B  battery, %
    T  temperature, 0.1 Cel    E  soil conductivity, uS/cm
    L  illuminance, lx

The UUID is Tuya's, whose other products send other things under it, and nothing but the length
tells this one: a device names this driver.
Source: https://github.com/Bluetooth-Devices/xiaomi-ble. That the temperature is signed is assumed.
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u8, u16be, u24be
from gateway.core.refusal import BAD_LENGTH, DecodeError

API = 1
MODEL = "hhcc-jcy10"
DEVICES = ("HHCC HHCCJCY10",)
MATCH = {"service_uuid": 0xFD50}
STRENGTH = 0

_SIZE = 9
_FIELDS = (  # property, read, offset, scale
    ("soil_moisture", u8, 0, 0),
    ("air_temperature", i16be, 1, 1),
    ("illuminance", u24be, 3, 0),
    ("battery_level", u8, 6, 0),
    ("soil_ec", u16be, 7, 0),
)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the five readings."""
    if len(payload) != _SIZE:
        raise DecodeError(BAD_LENGTH)
    return [(name, read(payload, offset), scale, "") for name, read, offset, scale in _FIELDS]
