"""Cayenne LPP: a sequence of typed values, big-endian, as LoRa nodes send them.

    (CC TT VV...)...

    C  the node's own number of the sensor, 0..255
    T  type: it says what V is and how long
    V  value, as the tables below say

The channel of a reading is C as text, whatever else the packet holds: "3", with an axis "3-x", for
a second value of one type and C in one packet "3-2". So it names the same sensor in every packet.

Nothing in the format tells a damaged packet from a good one, so it is read whole or refused: with
BAD_TYPE for an unknown type, since nobody knows its length. A polyline (240) is skipped by its own
length. Voltage and current are unsigned, as the published table has them. No packet says that it
is Cayenne LPP, so the configuration must.

Source: https://github.com/ElectronicCats/CayenneLPP, src/CayenneLPP.h and decoders/decoder.js
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, i24be, take, u8, u16be, u32be
from gateway.core.refusal import BAD_TYPE, BAD_VALUE, DecodeError

API = 1
MODEL = "cayenne-lpp"
MATCH: dict[str, int | bytes] = {}
STRENGTH = 0

# LPP type: property, read, size, multiply, scale; value = raw * multiply / 10**scale
_NUMBERS = {
    0: ("digital_input", u8, 1, 1, 0),
    1: ("digital_output", u8, 1, 1, 0),
    2: ("analog_input", i16be, 2, 1, 2),
    3: ("analog_output", i16be, 2, 1, 2),
    100: ("generic_value", u32be, 4, 1, 0),
    101: ("illuminance", u16be, 2, 1, 0),
    103: ("air_temperature", i16be, 2, 1, 1),
    104: ("relative_humidity", u8, 1, 5, 1),
    115: ("atmospheric_pressure", u16be, 2, 1, 1),
    116: ("voltage", u16be, 2, 1, 2),
    117: ("current", u16be, 2, 1, 3),
    118: ("signal_frequency", u32be, 4, 1, 0),
    120: ("percentage", u8, 1, 1, 0),
    121: ("altitude", i16be, 2, 1, 0),
    125: ("mole_fraction", u16be, 2, 1, 0),
    128: ("power", u16be, 2, 1, 0),
    130: ("distance", u32be, 4, 1, 3),
    131: ("energy_total", u32be, 4, 1, 3),
    132: ("direction", u16be, 2, 1, 0),
    133: ("unix_time", u32be, 4, 1, 0),
}
# LPP type: size, ((property, axis, read, offset, multiply, scale), ...)
_VECTORS = {
    113: (  # 0.001 g = 0.00980665 m/s2
        6,
        (
            ("acceleration", "-x", i16be, 0, 980_665, 8),
            ("acceleration", "-y", i16be, 2, 980_665, 8),
            ("acceleration", "-z", i16be, 4, 980_665, 8),
        ),
    ),
    134: (
        6,
        (
            ("angular_velocity", "-x", i16be, 0, 1, 2),
            ("angular_velocity", "-y", i16be, 2, 1, 2),
            ("angular_velocity", "-z", i16be, 4, 1, 2),
        ),
    ),
    136: (
        9,
        (
            ("latitude", "", i24be, 0, 1, 4),
            ("longitude", "", i24be, 3, 1, 4),
            ("altitude", "", i24be, 6, 1, 2),
        ),
    ),
}
_STATES = {102: "presence_detected", 142: "switch_on"}  # one byte, zero is false
_COLOUR = 135
_POLYLINE = 240
_POLYLINE_MIN_SIZE = 8


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
    return readings


def _value(
    kind: int, payload: bytes, at: int
) -> tuple[int, list[tuple[str, int | str, int, str]]]:
    """Return the size of the value at `at`, and what it says: (property, value, scale, axis)."""
    if kind in _NUMBERS:
        name, read, size, multiply, scale = _NUMBERS[kind]
        return size, [(name, read(payload, at) * multiply, scale, "")]
    if kind in _VECTORS:
        size, parts = _VECTORS[kind]
        return size, [
            (name, read(payload, at + offset) * multiply, scale, axis)
            for name, axis, read, offset, multiply, scale in parts
        ]
    if kind in _STATES:
        return 1, [(_STATES[kind], u8(payload, at) != 0, 0, "")]
    if kind == _COLOUR:
        return 3, [("colour", "#" + take(payload, at, 3).hex(), 0, "")]
    if kind == _POLYLINE:
        return _polyline_size(payload, at), []
    raise DecodeError(BAD_TYPE)


def _polyline_size(payload: bytes, at: int) -> int:
    size = u8(payload, at)
    if size < _POLYLINE_MIN_SIZE:
        raise DecodeError(BAD_VALUE)
    return len(take(payload, at, size))
