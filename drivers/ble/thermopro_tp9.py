"""ThermoPro TP96x, TP97x meat probes: manufacturer data, its company id in front, little-endian.

    PP TTTT VVVV RRRR [BBBBBBBBBBBB]                          TP960, TP962, TP970, some TP972
    PP FFFF VVVV GGGGGGGG MMMMMMMM EEEEEEEE xxxxxxxxxxxx      TP972

    P  probe, the first is 0      V  battery, mV      B  address of the base
    T  temperature at the tip, R around the probe (channel "ambient"), Cel above -30
    F  temperature around the probe, degF above -54, a whole number
    G  M  E  the same at the tip, in the middle ("center"), at the end ("end"); IEEE 754, 32 bits
    x  not known

Temperatures in degF are published to the nearest 0.01 Cel. Not mapped: the battery in percent,
which is a guess from V.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/thermopro-ble
"""

from gateway.core.context import Context
from gateway.core.fields import u16le, u32le
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "thermopro-tp9"
DEVICES = ("ThermoPro TP960, TP962, TP970, TP972",)
UNMAPPED = ("battery in percent, a guess",)
PAYLOAD = "manufacturer"
MATCH = ({"local_name": b"TP96"}, {"local_name": b"TP97"})
STRENGTH = 1

_EXACT = 24  # bits of a fraction kept of a float: more than there are above 0.5
_HIGHEST = 0x7FFF  # degF above -54, far from what any probe can measure
_FLOATS = (("", 5), ("center", 9), ("end", 13))


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return the temperatures of one probe and the voltage of its battery."""
    if len(payload) in (7, 13):
        temperatures = [
            ("", u16le(payload, 1) - 30, 0),
            ("ambient", u16le(payload, 5) - 30, 0),
        ]
    elif len(payload) == 23:
        temperatures = [(part, _celsius(_fixed(payload, at)), 2) for part, at in _FLOATS]
        temperatures.append(("ambient", _celsius(u16le(payload, 1) << _EXACT), 2))
    else:
        raise DecodeError(BAD_LENGTH)
    readings = [
        ("probe_temperature", value, scale, _channel(payload[0], part))
        for part, value, scale in temperatures
    ]
    readings.append(("battery_voltage", u16le(payload, 3), 3, _channel(payload[0], "")))
    return readings


def _channel(probe: int, part: str) -> str:
    number = str(probe + 1) if probe else ""
    return f"{number}-{part}" if number and part else number or part


def _fixed(payload: bytes, offset: int) -> int:
    """Return an IEEE 754 number of 32 bits, times two to the power of _EXACT."""
    bits = u32le(payload, offset)
    fraction = bits & 0x7FFFFF | 0x800000  # of zero and its neighbours this is too much: all go
    shift = ((bits >> 23) & 0xFF) - 150 + _EXACT
    if shift > _EXACT:  # 2**24 and more, the infinite, and what is no number
        raise DecodeError(BAD_VALUE)
    value = fraction << shift if shift >= 0 else fraction >> -shift
    if value > _HIGHEST << _EXACT:
        raise DecodeError(BAD_VALUE)
    return -value if bits >> 31 else value


def _celsius(fahrenheit: int) -> int:
    """Return 0.01 Cel of degF above -54, times two to the power of _EXACT."""
    numerator = (fahrenheit - (86 << _EXACT)) * 500
    half = 9 << (_EXACT - 1)
    return (numerator + half) // (9 << _EXACT)
