"""Govee H5198, four probes: manufacturer data, its company id in front, big-endian, 22 bytes.

    CCCC xxxxxxxxxxxx PP xx (TTTT AAAA LLLL)x2

    C  company id, of no company: it differs from device to device
    P  lower six bits: 1, the first and the second probe follow; 2, the third and the fourth
    T  temperature of the probe, 0.01 Cel      A  of its alarm above, the same
    L  of its alarm below, the same, channel "low"      x  not known

A temperature below zero is one there is not: no probe, no alarm.
The length is that of other grill thermometers: name or listed service tell. Not mapped: what may
be the battery, in the byte before P.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16be
from gateway.core.govee import channel, names, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "govee-h5198"
DEVICES = ("Govee H5198",)
PAYLOAD = "manufacturer"
_SERVICE = ({"listed_uuid": 0x9851},)
MATCH = names(b"5198") + _SERVICE
STRENGTH = 1

_FIELDS = (("probe_temperature", ""), ("target_temperature", ""), ("target_temperature", "low"))


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature and alarms of two of the probes."""
    payload = without_beacon(payload)
    if len(payload) != 22:
        raise DecodeError(BAD_LENGTH)
    pair = payload[8] & 0x3F
    if pair not in (1, 2):
        raise DecodeError(BAD_VALUE)
    readings: list[tuple[str, int | None, int, str]] = []
    for place in range(6):
        name, part = _FIELDS[place % 3]
        value = i16be(payload, 10 + 2 * place)
        there = value if value >= 0 else None
        readings.append((name, there, 2, channel(2 * pair - 1 + place // 3, part)))
    return readings
