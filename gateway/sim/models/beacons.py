"""Beacons: the telemetry of Eddystone (service data 0xFEAA) and iBeacon (company 0x004C).

From https://github.com/google/eddystone/tree/master/eddystone-tlm and
https://developer.apple.com/ibeacon. Both are big-endian.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

EDDYSTONE: Final = 0xFEAA
APPLE: Final = 0x004C
IBEACON: Final = b"\x02\x15"
_TLM: Final = b"\x20\x00"
_OWNER: Final = "e2c56db5dffb48d2b060d0f5a71096e0"


def _telemetry(_: Sender, readings: Readings) -> bytes:
    return (
        id16(EDDYSTONE)
        + _TLM
        + struct.pack(
            ">HhII",
            readings.raw("battery_voltage", 0.001),
            readings.raw("device_temperature", 1 / 256),
            readings.raw("advertisement_count"),
            readings.raw("uptime", 0.1),
        )
    )


def _ibeacon(_: Sender, readings: Readings) -> bytes:
    return (
        id16(APPLE)
        + IBEACON
        + bytes.fromhex(readings.text("beacon_id"))
        + struct.pack(
            ">HHb",
            readings.raw("beacon_major"),
            readings.raw("beacon_minor"),
            readings.raw("measured_power"),
        )
    )


MODELS: Final = {
    "eddystone": Model(
        title="An Eddystone beacon's telemetry: battery, temperature, frames, uptime.",
        driver="eddystone",
        medium="service",
        sends=(
            Quantity(name="battery_voltage", step=0.001, low=1, high=4),
            Quantity(name="device_temperature", step=1 / 256, low=-40, high=85),
            Quantity(name="advertisement_count", counts=1 << 32),
            Quantity(name="uptime", step=0.1, low=0, high=0xFFFFFFFF / 10),
        ),
        encode=_telemetry,
        counts=1 << 32,
        listed=(EDDYSTONE,),
    ),
    "ibeacon": Model(
        title="An iBeacon: it says always the same, so no frame of it is missed.",
        driver="ibeacon",
        medium="manufacturer",
        sends=(
            Quantity(name="beacon_id", choices=(_OWNER,)),
            Quantity(name="beacon_major", low=0, high=65_535),
            Quantity(name="beacon_minor", low=0, high=65_535),
            Quantity(name="measured_power", low=-128, high=50),
        ),
        encode=_ibeacon,
        serial=None,
        named=True,
    ),
}
