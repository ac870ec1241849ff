"""BlueMaestro Tempo Disc of type 16: manufacturer data of company 0x0133, big-endian.

From https://github.com/Bluetooth-Devices/bluemaestro-ble, whose recorded frames say what stands
where.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

_COMPANY: Final = id16(0x0133)
_INTERVAL_AND_LOG: Final = bytes.fromhex("0e100002")


def _encode(_: Sender, readings: Readings) -> bytes:
    return (
        _COMPANY
        + bytes((0x16, readings.raw("battery_level")))
        + _INTERVAL_AND_LOG
        + struct.pack(
            ">hHh",
            readings.raw("air_temperature", 0.1),
            readings.raw("relative_humidity", 0.1),
            readings.raw("dew_point", 0.1),
        )
    )


MODELS: Final = {
    "bluemaestro": Model(
        title="A BlueMaestro Tempo Disc: temperature, humidity and dew point.",
        driver="bluemaestro",
        medium="manufacturer",
        sends=(
            Quantity(name="battery_level", low=1, high=100),
            Quantity(name="air_temperature", step=0.1, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.1, low=0, high=100),
            Quantity(name="dew_point", step=0.1, low=-50, high=40),
        ),
        encode=_encode,
        serial="air_temperature",
    ),
}
