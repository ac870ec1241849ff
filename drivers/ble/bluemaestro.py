"""BlueMaestro Tempo Disc: manufacturer data of company 0x0133, its first byte tells the layout.

    TT BB xxxxxxxx VVVV...              08, 0D, 16, 17, 1B: big-endian
    TT BB xxxxxxxx*3 xx VVVV...         29, 2A, 2B: little-endian

    T  type      B  battery, %      V  values, as the table says      x  not known

    08, 0D   temperature, 0.1 Cel                       29   temperature, 0.01 Cel
    16, 17   ... humidity, 0.1 %, dew point, 0.1 Cel    2A   ... humidity, 0.01 %
    1B       ... humidity, pressure, 0.1 hPa            2B   ... humidity, pressure, 0.01 hPa

Not mapped: what follows the values, statistics of the past. The dew point of 2A and 2B, which they
do not send, is left to whoever needs it.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/bluemaestro-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, i16le, i32le, u8, u16be
from gateway.core.refusal import BAD_TYPE, DecodeError

API = 1
MODEL = "bluemaestro"
DEVICES = ("BlueMaestro Tempo Disc",)
UNMAPPED = ("statistics of the past",)
STRENGTH = 1

_BATTERY = ("battery_level", u8, 1, 0)
_DISC_T = ("air_temperature", i16be, 6, 1)
_DISC_H = ("relative_humidity", u16be, 8, 1)
_DISC_D = ("dew_point", i16be, 10, 1)
_DISC_P = ("atmospheric_pressure", u16be, 10, 1)
_MAXI_T = ("air_temperature", i16le, 15, 2)
_MAXI_H = ("relative_humidity", i16le, 17, 2)
_MAXI_P = ("atmospheric_pressure", i32le, 19, 2)
_TYPES = {  # kind: property, read, offset, scale
    0x08: (_BATTERY, _DISC_T),
    0x0D: (_BATTERY, _DISC_T),
    0x16: (_BATTERY, _DISC_T, _DISC_H, _DISC_D),
    0x17: (_BATTERY, _DISC_T, _DISC_H, _DISC_D),
    0x1B: (_BATTERY, _DISC_T, _DISC_H, _DISC_P),
    0x29: (_BATTERY, _MAXI_T),
    0x2A: (_BATTERY, _MAXI_T, _MAXI_H),
    0x2B: (_BATTERY, _MAXI_T, _MAXI_H, _MAXI_P),
}
MATCH = tuple([{"manufacturer_id": 0x0133, "prefix": bytes([kind])} for kind in sorted(_TYPES)])


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return the values of one measurement and the battery."""
    fields = _TYPES.get(u8(payload, 0))
    if fields is None:
        raise DecodeError(BAD_TYPE)
    return [(name, read(payload, offset), scale, "") for name, read, offset, scale in fields]
