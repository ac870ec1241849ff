"""Aranet4 with "smart home integration" on: manufacturer data of company 0x0702, little-endian.

From https://github.com/Anrijs/Aranet4-Python (docs/UUIDs.md) and its samples.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

_COMPANY: Final = id16(0x0702)
_WITH_VALUES: Final = 0x21
_CALIBRATING: Final = 2 << 2
_FIRMWARE: Final = bytes.fromhex("05030100050001")  # and what is not known
_COLOURS: Final = ("green", "yellow", "red")  # from 1


def _encode(_: Sender, readings: Readings) -> bytes:
    flags = _WITH_VALUES | (_CALIBRATING if readings.flag("calibrating") else 0)
    return (
        _COMPANY
        + bytes((flags,))
        + _FIRMWARE
        + struct.pack(
            "<HHHBBBHHB",
            readings.raw("co2"),
            readings.raw("air_temperature", 0.05),
            readings.raw("atmospheric_pressure", 0.1),
            readings.raw("relative_humidity"),
            readings.raw("battery_level"),
            1 + _COLOURS.index(readings.text("device_state")),
            readings.raw("measurement_interval"),
            readings.raw("measurement_age"),
            readings.serial & 0xFF,
        )
    )


MODELS: Final = {
    "aranet": Model(
        title="An Aranet4: carbon dioxide and climate of a room.",
        driver="aranet",
        medium="manufacturer",
        sends=(
            Quantity(name="co2", low=300, high=9999),
            Quantity(name="air_temperature", step=0.05, low=0, high=50),
            Quantity(name="atmospheric_pressure", step=0.1, low=800, high=1100),
            Quantity(name="relative_humidity", low=0, high=100),
            Quantity(name="battery_level", low=1, high=100),
            Quantity(name="device_state", choices=_COLOURS),
            Quantity(name="measurement_interval", low=60, high=600),
            Quantity(name="measurement_age", low=0, high=600),
            Quantity(name="calibrating"),
        ),
        encode=_encode,
        counts=1 << 8,
        local_name="Aranet4 {tail}",
    ),
}
