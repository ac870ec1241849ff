"""Mopeka tank sensors: manufacturer data of company 0x0059 beside the listed service FEE5.

    5900 MM BB TT LLLL AAAAAA XX YY

    M  lower seven bits: model, as below; highest bit: L is in 4 us above 16384
    B  lower seven bits: battery, 1/32 V
    T  lower seven bits: temperature, Cel above -40; highest bit: the button is pressed
    L  little-endian; lower 14 bits: time of the echo, 1 us; upper two: quality, 0 to 3
    A  end of the address: not read      X  Y  acceleration, 1/1024 g, signed

    03 Pro Check, 06 Lippert BottleCheck   propane from below: liquid_level
    05 Pro Check H2O                       water from below: liquid_level
    04, 12 Pro-200, 0A, 0B TD40, TD200     air from above: distance to the liquid
    08, 09 Pro Plus, 0C Universal          what is in the tank the frame does not say, and without
                                           it no level: the time of the echo, x_echo_time, in us

The time is published in any case. A height is time * (a + b * T + c * T * T), to 0.1 mm; quality 0
means that there is none. Not mapped: the battery in percent, which is a guess from B.
Source: https://github.com/Bluetooth-Devices/mopeka-iot-ble, parser, recorded frames, coefficients;
highest bits, X, Y and what a model measures as Victron's dbus-ble-sensors reads them.
"""

from gateway.core.context import Context
from gateway.core.fields import i8, u16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "mopeka"
DEVICES = (
    "Mopeka Pro Check, Pro Check H2O, Pro-200, Pro Plus, Universal, TD40, TD200",
    "Lippert BottleCheck",
)
UNMAPPED = ("battery in percent, a guess",)
PAYLOAD = "manufacturer"
MATCH = {"listed_uuid": 0xFEE5}
STRENGTH = 1

_COMPANY = b"\x59\x00"
_PROPANE = ("liquid_level", 573_045_000, -2_822_000, -5_350)
_WATER = ("liquid_level", 600_592_000, 3_124_000, -13_680)
_AIR = ("distance", 153_096_000, 327_000, -294)
_UNKNOWN = ("", 0, 0, 0)
_MODELS = {  # property, and a, b, c in 1e-9 mm per us
    0x03: _PROPANE,
    0x04: _AIR,
    0x05: _WATER,
    0x06: _PROPANE,
    0x08: _UNKNOWN,
    0x09: _UNKNOWN,
    0x0A: _AIR,
    0x0B: _AIR,
    0x0C: _UNKNOWN,
    0x12: _AIR,
}
_TENTH_MM = 10**8  # 1e-9 mm
_G_1024 = 9_576_806_640_625  # 1/1024 g in 1e-15 m/s2: 9.80665 / 1024
_QUALITY = (0, 33, 67, 100)  # %


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return what the echo tells, and the state of the sensor."""
    if len(payload) != 12:
        raise DecodeError(BAD_LENGTH)
    measure = _MODELS.get(payload[2] & 0x7F)
    if payload[:2] != _COMPANY or measure is None:
        raise DecodeError(BAD_TYPE)
    temperature, quality = payload[4] & 0x7F, payload[6] >> 6
    readings = _echo(payload, measure, temperature, quality)
    readings += [
        ("measurement_quality", _QUALITY[quality], 0, ""),
        ("device_temperature", temperature - 40, 0, ""),
        ("battery_voltage", (payload[3] & 0x7F) * 3125, 5, ""),
        ("pressed", payload[4] & 0x80 != 0, 0, ""),
        ("acceleration", i8(payload, 10) * _G_1024, 15, "x"),
        ("acceleration", i8(payload, 11) * _G_1024, 15, "y"),
    ]
    return readings


def _echo(
    payload: bytes, measure: tuple[str, int, int, int], temperature: int, quality: int
) -> list[tuple[str, int | None, int, str]]:
    name, a, b, c = measure
    time = u16le(payload, 5) & 0x3FFF
    if payload[2] & 0x80:
        time = 16_384 + 4 * time
    readings: list[tuple[str, int | None, int, str]] = [
        ("x_echo_time", time if quality else None, 0, "")
    ]
    if name:
        height = time * (a + b * temperature + c * temperature * temperature)
        nearest = (height + _TENTH_MM // 2) // _TENTH_MM
        readings.insert(0, (name, nearest if quality else None, 4, ""))
    return readings
