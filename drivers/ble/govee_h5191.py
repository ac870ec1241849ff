"""Govee H5191, one probe: manufacturer data, its company id in front, big-endian, 22 bytes.

    CCCC xxxxxxxxxxxxxxxx TTTT AAAA xxxx RRRR xxxxxxxx

    C  company id, of no company: it differs from device to device
    T  temperature at the tip, 0.01 Cel      A  temperature of its alarm, 0.01 Cel
    R  temperature around the probe, 0.01 Cel, channel "ambient"      x  not known

A temperature at the tip or of the alarm that is below zero is one there is not.
The length is that of other grill thermometers: name or listed service tell. Not mapped: what may
be the battery.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16be
from gateway.core.govee import names, without_beacon
from gateway.core.refusal import BAD_LENGTH, DecodeError

API = 1
MODEL = "govee-h5191"
DEVICES = ("Govee H5191",)
PAYLOAD = "manufacturer"
_SERVICE = ({"listed_uuid": 0x9151},)
MATCH = names(b"5191") + _SERVICE
STRENGTH = 1


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the two temperatures of the probe and that of its alarm."""
    payload = without_beacon(payload)
    if len(payload) != 22:
        raise DecodeError(BAD_LENGTH)
    tip, alarm = i16be(payload, 10), i16be(payload, 12)
    return [
        ("probe_temperature", tip if tip >= 0 else None, 2, ""),
        ("probe_temperature", i16be(payload, 16), 2, "ambient"),
        ("target_temperature", alarm if alarm >= 0 else None, 2, ""),
    ]
