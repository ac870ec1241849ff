"""Sensirion gadgets: manufacturer data of company 0x06D5, samples of type 0x08, little-endian.

From https://github.com/Sensirion/ble-services (ble-ad-sample-types.yml). Ticks divide a range by
65535; that is finer than the hundredths which are published.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

_HEAD: Final = id16(0x06D5) + b"\x00\x08"
_TICKS: Final = 65_535


def _encode(sender: Sender, readings: Readings) -> bytes:
    return (
        _HEAD
        + sender.octets[-2:]
        + struct.pack(
            "<HHH",
            readings.raw("air_temperature", 175 / _TICKS, above=-45),
            readings.raw("relative_humidity", 100 / _TICKS),
            readings.raw("co2"),
        )
    )


MODELS: Final = {
    "sensirion": Model(
        title="A Sensirion MyCO2: temperature, humidity and carbon dioxide.",
        driver="sensirion",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=0.01, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.01, low=0, high=100),
            Quantity(name="co2", low=300, high=40_000),
        ),
        encode=_encode,
        serial="air_temperature",
        local_name="MyCO2",
    ),
}
