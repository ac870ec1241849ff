"""Aranet4, Aranet2, Aranet Radiation and Aranet Radon: manufacturer data of company 0x0702.

    FF VVVVVV .. .. .. .. CCCC TTTT PPPP HH BB SS IIII GGGG NN                 Aranet4
    01 FF VVVVVV .. .. .. .... TTTT .... HHHH .. BB SS IIII GGGG NN            Aranet2
    02 FF VVVVVV .. DDDDDDDD UUUUUUUU RRRR .. BB .. IIII GGGG NN               Aranet Radiation
    03 FF VVVVVV .. .. .. QQQQ TTTT PPPP HHHH .. BB SS IIII GGGG NN            Aranet Radon

    F  bit 2-3: 2 calibrating; bit 5: the      B  battery, %
       values follow: a user has to switch     S  Aranet4, Radon: colour of the display; 2:
       on "smart home integration"                bit 0-1 humidity, bit 2-3 temperature, as _LIMITS
    C  CO2, ppm                                D  dose, nSv, in U seconds
    T  temperature, 0.05 Cel                   R  dose rate, nSv/h
    P  pressure, 0.1 hPa                       Q  radon, Bq/m3; 1F00 and above: an error
    H  humidity: one byte %, two 0.1 %         I  interval of measuring, s; G age of this one, s
    V  firmware version, not mapped            N  packet counter

Little-endian; .. is unknown. Without the values a frame says nothing, whatever its length. A value
the sensor does not have has its highest bit set, the temperature's the one below. Aranet Radon One
has neither a thermometer nor a hygrometer: it sends zeros, and they are left out.
Source: https://github.com/Anrijs/Aranet4-Python (docs/UUIDs.md, aranet4/client.py), which does not
read N of an Aranet4; Shelly's example script for it does.
"""

from gateway.core.context import Context
from gateway.core.fields import u8, u16le, u32le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "aranet"
DEVICES = ("SAF Aranet4", "SAF Aranet2", "SAF Aranet Radiation", "SAF Aranet Radon")
UNMAPPED = ("firmware version",)
MATCH = {"manufacturer_id": 0x0702}
STRENGTH = 1

_ARANET4 = 0  # has no type byte; the others' is 1 to 3
_RADON = 3
_SIZES = {7: True, 22: True, 24: False}  # whether it is an Aranet4: 7 without any values
_WITH_VALUES = 0x20
_CALIBRATING = 2
_NEVER = 1 << 32
_NOT_OF_RADON_ONE = ("air_temperature", "relative_humidity")

# of each: (property, channel, read, offset, absent from, multiply, scale)...
_FIELDS = {
    _ARANET4: (
        ("co2", "", u16le, 8, 0x8000, 1, 0),
        ("air_temperature", "", u16le, 10, 0x4000, 5, 2),
        ("atmospheric_pressure", "", u16le, 12, 0x8000, 1, 1),
        ("relative_humidity", "", u8, 14, _NEVER, 1, 0),
        ("battery_level", "", u8, 15, _NEVER, 1, 0),
        ("measurement_interval", "", u16le, 17, _NEVER, 1, 0),
        ("measurement_age", "", u16le, 19, _NEVER, 1, 0),
    ),
    1: (
        ("air_temperature", "", u16le, 10, 0x4000, 5, 2),
        ("relative_humidity", "", u16le, 14, 0x8000, 1, 1),
        ("battery_level", "", u8, 17, _NEVER, 1, 0),
        ("measurement_interval", "", u16le, 19, _NEVER, 1, 0),
        ("measurement_age", "", u16le, 21, _NEVER, 1, 0),
    ),
    2: (
        ("radiation_dose_total", "", u32le, 6, _NEVER, 1, 3),
        ("duration", "dose", u32le, 10, _NEVER, 1, 0),
        ("radiation_dose_rate", "", u16le, 14, _NEVER, 1, 3),
        ("battery_level", "", u8, 17, _NEVER, 1, 0),
        ("measurement_interval", "", u16le, 19, _NEVER, 1, 0),
        ("measurement_age", "", u16le, 21, _NEVER, 1, 0),
    ),
    _RADON: (
        ("radon_concentration", "", u16le, 8, 0x1F00, 1, 0),
        ("air_temperature", "", u16le, 10, 0x4000, 5, 2),
        ("atmospheric_pressure", "", u16le, 12, 0x8000, 1, 1),
        ("relative_humidity", "", u16le, 14, 0x8000, 1, 1),
        ("battery_level", "", u8, 17, _NEVER, 1, 0),
        ("measurement_interval", "", u16le, 19, _NEVER, 1, 0),
        ("measurement_age", "", u16le, 21, _NEVER, 1, 0),
    ),
}
_COLOURS = {0: "error", 1: "green", 2: "yellow", 3: "red"}
_LIMITS = {0: "off", 1: "under", 2: "over", 3: "dash"}
_STATES = {  # of each: channel, offset, bit, names
    _ARANET4: (("", 16, 0, _COLOURS),),
    1: (("humidity", 18, 0, _LIMITS), ("temperature", 18, 2, _LIMITS)),
    2: (),
    _RADON: (("", 18, 0, _COLOURS),),
}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of the last measurement; none where they are not advertised."""
    kind = _kind(payload)
    flags = payload[0 if kind == _ARANET4 else 1]
    if not flags & _WITH_VALUES or len(payload) not in (22, 24):
        return []
    readings: list[tuple[str, int | str | None, int, str]] = []
    for name, channel, read, offset, absent, multiply, scale in _FIELDS[kind]:
        raw = read(payload, offset)
        readings.append((name, None if raw >= absent else raw * multiply, scale, channel))
    if kind == _RADON and not u16le(payload, 10) and not u16le(payload, 14):
        readings = [one for one in readings if one[0] not in _NOT_OF_RADON_ONE]
    for channel, offset, bit, names in _STATES[kind]:
        readings.append(("device_state", names[payload[offset] >> bit & 3], 0, channel))
    if kind == _ARANET4:
        readings.append(("calibrating", flags >> 2 & 3 == _CALIBRATING, 0, ""))
    return readings


def packet_counter(payload: bytes) -> int | None:
    """Return the packet counter, which only the long frames have."""
    return payload[-1] if len(payload) in (22, 24) else None


def _kind(payload: bytes) -> int:
    """Check the envelope; return which product it is."""
    if len(payload) not in _SIZES:
        raise DecodeError(BAD_LENGTH)
    if _SIZES[len(payload)]:
        return _ARANET4
    if payload[0] not in _FIELDS or payload[0] == _ARANET4:
        raise DecodeError(BAD_TYPE)
    return payload[0]
