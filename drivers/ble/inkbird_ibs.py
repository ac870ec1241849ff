"""Inkbird IBS-TH1, IBS-TH2, IBS-P01B: manufacturer data, its company id in front, little-endian.

    TTTT HHHH PP KKKK BB xx

    T  temperature, 0.01 Cel, signed: the company id itself
    H  humidity, 0.01 %; 0 and FFFF: no hygrometer      P  0: the sensor inside, 1: its probe
    K  CRC-16/MODBUS of the five bytes before      B  battery, %      x  not known

A pool thermometer (IBS-P01B) says air_temperature too: nothing in the frame tells it.
Source: the parser and the recorded frames of https://github.com/Bluetooth-Devices/inkbird-ble;
P as ESPHome's inkbird_ibsth1_mini reads it; K was found by trying: all recorded frames have it.
"""

from gateway.core.context import Context
from gateway.core.fields import i16le, u16le
from gateway.core.refusal import BAD_CHECKSUM, BAD_LENGTH, BAD_VALUE, DecodeError

API = 1
MODEL = "inkbird-ibs"
DEVICES = ("Inkbird IBS-TH1", "Inkbird IBS-TH2", "Inkbird IBS-P01B")
PAYLOAD = "manufacturer"
MATCH = ({"local_name": b"sps"}, {"local_name": b"tps"})
STRENGTH = 2

_TEMPERATURES = ("air_temperature", "probe_temperature")
_NO_HYGROMETER = (0, 0xFFFF)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int, int, str]]:
    """Return temperature, battery and, where there is a hygrometer, humidity."""
    if len(payload) != 9:
        raise DecodeError(BAD_LENGTH)
    if _crc(payload[:5]) != u16le(payload, 5):
        raise DecodeError(BAD_CHECKSUM)
    if payload[4] >= len(_TEMPERATURES):
        raise DecodeError(BAD_VALUE)
    readings = [
        (_TEMPERATURES[payload[4]], i16le(payload, 0), 2, ""),
        ("battery_level", payload[7], 0, ""),
    ]
    humidity = u16le(payload, 2)
    if humidity not in _NO_HYGROMETER:
        readings.append(("relative_humidity", humidity, 2, ""))
    return readings


def _shifted(crc: int) -> int:
    for _ in range(4):
        crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


_HALVES = tuple([_shifted(half) for half in range(16)])


def _crc(data: bytes) -> int:
    """Half a byte at a time: a table of bytes would be as large as the driver."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        crc = crc >> 4 ^ _HALVES[crc & 0xF]
        crc = crc >> 4 ^ _HALVES[crc & 0xF]
    return crc
