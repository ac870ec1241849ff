"""Mopeka Pro Check under a tank of propane: manufacturer data of company 0x0059.

From https://github.com/Bluetooth-Devices/mopeka-iot-ble, whose coefficients make a level of the
time that an echo takes; acceleration as Victron's dbus-ble-sensors reads it.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

_HEAD: Final = id16(0x0059) + b"\x03"
_A, _B, _C = 0.573045, -0.002822, -0.00000535  # mm/us, of the temperature above -40 Cel
_MM: Final = 1000
_G_1024: Final = 9.80665 / 1024
_BEST: Final = 3 << 14
_BUTTON: Final = 0x80
_COLDEST_C: Final = -40


def _encode(sender: Sender, readings: Readings) -> bytes:
    warmth = readings.raw("device_temperature", above=_COLDEST_C)
    speed = _A + _B * warmth + _C * warmth * warmth
    echo_us = round(float(readings.values["liquid_level"]) * _MM / speed)
    button = _BUTTON if readings.flag("pressed") else 0
    return (
        _HEAD
        + struct.pack(
            "<BBH", readings.raw("battery_voltage", 1 / 32), warmth | button, echo_us | _BEST
        )
        + sender.octets[3:]
        + struct.pack(
            "bb",
            readings.raw("acceleration/x", _G_1024),
            readings.raw("acceleration/y", _G_1024),
        )
    )


MODELS: Final = {
    "mopeka": Model(
        title="A Mopeka Pro Check: the level of a tank of propane, by its echo.",
        driver="mopeka",
        medium="manufacturer",
        sends=(
            Quantity(name="liquid_level", step=0.0007, low=0, high=1.5),
            Quantity(name="measurement_quality", low=100, high=100),
            Quantity(name="device_temperature", above=_COLDEST_C, low=_COLDEST_C, high=60),
            Quantity(name="battery_voltage", step=1 / 32, low=1.8, high=3.6),
            Quantity(name="pressed"),
            Quantity(name="acceleration/x", step=_G_1024, low=-1.2, high=1.2),
            Quantity(name="acceleration/y", step=_G_1024, low=-1.2, high=1.2),
        ),
        implies=("x_echo_time",),
        encode=_encode,
        serial="acceleration/x",
        listed=(0xFEE5,),
    ),
}
