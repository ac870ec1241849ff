"""Cayenne LPP: a sequence of typed values, big-endian, as LoRa nodes send them.

    (CC TT VV...)...

    C  the node's own number of the sensor, 0..255
    T  type: it says what V is and how long
    V  value, as the tables below say

The channel of a reading is C as text, whatever else the packet holds: "3", with an axis "3-x", for
a second value of one type and C in one packet "3-2". So it names the same sensor in every packet.

A polyline (240) is a way that was travelled, each of its points a position of its own:

    LL FF AAAAAA OOOOOO (oa)...

    L  bytes of all of it, itself included, 8..255
    F  step: 1..199 of 0.0001 degree, or 227..239 for 1, 2, 5, 10 ... 10000 of them
    A  latitude of the first point, signed, in steps
    O  longitude of the first point, signed, in steps
    a  latitude of the next point less that of the one before, signed, in steps; o  longitude

Nothing in the format tells a damaged packet from a good one, so it is read whole or refused: with
BAD_TYPE for an unknown type, since nobody knows its length, with BAD_LENGTH for more values than
one observation carries. Voltage and current are unsigned, as the published table has them. No
packet says that it is Cayenne LPP, so the configuration must; it comes on whatever port the node
uses.

Source: https://github.com/ElectronicCats/CayenneLPP, src/CayenneLPP.h, src/CayenneLPPPolyline.cpp
and decoders/decoder.js; 122, a load in grams, as https://github.com/smlng/pycayennelpp has it
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, i24be, take, u8, u16be, u32be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "cayenne-lpp"
DEVICES = ("any LoRa node that sends Cayenne LPP",)
MATCH: dict[str, int | bytes] = {}
STRENGTH = 0

_READERS = (u8, u16be, i16be, i24be, u32be)
# Which of them: numbers, so that what stands in the tables is constant, and takes no memory where
# the driver is in an ESP32's firmware.
_U8 = 0
_U16 = 1
_I16 = 2
_I24 = 3
_U32 = 4

# LPP type: property, reader, size, multiply, scale; value = raw * multiply / 10**scale
_NUMBERS = {
    0: ("digital_input", _U8, 1, 1, 0),
    1: ("digital_output", _U8, 1, 1, 0),
    2: ("analog_input", _I16, 2, 1, 2),
    3: ("analog_output", _I16, 2, 1, 2),
    100: ("generic_value", _U32, 4, 1, 0),
    101: ("illuminance", _U16, 2, 1, 0),
    103: ("air_temperature", _I16, 2, 1, 1),
    104: ("relative_humidity", _U8, 1, 5, 1),
    115: ("atmospheric_pressure", _U16, 2, 1, 1),
    116: ("voltage", _U16, 2, 1, 2),
    117: ("current", _U16, 2, 1, 3),
    118: ("signal_frequency", _U32, 4, 1, 0),
    120: ("percentage", _U8, 1, 1, 0),
    121: ("altitude", _I16, 2, 1, 0),
    122: ("mass", _I24, 3, 1, 3),
    125: ("mole_fraction", _U16, 2, 1, 0),
    128: ("power", _U16, 2, 1, 0),
    130: ("distance", _U32, 4, 1, 3),
    131: ("energy_total", _U32, 4, 1, 3),
    132: ("direction", _U16, 2, 1, 0),
    133: ("unix_time", _U32, 4, 1, 0),
}
# LPP type: size, ((property, axis, reader, offset, multiply, scale), ...)
_VECTORS = {
    113: (  # 0.001 g = 0.00980665 m/s2
        6,
        (
            ("acceleration", "-x", _I16, 0, 980_665, 8),
            ("acceleration", "-y", _I16, 2, 980_665, 8),
            ("acceleration", "-z", _I16, 4, 980_665, 8),
        ),
    ),
    134: (
        6,
        (
            ("angular_velocity", "-x", _I16, 0, 1, 2),
            ("angular_velocity", "-y", _I16, 2, 1, 2),
            ("angular_velocity", "-z", _I16, 4, 1, 2),
        ),
    ),
    136: (
        9,
        (
            ("latitude", "", _I24, 0, 1, 4),
            ("longitude", "", _I24, 3, 1, 4),
            ("altitude", "", _I24, 6, 1, 2),
        ),
    ),
}
_STATES = {102: "presence_detected", 142: "switch_on"}  # one byte, zero is false
_COLOUR = 135
_POLYLINE = 240
_POLYLINE_MIN_SIZE = 8
_FIRST_STEP = 227  # of these, one each
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
_MOST_READINGS = 64  # of one observation (docs/reference/schema.md)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str, int, str]]:
    """Return the readings of all values of the packet."""
    readings: list[tuple[str, int | str, int, str]] = []
    seen: dict[str, int] = {}
    at = 0
    while at < len(payload):
        size, values = _value(u8(payload, at + 1), payload, at + 2)
        for name, value, scale, axis in values:
            channel = str(payload[at]) + axis
            count = seen[name + channel] = seen.get(name + channel, 0) + 1
            readings.append((name, value, scale, channel if count == 1 else f"{channel}-{count}"))
        at += 2 + size
    if len(readings) > _MOST_READINGS:
        raise DecodeError(BAD_LENGTH)
    return readings


def _value(
    kind: int, payload: bytes, at: int
) -> tuple[int, list[tuple[str, int | str, int, str]]]:
    """Return the size of the value at `at`, and what it says: (property, value, scale, axis)."""
    if kind in _NUMBERS:
        name, reader, size, multiply, scale = _NUMBERS[kind]
        return size, [(name, _READERS[reader](payload, at) * multiply, scale, "")]
    if kind in _VECTORS:
        size, parts = _VECTORS[kind]
        return size, [
            (name, _READERS[reader](payload, at + offset) * multiply, scale, axis)
            for name, axis, reader, offset, multiply, scale in parts
        ]
    if kind in _STATES:
        return 1, [(_STATES[kind], u8(payload, at) != 0, 0, "")]
    if kind == _COLOUR:
        return 3, [("colour", "#" + take(payload, at, 3).hex(), 0, "")]
    if kind == _POLYLINE:
        size = u8(payload, at)
        return size, _polyline(take(payload, at, size))
    raise DecodeError(BAD_TYPE)


def _polyline(line: bytes) -> list[tuple[str, int | str, int, str]]:
    """Return the points of a polyline, in their order."""
    if len(line) < _POLYLINE_MIN_SIZE:
        raise DecodeError(BAD_VALUE)
    step = _step(line[1])
    latitude, longitude = i24be(line, 2), i24be(line, 5)
    points: list[tuple[str, int | str, int, str]] = []
    for delta in b"\x00" + line[8:]:  # none to the first point
        latitude += _nibble(delta & 0x0F)
        longitude += _nibble(delta >> 4)
        points.append(("latitude", latitude * step, 4, ""))
        points.append(("longitude", longitude * step, 4, ""))
    return points


def _step(factor: int) -> int:
    if 0 < factor < 200:
        return factor
    if _FIRST_STEP <= factor < _FIRST_STEP + len(_STEPS):
        return _STEPS[factor - _FIRST_STEP]
    raise DecodeError(BAD_VALUE)


def _nibble(value: int) -> int:
    """Return four bits as a signed number."""
    return value - 16 if value & 8 else value
