"""Sensirion gadgets, MyCO2 and own builds with its library: manufacturer data of company 0x06D5.

    00 SS DDDD (VVVV)... [R...]
    FF 00 ...

    S  type of the sample, which says what the values V are: _SAMPLES below
    D  device id: the end of its address     V  unsigned     R  not read: reserved, or padding
    FF 00  a demonstration board told to send no samples: in order, and empty

Little-endian. Sensirion's ticks divide a range by 65535, which is no decimal: the value is rounded
to the last digit that two neighbouring ticks differ in.
Source: https://github.com/Sensirion/ble-services (sensirion-ble/src/resources,
ble-ad-sample-types.yml); https://github.com/Sensirion/arduino-upt-core (src/BLEProtocol.cpp) sends
1F where that has 20. R: two reserved bytes of types 03 and 08; and frames that
https://github.com/theengs/decoder has recorded are filled up to a fixed length.
"""

from gateway.core.context import Context
from gateway.core.fields import u8, u16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "sensirion"
DEVICES = ("Sensirion MyCO2", "Sensirion gadgets, and builds with its library")
MATCH = (
    {"manufacturer_id": 0x06D5, "prefix": b"\x00"},
    {"manufacturer_id": 0x06D5, "prefix": b"\xff\x00"},
)
STRENGTH = 1

_NO_SAMPLES = b"\xff\x00"
_HEADER_SIZE = 4
_TICKS = 65_535

# property, span, divisor, start, scale: the value of a tick is span / divisor, that of none start
_T = ("air_temperature", 17_500, _TICKS, -4_500, 2)
_RH = ("relative_humidity", 10_000, _TICKS, 0, 2)
_RH_SHT4X = ("relative_humidity", 12_500, _TICKS, -600, 2)
_CO2 = ("co2", 1, 1, 0, 0)
_VOC = ("voc_index", 1, 1, 0, 0)
_NOX = ("nox_index", 1, 1, 0, 0)
_HCHO = ("formaldehyde_mole_fraction", 2, 1, 0, 1)  # 0.2 ppb
_PM1 = ("pm1", 1, 1, 0, 1)
_PM2_5 = ("pm2_5", 1, 1, 0, 1)
_PM2_5_TICKS = ("pm2_5", 100_000, _TICKS, 0, 2)
_PM4 = ("pm4", 1, 1, 0, 1)
_PM10 = ("pm10", 1, 1, 0, 1)
_VELOCITY = ("air_velocity", 102_400, _TICKS, 0, 2)
_H2 = ("h2_mole_fraction", 100, 1, 0, 0)  # 0.01 %
_PRESSURE = ("atmospheric_pressure", 1, 1, 0, 0)

_SAMPLES = {
    0x03: (_T, _RH, _VOC),
    0x04: (_T, _RH),
    0x06: (_T, _RH_SHT4X),
    0x08: (_T, _RH, _CO2),
    0x0A: (_T, _RH, _CO2),
    0x0C: (_T, _RH, _CO2, _PM2_5_TICKS),
    0x0E: (_T, _RH, _HCHO),
    0x10: (_T, _RH, _VOC, _PM2_5_TICKS),
    0x14: (_T, _RH, _CO2, _VOC, _PM2_5_TICKS, _HCHO),
    0x16: (_T, _RH, _VOC, _NOX),
    0x18: (_T, _RH, _VOC, _NOX, _PM2_5),
    0x1A: (_T, _RH, _CO2, _VOC, _NOX, _PM2_5),
    0x1C: (_T, _RH, _CO2, _PM2_5),
    0x1E: (_T, _RH, _VOC, _PM2_5),
    0x1F: (_T, _RH, _CO2, _VOC, _PM2_5, _HCHO),
    0x20: (_T, _RH, _CO2, _VOC, _PM2_5, _HCHO),
    0x22: (_PM1, _PM2_5, _PM4, _PM10),
    0x24: (_CO2,),
    0x26: (_VELOCITY, _T),
    0x28: (_T, _RH_SHT4X, _H2, _PRESSURE),
    0x2A: (_T, _RH, _PM2_5),
    0x2C: (_T, _RH, _HCHO, _VOC, _NOX, _PM2_5),
}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the readings of one sample."""
    if payload[:2] == _NO_SAMPLES:
        return []
    kind = u8(payload, 1)
    if payload[0] != 0 or kind not in _SAMPLES:
        raise DecodeError(BAD_TYPE)
    fields = _SAMPLES[kind]
    if len(payload) < _HEADER_SIZE + 2 * len(fields):
        raise DecodeError(BAD_LENGTH)
    readings: list[tuple[str, int | None, int, str]] = []
    at = _HEADER_SIZE
    for name, span, divisor, start, scale in fields:
        raw = u16le(payload, at)
        at += 2
        readings.append((name, (2 * raw * span + divisor) // (2 * divisor) + start, scale, ""))
    return readings
