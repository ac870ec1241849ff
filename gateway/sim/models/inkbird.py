"""Inkbird thermometers: manufacturer data, of some with values where the company id belongs.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/inkbird-ble; the
checksum of the IBS sensors is a CRC-16/MODBUS, as their frames show. Bytes that nobody knows are
those of recorded frames.
"""

import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import crc16_modbus, id16

_IBS_SENSOR_INSIDE: Final = 0
_IBS_END: Final = b"\x06"
_ITH: Final = id16(0x2449) + bytes.fromhex("07110098")
_ITH_END: Final = bytes.fromhex("01900400000000")
_T2: Final = id16(0x3254) + b"\x00\x62"
_T2_CELSIUS: Final = bytes.fromhex("bed4")
_T2_END: Final = b"\x91"
_IBBQ: Final = id16(0x0000) + bytes(2)

_TEMPERATURE: Final = Quantity(name="air_temperature", step=0.1, low=-40, high=60)
_HUMIDITY: Final = Quantity(name="relative_humidity", step=0.1, low=1, high=100)
_BATTERY: Final = Quantity(name="battery_level", low=1, high=100)
_PROBES: Final = tuple(
    Quantity(name=name, step=0.1, low=0, high=300)
    for name in (
        "probe_temperature",
        "probe_temperature/2",
        "probe_temperature/3",
        "probe_temperature/4",
    )
)


def _ibs(_: Sender, readings: Readings) -> bytes:
    values = struct.pack(
        "<hHB",
        readings.raw("air_temperature", 0.01),
        readings.raw("relative_humidity", 0.01),
        _IBS_SENSOR_INSIDE,
    )
    checksum = crc16_modbus(values).to_bytes(2, "little")
    return values + checksum + bytes((readings.raw("battery_level"),)) + _IBS_END


def _ith(_: Sender, readings: Readings) -> bytes:
    values = struct.pack(
        "<hHB",
        readings.raw("air_temperature", 0.1),
        readings.raw("relative_humidity", 0.1),
        readings.raw("battery_level"),
    )
    return _ITH + values + _ITH_END


def _iam_t2(sender: Sender, readings: Readings) -> bytes:
    values = struct.pack(
        ">hHH",
        readings.raw("air_temperature", 0.1),
        readings.raw("relative_humidity", 0.1),
        readings.raw("co2"),
    )
    return _T2 + sender.octets[2:] + _T2_CELSIUS + values + _T2_END


def _ibbq(sender: Sender, readings: Readings) -> bytes:
    temperatures = (readings.raw(one.name, 0.1) for one in _PROBES)
    return _IBBQ + sender.octets + struct.pack("<4h", *temperatures)


MODELS: Final = {
    "inkbird-ibs": Model(
        title="An Inkbird IBS-TH1: temperature, humidity and battery.",
        driver="inkbird-ibs",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=0.01, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.01, low=1, high=100),
            _BATTERY,
        ),
        encode=_ibs,
        serial="air_temperature",
        local_name="sps",
    ),
    "inkbird-ith": Model(
        title="An Inkbird ITH-21-B: temperature, humidity and battery.",
        driver="inkbird-ith",
        medium="manufacturer",
        sends=(_TEMPERATURE, _HUMIDITY, _BATTERY),
        encode=_ith,
        serial="air_temperature",
        local_name="ITH-21-B",
    ),
    "inkbird-iam-t2": Model(
        title="An Inkbird IAM-T2: carbon dioxide, temperature and humidity of a room.",
        driver="inkbird-iam-t2",
        medium="manufacturer",
        sends=(_TEMPERATURE, _HUMIDITY, Quantity(name="co2", low=300, high=10_000)),
        encode=_iam_t2,
        serial="air_temperature",
        local_name="Ink@IAM-T2",
    ),
    "inkbird-ibbq": Model(
        title="An Inkbird iBBQ with four probes.",
        driver="inkbird-ibbq",
        medium="manufacturer",
        sends=_PROBES,
        encode=_ibbq,
        serial="probe_temperature",
        local_name="iBBQ",
    ),
}
