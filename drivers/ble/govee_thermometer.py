"""Govee thermometers: manufacturer data, its company id in front; name and length tell the layout.

    88EC xx NNNNNN BB xx                  H5072, H5075, H5129
    0100 xxxx NNNNNN BB [xxxx]            H5100 to H5105, H5108, H5110, H5174, H5177, GV5179
    0100 xxxx PP NNNNNN BB xxxx           H5178: the station, and the probe outside
    88EC xx TTTT HHHH BB xx [xxxx]        H5074; with two bytes more H5051, H5052, H5071
    0188 xxxxxxxx TTTT HHHH BB            Govee_H5179

    N  highest bit: below zero; else temperature * 1000 + humidity, in 0.1 Cel and 0.1 %
    T  temperature, 0.01 Cel, signed      H  humidity, 0.01 %, both little-endian
    B  battery, %; before an N its highest bit says that the sensor is faulty
    P  0: the station, 1: the probe outside, channel "remote"      x  not known

A packed temperature below -40 or above 100 Cel is a fault too. Without its name, which is in the
scan response, a device with company id EC88 or 8801 is found by that: of EC88 if x is 00, for the
maker's buttons have that id, too. Not mapped: nothing else is known.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/govee-ble
"""

from gateway.core.context import Context
from gateway.core.fields import i16le, u8, u16le
from gateway.core.govee import company, names, packed, without_beacon
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "govee-thermometer"
DEVICES = (
    "Govee H5051, H5052, H5071, H5072, H5074, H5075, H5129",
    "Govee H5100 to H5105, H5108, H5110, H5174, H5177, H5178, H5179",
)
PAYLOAD = "manufacturer"
_OTHERS = (
    {"local_name": b"B5178"},
    {"manufacturer_id": 0xEC88, "prefix": b"\x00"},
    {"manufacturer_id": 0x8801, "prefix": b"\xec\x00\x01\x01"},
)
MATCH = (
    names(b"5051", b"5052", b"5071", b"5072", b"5074", b"5075", b"5100", b"5101", b"5102", b"5103")
    + names(b"5104", b"5105", b"5108", b"5110", b"5129", b"5174", b"5177", b"5178", b"5179")
    + _OTHERS
)
STRENGTH = 1  # by its name, or a company id of nobody's, and a fixed length

_PROBES = {0: "", 1: "remote"}


def _packed(payload: bytes, offset: int) -> list[tuple[str, int | None, int, str]]:
    battery = u8(payload, offset + 3)
    temperature, humidity = packed(payload, offset, is_fault=battery & 0x80 != 0)
    return [
        ("air_temperature", temperature, 1, ""),
        ("relative_humidity", humidity, 1, ""),
        ("battery_level", battery & 0x7F, 0, ""),
    ]


def _packed_of_probe(payload: bytes, offset: int) -> list[tuple[str, int | None, int, str]]:
    channel = _PROBES.get(payload[offset - 1])
    if channel is None:
        raise DecodeError(BAD_VALUE)
    return [(name, value, scale, channel) for name, value, scale, _ in _packed(payload, offset)]


def _plain(payload: bytes, offset: int) -> list[tuple[str, int | None, int, str]]:
    return [
        ("air_temperature", i16le(payload, offset), 2, ""),
        ("relative_humidity", u16le(payload, offset + 2), 2, ""),
        ("battery_level", u8(payload, offset + 4), 0, ""),
    ]


_LAYOUTS = {  # company id: length with it: how to read it, where the temperature stands
    0xEC88: {8: (_packed, 3), 9: (_plain, 3), 11: (_plain, 3)},
    0x0001: {8: (_packed, 4), 10: (_packed, 4), 11: (_packed_of_probe, 5)},
    0x8801: {11: (_plain, 6)},
}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return temperature, humidity and battery of the station or of its probe."""
    payload = without_beacon(payload)
    layouts = _LAYOUTS.get(company(payload))
    if layouts is None:
        raise DecodeError(BAD_TYPE)
    if len(payload) not in layouts:
        raise DecodeError(BAD_LENGTH)
    read, offset = layouts[len(payload)]
    return read(payload, offset)
