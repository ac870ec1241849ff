"""ThermoPro: a room thermometer and a meat probe; values begin where the company id belongs.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/thermopro-ble. A
TP357 says of its battery what its display shows: empty, half or full.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender

_TP3: Final = b"\xc2"
_TP3_END: Final = b"\x2c"
_FIRST_PROBE: Final = b"\x00"
_ICE_C: Final = -30  # what a probe calls zero
_HALF_FROM: Final = 26  # percent
_FULL_FROM: Final = 75


def _tp357(_: Sender, readings: Readings) -> bytes:
    percent = readings.raw("battery_level")
    bars = (percent >= _HALF_FROM) + (percent >= _FULL_FROM)
    values = struct.pack(
        "<hBB", readings.raw("air_temperature", 0.1), readings.raw("relative_humidity"), bars
    )
    return _TP3 + values + _TP3_END


def _tp960(_: Sender, readings: Readings) -> bytes:
    return _FIRST_PROBE + struct.pack(
        "<HHH",
        readings.raw("probe_temperature", above=_ICE_C),
        readings.raw("battery_voltage", 0.001),
        readings.raw("probe_temperature/ambient", above=_ICE_C),
    )


MODELS: Final = {
    "thermopro-tp3": Model(
        title="A ThermoPro TP357: temperature, humidity and a battery of three bars.",
        driver="thermopro-tp3",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=0.1, low=-20, high=60),
            Quantity(name="relative_humidity", low=0, high=99),
            Quantity(name="battery_level", step=51, low=1, high=100),
        ),
        encode=_tp357,
        serial="air_temperature",
        local_name="TP357 ({tail})",
    ),
    "thermopro-tp9": Model(
        title="A ThermoPro TP960, a meat probe: at its tip and around it, and its battery.",
        driver="thermopro-tp9",
        medium="manufacturer",
        sends=(
            Quantity(name="probe_temperature", low=-30, high=300),
            Quantity(name="probe_temperature/ambient", low=-30, high=300),
            Quantity(name="battery_voltage", step=0.001, low=1.8, high=3.3),
        ),
        encode=_tp960,
        serial="battery_voltage",
        local_name="TP960R (0000)",
    ),
}
