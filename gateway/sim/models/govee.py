"""Govee's thermometers, air quality monitors and a radar: manufacturer data, found by names.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble. The
company ids are no company's; temperature and humidity stand packed in one decimal number whose
highest bit is the sign.
"""

from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16, signed_magnitude

_THERMOMETER: Final = id16(0xEC88)
_SHARED: Final = id16(0x0001) + b"\x01\x01"
_RADAR: Final = id16(0x8803) + bytes.fromhex("ec000101")
_SIGN_24: Final = 1 << 23
_SIGN_32: Final = 1 << 31
_FIRST_PROBE: Final = 0x41
_MOVES: Final = 0x11

_TEMPERATURE: Final = Quantity(name="air_temperature", step=0.1, low=-20, high=60)
_PROBE: Final = Quantity(name="probe_temperature", step=0.1, low=-40, high=100)
_HUMIDITY: Final = Quantity(name="relative_humidity", step=0.1, low=0, high=99.9)
_BATTERY: Final = Quantity(name="battery_level", low=1, high=100)


def _packed(readings: Readings, temperature: str) -> bytes:
    """Return temperature * 1000 + humidity, both in tenths, in three bytes."""
    tenths = readings.raw(temperature, 0.1)
    number = abs(tenths) * 1000 + readings.raw("relative_humidity", 0.1)
    return signed_magnitude(-number if tenths < 0 else number, _SIGN_24).to_bytes(3, "big")


def _h5075(_: Sender, readings: Readings) -> bytes:
    packed = _packed(readings, "air_temperature")
    return _THERMOMETER + b"\x00" + packed + bytes((readings.raw("battery_level"), 0))


def _h5106(_: Sender, readings: Readings) -> bytes:
    tenths = readings.raw("air_temperature", 0.1)
    number = abs(tenths) * 1_000_000
    number += readings.raw("relative_humidity", 0.1) * 1000 + readings.raw("pm2_5")
    signed = signed_magnitude(-number if tenths < 0 else number, _SIGN_32)
    return _SHARED + signed.to_bytes(4, "big")


def _h5112(_: Sender, readings: Readings) -> bytes:
    battery = readings.raw("battery_level")
    return _SHARED + _packed(readings, "probe_temperature") + bytes((battery, 0, _FIRST_PROBE))


def _h5127(_: Sender, readings: Readings) -> bytes:
    there = int(readings.flag("presence_detected"))
    moves = _MOVES if readings.flag("motion_detected") else there
    return _RADAR + bytes((there, moves))


def _h5140(_: Sender, readings: Readings) -> bytes:
    co2 = readings.raw("co2").to_bytes(2, "big")
    return _SHARED + _packed(readings, "air_temperature") + co2 + b"\x00"


MODELS: Final = {
    "govee-thermometer": Model(
        title="A Govee H5075: temperature, humidity and battery.",
        driver="govee-thermometer",
        medium="manufacturer",
        sends=(_TEMPERATURE, _HUMIDITY, _BATTERY),
        encode=_h5075,
        serial="air_temperature",
        local_name="GVH5075_{tail}",
        listed=(0xEC88,),
    ),
    "govee-h5106": Model(
        title="A Govee H5106: temperature, humidity and particles of a room.",
        driver="govee-h5106",
        medium="manufacturer",
        sends=(_TEMPERATURE, _HUMIDITY, Quantity(name="pm2_5", low=0, high=999)),
        encode=_h5106,
        serial="air_temperature",
        local_name="GVH5106_{tail}",
    ),
    "govee-h5112": Model(
        title="A Govee H5112 with its first probe: temperature, humidity and battery.",
        driver="govee-h5112",
        medium="manufacturer",
        sends=(_PROBE, _HUMIDITY, _BATTERY),
        encode=_h5112,
        serial="probe_temperature",
        local_name="GV5112{tail}",
    ),
    "govee-h5127": Model(
        title="A Govee H5127, radar: whether somebody is there, and moves.",
        driver="govee-h5127",
        medium="manufacturer",
        sends=(Quantity(name="presence_detected"), Quantity(name="motion_detected")),
        encode=_h5127,
        serial="motion_detected",
        local_name="GVH5127{tail}",
    ),
    "govee-h5140": Model(
        title="A Govee H5140: temperature, humidity and carbon dioxide.",
        driver="govee-h5140",
        medium="manufacturer",
        sends=(_TEMPERATURE, _HUMIDITY, Quantity(name="co2", low=300, high=5000)),
        encode=_h5140,
        serial="air_temperature",
        local_name="GV5140{tail}",
    ),
}
