"""SensorPush HT.w, HTP.xw, TC.x: manufacturer data, its company id in front, little-endian.

    TT VV...

    T  upper six bits: type 0 HTP.xw, 1 HT.w, 2 TC.x; lower two: page, only page 0 holds values
    V  one number of mixed radix: the first value is V % n1, the second V // n1 % n2, and so on

    HT.w (5 bytes)     temperature 0.0025 Cel above -40, n 66001; humidity 0.0025 %, n 40001
    HTP.xw (7 bytes)   the same, n 72001; the same; pressure 1 Pa above 30000, n 95001
    TC.x (5 bytes)     temperature of the thermocouple, 0.0625 Cel above -200, n 32001

Values stand in the company id, so each measurement leaves a structure of its own. Not mapped:
pages 1 to 3.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/sensorpush-ble
"""

from gateway.core.context import Context
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "sensorpush"
DEVICES = ("SensorPush HT.w", "SensorPush HTP.xw", "SensorPush TC.x")
UNMAPPED = ("pages 1 to 3",)
PAYLOAD = "manufacturer"
MATCH = (
    {"listed_uuid": 0xEF09000011D642BA93B89DD7EC090AB0},
    {"local_name": b"SensorPush "},
)
STRENGTH = 1

_TEMPERATURE = "air_temperature"
_HUMIDITY = ("relative_humidity", 40_001, 0, 25, 4)
_PRESSURE = ("atmospheric_pressure", 95_001, 30_000, 1, 2)
_TYPES = {  # kind: length, values: property, radix, add, multiply, scale
    0: (7, ((_TEMPERATURE, 72_001, -16_000, 25, 4), _HUMIDITY, _PRESSURE)),
    1: (5, ((_TEMPERATURE, 66_001, -16_000, 25, 4), _HUMIDITY)),
    2: (5, (("probe_temperature", 32_001, -3_200, 625, 4),)),
}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return the values of one measurement; of another page, nothing."""
    if not payload:
        raise DecodeError(BAD_LENGTH)
    if payload[0] & 3:
        return []
    kind = _TYPES.get(payload[0] >> 2)
    if kind is None:
        raise DecodeError(BAD_TYPE)
    length, values = kind
    if len(payload) != length:
        raise DecodeError(BAD_LENGTH)
    number = 0
    for byte in reversed(payload[1:]):
        number = number << 8 | byte
    readings: list[tuple[str, int, int, str]] = []
    for name, radix, add, multiply, scale in values:
        number, raw = divmod(number, radix)
        readings.append((name, (raw + add) * multiply, scale, ""))
    return readings
