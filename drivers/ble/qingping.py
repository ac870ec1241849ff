"""Qingping, formerly ClearGrass: service data of UUID 0xFDCD, little-endian.

    FF PP AAAAAAAAAAAA (TT LL VV...)...

    F  bit 3 always set; bit 6: the frame reports an event     T  type of a value, L its length,
    P  product                                                 V  the value, as the tables below
    A  an address of the device, reversed; of those with          say; an unknown type, or a
       Wi-Fi not that of Bluetooth: not read                      known one of another length, is
                                                                  skipped

Not mapped: 18, a constant bit field of what the device can do. 0F is the packet counter. FF as
battery level means an external supply; its bit 7, which clocks set at times, is not part of it.
Source: https://github.com/Bluetooth-Devices/qingping-ble, https://github.com/pvvx/TLB2Z
(src/qingping_adv.h), https://github.com/custom-components/ble_monitor; bit 7 of the battery
level as https://github.com/theengs/decoder reads it.
"""

from gateway.core.context import Context
from gateway.core.fields import i16le, take, u8, u16le, u24le, u32le
from gateway.core.refusal import BAD_TYPE, DecodeError

API = 1
MODEL = "qingping"
DEVICES = ("Qingping CGG1, CGH1, CGP1, CGD1, CGPR1 and alike",)
UNMAPPED = ("what the device can do",)
MATCH = {"service_uuid": 0xFDCD}
STRENGTH = 1

_ALWAYS = 0x08
_EVENT = 0x40
_START = 8
_PACKET_ID = 0x0F
_SUPPLIED = 0xFF

# kind: length, (property, read, offset, scale)...
_NUMBERS = {
    0x01: (4, (("air_temperature", i16le, 0, 1), ("relative_humidity", u16le, 2, 1))),
    0x07: (2, (("atmospheric_pressure", u16le, 0, 1),)),
    0x09: (4, (("illuminance", u32le, 0, 0),)),
    0x12: (4, (("pm2_5", u16le, 0, 0), ("pm10", u16le, 2, 0))),
    0x13: (2, (("co2", u16le, 0, 0),)),
    0x15: (2, (("voc_index", u16le, 0, 0),)),
    0x19: (1, (("sound_level", u8, 0, 0),)),
}


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all values; of two of one type the last counts."""
    if not u8(payload, 0) & _ALWAYS:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | str | None, int, str]] = []
    places: dict[str, int] = {}
    at = len(take(payload, 0, _START))
    while at < len(payload):
        kind, size = payload[at], u8(payload, at + 1)
        for reading in _value(kind, take(payload, at + 2, size), payload[0]):
            name = reading[0]
            if name in places:
                readings[places[name]] = reading
            else:
                places[name] = len(readings)
                readings.append(reading)
        at += 2 + size
    return readings


def packet_counter(payload: bytes) -> int | None:
    """Return the packet counter, which not all products send."""
    at = _START
    while at + 2 < len(payload):
        if payload[at] == _PACKET_ID and payload[at + 1] == 1:
            return payload[at + 2]
        at += 2 + payload[at + 1]
    return None


def _value(kind: int, value: bytes, flags: int) -> list[tuple[str, int | str | None, int, str]]:
    if kind in _NUMBERS:
        size, fields = _NUMBERS[kind]
        if len(value) != size:
            return []
        return [(name, read(value, offset), scale, "") for name, read, offset, scale in fields]
    if kind in _OTHERS:
        size, read_state = _OTHERS[kind]
        return read_state(value, flags) if len(value) == size else []
    return []


def _battery(value: bytes, _flags: int) -> list[tuple[str, int | str | None, int, str]]:
    if value[0] == _SUPPLIED:
        return [("plugged_in", True, 0, "")]
    return [("battery_level", value[0] & 0x7F, 0, "")]


def _door(value: bytes, _flags: int) -> list[tuple[str, int | str | None, int, str]]:
    """0 open, 1 closed, 2 left open."""
    state = value[0]
    readings: list[tuple[str, int | str | None, int, str]] = []
    if state in _DOOR:
        readings.append(("door_open", _DOOR[state], 0, ""))
    if state == _LEFT_OPEN:
        readings.append(("alarm", "left_open", 0, ""))
    return readings


def _motion(value: bytes, flags: int) -> list[tuple[str, int | str | None, int, str]]:
    """MM LL LL LL: M motion, L illuminance, lx, which is none in a frame that reports an event."""
    readings: list[tuple[str, int | str | None, int, str]] = [
        ("motion_detected", value[0] != 0, 0, "")
    ]
    if not flags & _EVENT:
        readings.append(("illuminance", u24le(value, 1), 0, ""))
    return readings


def _light(value: bytes, _flags: int) -> list[tuple[str, int | str | None, int, str]]:
    return [("light_detected", value[0] != 0, 0, "")]


_LEFT_OPEN = 2
_DOOR = {0: True, 1: False, _LEFT_OPEN: True}
_OTHERS = {0x02: (1, _battery), 0x04: (1, _door), 0x08: (4, _motion), 0x11: (1, _light)}
