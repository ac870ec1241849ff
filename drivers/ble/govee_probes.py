"""Govee grill thermometers H5181 to H5185: manufacturer data, company id in front, big-endian.

    CCCC xxxxxxxxxxxxxxxx TTTT AAAA xxxx                       H5181, H5183
    CCCC xxxxxxxxxxxx PP xx TTTT AAAA xx TTTT AAAA             H5182, H5184
    CCCC xxxxxxxxxxxx PP xx TTTT AAAA xxxx TTTT AAAA xxxx      H5185

    C  company id, of no company: it differs from device to device
    P  lower six bits: 1, the first and the second probe follow; 2, the third and the fourth
    T  temperature of the probe, 0.01 Cel      A  temperature of its alarm, 0.01 Cel
    x  not known

A temperature below zero is one there is not: no probe, no alarm. Not mapped: what may be the
battery, in the byte before P; the alarm below, where there is one.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16be
from gateway.core.govee import channel, names, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "govee-probes"
DEVICES = ("Govee H5181", "Govee H5182", "Govee H5183", "Govee H5184", "Govee H5185")
UNMAPPED = ("what may be the battery", "the alarm below")
PAYLOAD = "manufacturer"
_SERVICES = tuple([{"listed_uuid": one} for one in (0x8151, 0x8251, 0x8351, 0x8451, 0x8551)])
MATCH = names(b"5181", b"5182", b"5183", b"5184", b"5185") + _SERVICES
STRENGTH = 1

_ONE_PROBE = 16  # bytes
_PROBES = {_ONE_PROBE: (10,), 19: (10, 15), 22: (10, 16)}  # length: where the probes stand


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature and alarm of one or two probes."""
    payload = without_beacon(payload)
    if len(payload) not in _PROBES:
        raise DecodeError(BAD_LENGTH)
    pair = 1 if len(payload) == _ONE_PROBE else payload[8] & 0x3F
    if pair not in (1, 2):
        raise DecodeError(BAD_VALUE)
    readings: list[tuple[str, int | None, int, str]] = []
    for number, offset in enumerate(_PROBES[len(payload)], 2 * pair - 1):
        readings.append(("probe_temperature", _there(payload, offset), 2, channel(number)))
        readings.append(("target_temperature", _there(payload, offset + 2), 2, channel(number)))
    return readings


def _there(payload: bytes, offset: int) -> int | None:
    temperature = i16be(payload, offset)
    return temperature if temperature >= 0 else None
