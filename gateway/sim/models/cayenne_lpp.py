"""Cayenne LPP over LoRa: channel, type, big-endian value, again and again.

From https://github.com/ElectronicCats/CayenneLPP, whose type 100 is a number without a unit.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender


def _encode(_: Sender, readings: Readings) -> bytes:
    """Temperature, humidity, battery voltage and a count on channels 1 to 4."""
    return struct.pack(
        ">BBhBBBBBhBBI",
        1,
        103,
        readings.raw("air_temperature/1", 0.1),
        2,
        104,
        readings.raw("relative_humidity/2", 0.5),
        3,
        2,
        readings.raw("analog_input/3", 0.01),
        4,
        100,
        readings.raw("generic_value/4"),
    )


MODELS: Final = {
    "cayenne-lpp": Model(
        title="A LoRa node that speaks Cayenne LPP: temperature, humidity, a voltage, a count.",
        driver="cayenne-lpp",
        medium="lora",
        sends=(
            Quantity(name="air_temperature/1", step=0.1, low=-40, high=60),
            Quantity(name="relative_humidity/2", step=0.5, low=0, high=100),
            Quantity(name="analog_input/3", step=0.01, low=2, high=3),
            Quantity(name="generic_value/4", counts=1 << 32),
        ),
        encode=_encode,
        serial="generic_value/4",
        named=True,
    ),
}
