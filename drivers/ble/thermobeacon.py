"""ThermoBeacon thermometers: manufacturer data, 18 bytes after one of their ids, little-endian.

    xx SS AAAAAAAAAAAA VVVV TTTT HHHH UUUUUUUU

    S  highest bit: the button is pressed      A  address of the device, reversed: not read
    V  battery, mV      T  temperature, 1/16 Cel, signed      H  humidity, 1/16 %
    U  time since its start, s      x  not known

A frame of 20 bytes instead tells the extremes of the past and is not mapped, nor is the battery in
percent, which is a guess from V.
Source: https://github.com/Bluetooth-Devices/thermobeacon-ble, parser and recorded frames; A and U
as https://github.com/iskalchev/ThermoBeacon describes them.
"""

from gateway.core.context import Context
from gateway.core.fields import i16le, u16le, u32le
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "thermobeacon"
DEVICES = ("ThermoBeacon thermometers (Brifit, ORIA, SensorBlue)",)
UNMAPPED = ("extremes of the past", "battery in percent, a guess")
MATCH = tuple([{"manufacturer_id": one} for one in (0x10, 0x11, 0x14, 0x15, 0x18, 0x1B, 0x30)])
STRENGTH = 1

_EXTREMES = 20  # bytes
_HIGHEST = 100 * 16


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature, humidity, and the state of the device."""
    if len(payload) == _EXTREMES:
        return []
    if len(payload) != 18:
        raise DecodeError(BAD_LENGTH)
    temperature, humidity = i16le(payload, 10), u16le(payload, 12)
    if temperature > _HIGHEST or humidity > _HIGHEST:
        raise DecodeError(BAD_VALUE)
    return [
        ("air_temperature", temperature * 625, 4, ""),
        ("relative_humidity", humidity * 625, 4, ""),
        ("battery_voltage", u16le(payload, 8), 3, ""),
        ("uptime", u32le(payload, 14), 0, ""),
        ("pressed", payload[1] & 0x80 != 0, 0, ""),
    ]
