"""Govee's grill thermometers: manufacturer data of 16 or 22 bytes with probes and their alarms.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble. The
company ids are no company's and differ from device to device; those here are of recorded frames,
as are the bytes that nobody knows. Of several probes the first two are sent.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender

_FIRST_TWO_PLUGGED_IN: Final = 0x03
_ABSENT: Final = 0xFFFF


def _whole(name: str) -> Quantity:
    return Quantity(name=name, low=0, high=300)


def _hundredths(name: str) -> Quantity:
    return Quantity(name=name, step=0.01, low=0, high=300)


_H5055: Final = (
    _whole("probe_temperature"),
    _whole("target_temperature/low"),
    _whole("target_temperature"),
    _whole("probe_temperature/2"),
    _whole("target_temperature/2-low"),
    _whole("target_temperature/2"),
)
_H5198: Final = (
    _hundredths("probe_temperature"),
    _hundredths("target_temperature"),
    _hundredths("target_temperature/low"),
    _hundredths("probe_temperature/2"),
    _hundredths("target_temperature/2"),
    _hundredths("target_temperature/2-low"),
)


def _h5055(_: Sender, readings: Readings) -> bytes:
    head = bytes.fromhex("2faf5500") + bytes(
        (readings.raw("battery_level"), _FIRST_TWO_PLUGGED_IN)
    )
    first, second = (
        b"\x20" + struct.pack("<hhh", *(readings.raw(one.name) for one in probe))
        for probe in (_H5055[:3], _H5055[3:])
    )
    return head + first + second + bytes(2)


def _h5181(_: Sender, readings: Readings) -> bytes:
    return bytes.fromhex("8a38d801000101e40186") + struct.pack(
        ">hhH",
        readings.raw("probe_temperature", 0.01),
        readings.raw("target_temperature", 0.01),
        0,
    )


def _h5191(_: Sender, readings: Readings) -> bytes:
    return (
        bytes.fromhex("63ac83010001014c5d04")
        + struct.pack(
            ">hhHh",
            readings.raw("probe_temperature", 0.01),
            readings.raw("target_temperature", 0.01),
            _ABSENT,
            readings.raw("probe_temperature/ambient", 0.01),
        )
        + b"\xff\xff\xff\xff"
    )


def _h5198(_: Sender, readings: Readings) -> bytes:
    head = bytes.fromhex("22306c01000101a3c10f")
    return head + struct.pack(">6h", *(readings.raw(one.name, 0.01) for one in _H5198))


MODELS: Final = {
    "govee-h5055": Model(
        title="A Govee H5055 with two probes: their temperatures and alarms.",
        driver="govee-h5055",
        medium="manufacturer",
        sends=(*_H5055, Quantity(name="battery_level", low=1, high=100)),
        encode=_h5055,
        serial="probe_temperature",
        local_name="GVH5055_{tail}",
        listed=(0x5550,),
    ),
    "govee-probes": Model(
        title="A Govee H5181: the temperature of a probe and its alarm.",
        driver="govee-probes",
        medium="manufacturer",
        sends=(_hundredths("probe_temperature"), _hundredths("target_temperature")),
        encode=_h5181,
        serial="probe_temperature",
        local_name="GVH5181_{tail}",
        listed=(0x8151,),
    ),
    "govee-h5191": Model(
        title="A Govee H5191: a probe's temperatures at its tip and around it, and its alarm.",
        driver="govee-h5191",
        medium="manufacturer",
        sends=(
            _hundredths("probe_temperature"),
            _hundredths("probe_temperature/ambient"),
            _hundredths("target_temperature"),
        ),
        encode=_h5191,
        serial="probe_temperature",
        local_name="GVH5191_{tail}",
        listed=(0x9151,),
    ),
    "govee-h5198": Model(
        title="A Govee H5198 with two probes: their temperatures and alarms.",
        driver="govee-h5198",
        medium="manufacturer",
        sends=_H5198,
        encode=_h5198,
        serial="probe_temperature",
        local_name="GVH5198_{tail}",
        listed=(0x9851,),
    ),
}
