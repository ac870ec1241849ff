"""Ruuvi RAWv2 (data format 5): manufacturer data of company 0x0499, big-endian, always 24 bytes.

    05 TTTT HHHH PPPP XXXX YYYY ZZZZ VVVV MM SSSS AAAAAAAAAAAA

    T  temperature, 0.005 Cel, signed         V  upper 11 bits: battery, mV above 1600
    H  humidity, 0.0025 %                        lower 5 bits: transmit power, 2 dBm above -40
    P  pressure, Pa above 50000               M  movements counted, wraps around
    X  Y  Z  acceleration, 0.001 g, signed    S  number of the measurement, wraps around
                                              A  address, not used: the frame's own says it

A field of all ones, where it is signed of the lowest value, is a value the sensor does not have.
Source: https://github.com/ruuvi/ruuvi-sensor-protocols/blob/master/dataformat_05.md
"""

from gateway.core.context import Context
from gateway.core.fields import i16be, u8, u16be
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, DecodeError

API = 1
MODEL = "ruuvi-rawv2"
DEVICES = ("Ruuvi RuuviTag", "Ruuvi RuuviTag Pro")
MATCH = {"manufacturer_id": 0x0499, "prefix": b"\x05"}
STRENGTH = 1


def _battery(payload: bytes, offset: int) -> int:
    return u16be(payload, offset) >> 5


def _tx_power(payload: bytes, offset: int) -> int:
    return u16be(payload, offset) & 0x1F


_FIELDS = (  # property, channel, read, offset, absent; value = (raw + add) * multiply / 10**scale
    ("air_temperature", "", i16be, 1, -0x8000, 0, 5, 3),
    ("relative_humidity", "", u16be, 3, 0xFFFF, 0, 25, 4),
    ("atmospheric_pressure", "", u16be, 5, 0xFFFF, 50_000, 1, 2),
    ("acceleration", "x", i16be, 7, -0x8000, 0, 980_665, 8),  # 1 g = 9.80665 m/s2
    ("acceleration", "y", i16be, 9, -0x8000, 0, 980_665, 8),
    ("acceleration", "z", i16be, 11, -0x8000, 0, 980_665, 8),
    ("battery_voltage", "", _battery, 13, 0x7FF, 1600, 1, 3),
    ("tx_power", "", _tx_power, 13, 0x1F, -20, 2, 0),
    ("movement_count", "", u8, 15, 0xFF, 0, 1, 0),
)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | None, int, str]]:
    """Return the nine readings of one measurement."""
    if len(payload) != 24:
        raise DecodeError(BAD_LENGTH)
    if payload[0] != 5:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | None, int, str]] = []
    for name, channel, read, offset, absent, add, multiply, scale in _FIELDS:
        raw = read(payload, offset)
        value = None if raw == absent else (raw + add) * multiply
        readings.append((name, value, scale, channel))
    return readings


def packet_counter(payload: bytes) -> int | None:
    """Return the number of the measurement: repeats of one measurement carry the same."""
    number = u16be(payload, 16) if len(payload) == 24 else 0xFFFF
    return None if number == 0xFFFF else number
