"""SensorPush HT1: manufacturer data, its company id in front, four bytes, little-endian.

    VVVVVVVV

    V  bits 0 to 11: humidity H, 125 / 4096 % above -6; bits 12 to 25: temperature T,
       175.72 / 16384 Cel above -46.85; bits 26 to 30: type, always 1; bit 31 not known

These are the raw values of a Sensirion SHT2x, published to the nearest 0.001; humidity below 0 or
above 100 % is the end of its scale.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/sensorpush-ble
"""

from gateway.core.context import Context
from gateway.core.fields import u32le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "sensorpush-ht1"
DEVICES = ("SensorPush HT1",)
PAYLOAD = "manufacturer"
MATCH = {"listed_uuid": 0xEF09000011D642BA93B89DD7EC090AA9}
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature and humidity."""
    if len(payload) != 4:
        raise DecodeError(BAD_LENGTH)
    number = u32le(payload, 0)
    if (number >> 26) & 31 != 1:
        raise DecodeError(BAD_TYPE)
    raw_temperature, raw_humidity = (number >> 12) & 0x3FFF, number & 0xFFF
    humidity = (raw_humidity * 125_000 + 2048) // 4096 - 6_000
    return [
        ("air_temperature", (raw_temperature * 175_720 + 8192) // 16_384 - 46_850, 3, ""),
        ("relative_humidity", min(max(humidity, 0), 100_000), 3, ""),
    ]
