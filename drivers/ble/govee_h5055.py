"""Govee H5055, six probes: manufacturer data, its company id in front, little-endian, 22 bytes.

    CCCC xxxx BB PP xx (TTTT LLLL AAAA) xx (TTTT LLLL AAAA) xxxx

    C  company id, of no company: it differs from device to device
    B  lower seven bits: battery, %
    P  upper two bits: 0, the first and the second probe follow; 1, the third and the fourth; 2,
       the fifth and the sixth. Bit n of the lower six: probe n + 1 is plugged in
    T  temperature of the probe, L of its alarm below (channel "low"), A of its alarm above, Cel
    x  not known

An alarm below zero is one there is not.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16le
from gateway.core.govee import channel, names, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "govee-h5055"
DEVICES = ("Govee H5055",)
PAYLOAD = "manufacturer"
_SERVICE = ({"listed_uuid": 0x5550},)
MATCH = names(b"5055") + _SERVICE
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature and alarms of two of the probes, and the battery."""
    payload = without_beacon(payload)
    if len(payload) != 22:
        raise DecodeError(BAD_LENGTH)
    first = 2 * (payload[5] >> 6)
    if first == 6:
        raise DecodeError(BAD_VALUE)
    readings = _probe(payload, 7, first) + _probe(payload, 14, first + 1)
    readings.append(("battery_level", payload[4] & 0x7F, 0, ""))
    return readings


def _probe(payload: bytes, offset: int, number: int) -> list[tuple[str, int | None, int, str]]:
    probe = channel(number + 1)
    if not payload[5] >> number & 1:
        return [("probe_temperature", None, 0, probe)]
    low, high = i16le(payload, offset + 2), i16le(payload, offset + 4)
    return [
        ("probe_temperature", i16le(payload, offset), 0, probe),
        ("target_temperature", high if high >= 0 else None, 0, probe),
        ("target_temperature", low if low >= 0 else None, 0, channel(number + 1, "low")),
    ]
