"""Govee H5112, two probes: manufacturer data, its company id in front, big-endian, 10 bytes.

    0100 xxxx NNNNNN BB xx PP

    N  highest bit: below zero; else temperature * 1000 + humidity, in 0.1 Cel and 0.1 %
    B  highest bit: the probe is faulty; else battery, %
    P  41: the first probe, 82: the second, which has no humidity      x  not known

The layout is that of a thermometer: only the name tells.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.govee import channel, company, names, packed, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "govee-h5112"
DEVICES = ("Govee H5112",)
PAYLOAD = "manufacturer"
MATCH = names(b"5112")
STRENGTH = 1

_PROBES = {0x41: 1, 0x82: 2}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return what one of the probes measures, and the battery of the station."""
    payload = without_beacon(payload)
    if company(payload) != 1:
        raise DecodeError(BAD_TYPE)
    if len(payload) != 10:
        raise DecodeError(BAD_LENGTH)
    probe = _PROBES.get(payload[9])
    if probe is None:
        raise DecodeError(BAD_VALUE)
    battery = payload[7]
    temperature, humidity = packed(payload, 4, is_fault=battery & 0x80 != 0)
    readings = [("probe_temperature", temperature, 1, channel(probe))]
    if probe == 1:
        readings.append(("relative_humidity", humidity, 1, ""))
    readings.append(("battery_level", battery & 0x7F, 0, ""))
    return readings
