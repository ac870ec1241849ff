"""ThermoBeacon thermometers: manufacturer data of id 0x0010, little-endian.

From https://github.com/Bluetooth-Devices/thermobeacon-ble and
https://github.com/iskalchev/ThermoBeacon.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16, reverse

_ID: Final = id16(0x0010)
_SIXTEENTH: Final = 1 / 16
_BUTTON: Final = 0x80


def _encode(sender: Sender, readings: Readings) -> bytes:
    button = _BUTTON if readings.flag("pressed") else 0
    values = struct.pack(
        "<HhHI",
        readings.raw("battery_voltage", 0.001),
        readings.raw("air_temperature", _SIXTEENTH),
        readings.raw("relative_humidity", _SIXTEENTH),
        readings.raw("uptime"),
    )
    return _ID + bytes((0, button)) + reverse(sender.octets) + values


MODELS: Final = {
    "thermobeacon": Model(
        title="A ThermoBeacon (Brifit, ORIA, SensorBlue): climate, battery, uptime and a button.",
        driver="thermobeacon",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=_SIXTEENTH, low=-40, high=60),
            Quantity(name="relative_humidity", step=_SIXTEENTH, low=0, high=100),
            Quantity(name="battery_voltage", step=0.001, low=1.8, high=3.6),
            Quantity(name="uptime", low=0, high=0xFFFFFFFF),
            Quantity(name="pressed"),
        ),
        encode=_encode,
        serial="battery_voltage",
        local_name="ThermoBeacon",
    ),
}
