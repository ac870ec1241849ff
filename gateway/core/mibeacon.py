"""The objects of MiBeacon: what a Xiaomi device says, by object id and, if need be, product.

An object of an id, or of a length, that no table here has says nothing. Ids up to 0x3FFF are of
Xiaomi's object definition; those above are the products' own, as xiaomi-ble and ble_monitor read
them. Who used a lock or a scale is never read: neither key ids nor profiles.
"""

from gateway.core.fields import i16le, u8, u16le, u24le, u32le
from gateway.core.float32 import f32le
from gateway.core.mibeacon_events import (
    PRESS_OBJECTS,
    bolts,
    fingerprint,
    gesture,
    key_pressed,
    lock,
    pressed,
)

_MOTION_S = 30  # the maker's app calls it motion up to this idle time
_LIGHT_OR_DARK = (0x07F6, 0x098B, 0x0A8D)  # MJYD02YL, MCCGQ02HL, RTCGQ02LM send no lux
_LIGHT = 100  # or 256; dark is 0 or 1
_NO_MASS = 0x7FF
_NO_PULSE = 0x7F
_MAY_BE_DATED = (0x0007, 0x0008)  # what happened, and when
_RUNNING = {0: True, 1: False}
_IDLE = {1: (u8, 60), 2: (u16le, 1), 4: (u32le, 1)}  # length: read, seconds


def _f32(data: bytes, offset: int) -> int | None:
    return f32le(data, offset, 2)


# object id: length, property, channel, read, multiply, scale; value = raw * multiply / 10**scale
_NUMBERS = {
    0x000A: (2, "body_temperature", "", i16le, 1, 2),
    0x1004: (2, "air_temperature", "", i16le, 1, 1),
    0x1006: (2, "relative_humidity", "", u16le, 1, 1),
    0x1008: (1, "soil_moisture", "", u8, 1, 0),
    0x1009: (2, "soil_ec", "", u16le, 1, 0),
    0x100A: (1, "battery_level", "", u8, 1, 0),
    0x1010: (2, "formaldehyde", "", u16le, 10, 0),  # 0.01 mg/m3
    0x1013: (1, "consumable_level", "", u8, 1, 0),
    0x101A: (2, "mass", "", u16le, 1, 3),
    0x4801: (4, "air_temperature", "", _f32, 1, 2),
    0x4802: (1, "relative_humidity", "", u8, 1, 0),
    0x4803: (1, "battery_level", "", u8, 1, 0),
    0x4805: (4, "illuminance", "", _f32, 1, 2),
    0x4808: (4, "relative_humidity", "", _f32, 1, 2),
    0x483D: (4, "duration", "pressed", u32le, 1, 0),
    0x483E: (4, "duration", "released", u32le, 1, 0),
    0x483F: (4, "duration", "pressed-setting", u32le, 1, 0),
    0x4840: (4, "duration", "released-setting", u32le, 1, 0),
    0x4850: (1, "duration", "occupied", u8, 60, 0),
    0x4851: (1, "duration", "occupied", u8, 60, 0),
    0x4852: (1, "duration", "vacant", u8, 60, 0),
    0x4C01: (4, "air_temperature", "", _f32, 1, 2),
    0x4C02: (1, "relative_humidity", "", u8, 1, 0),
    0x4C03: (1, "battery_level", "", u8, 1, 0),
    0x4C08: (4, "relative_humidity", "", _f32, 1, 2),
    0x5003: (1, "battery_level", "", u8, 1, 0),
    0x5403: (1, "battery_level", "", u8, 1, 0),
    0x6012: (1, "relative_humidity", "", u8, 1, 0),
    0x605D: (1, "air_temperature", "", u8, 1, 0),
}
_STATES = {  # object id: property, channel; one byte, zero is false
    0x0008: ("armed", ""),
    0x000C: ("leak_detected", ""),
    0x1002: ("asleep", ""),
    0x1012: ("switch_on", ""),
    0x1014: ("leak_detected", ""),
    0x1016: ("gas_detected", ""),
    0x1018: ("light_detected", ""),
    0x4806: ("leak_detected", ""),
    0x4811: ("sound_detected", "snoring"),
    0x483C: ("pressed", ""),
    0x484E: ("occupied", ""),
    0x487B: ("leak_detected", "top"),
    0x4A01: ("battery_low", ""),
    0x4E01: ("battery_low", ""),
    0x5011: ("sound_detected", "snoring"),
    0x5413: ("occupied", "near"),
    0x5601: ("battery_low", ""),
}
_SMOKE: dict[int, tuple[tuple[str, int | str, str], ...]] = {
    0: (("smoke_detected", False, ""),),
    1: (("smoke_detected", True, ""),),
    2: (("sensor_fault", True, ""),),
    3: (("device_state", "self_test", ""),),
    4: (("device_state", "simulated_alarm", ""),),
}
_GAS: dict[int, tuple[tuple[str, int | str, str], ...]] = {
    0: (("gas_detected", False, ""),),
    1: (("gas_detected", True, ""),),
    2: (("sensor_fault", True, ""),),
    3: (("device_state", "sensor_worn_out", ""),),
    4: (("device_state", "warming_up", ""),),
    5: (("device_state", "self_test", ""),),
    6: (("device_state", "simulated_alarm", ""),),
}
_OPENING: dict[int, tuple[tuple[str, int | str, str], ...]] = {
    1: (("opening_open", True, ""),),
    2: (("opening_open", False, ""),),
}
_SLEEP: dict[int, tuple[tuple[str, int | str, str], ...]] = {
    0: (("asleep", False, ""),),
    1: (("asleep", True, ""),),
    2: (("button_event", "double_press", ""),),
}
_FORCED: tuple[tuple[str, int | str, str], ...] = (
    ("opening_open", True, ""),
    ("tamper_detected", True, ""),
)
_LEFT_OPEN: tuple[tuple[str, int | str, str], ...] = (
    ("opening_open", True, ""),
    ("alarm", "left_open", ""),
)
_RESET: tuple[tuple[str, int | str, str], ...] = (("device_state", "reset", ""),)
# object id: code: (property, value, channel)...; one byte
_CODES: dict[int, dict[int, tuple[tuple[str, int | str, str], ...]]] = {
    0x0007: {
        0: (("door_open", True, ""),),
        1: (("door_open", False, ""),),
        2: (("door_open", True, ""), ("alarm", "left_open", "")),
        3: (("door_open", False, ""), ("alarm", "knock", "")),
        4: (("door_open", True, ""), ("alarm", "forced_open", "")),
        5: (("alarm", "door_stuck", ""),),
    },
    0x000D: _SMOKE,
    0x000E: _GAS,
    0x0011: {  # a door viewer
        0: (("presence_detected", True, ""),),
        1: (("motion_detected", True, ""),),
        2: (("button_event", "press", "bell"),),
        3: (("device_state", "message_left", ""),),
        4: (("tamper_detected", True, ""),),
        5: (("alarm", "duress", ""),),
        6: (("alarm", "abnormal_unlocking", ""),),
    },
    0x100F: {0: (("door_open", True, ""),), 1: (("door_open", False, ""),)},
    0x1015: _SMOKE,
    0x1019: {
        0: (("opening_open", True, ""),),
        1: (("opening_open", False, ""),),
        2: _LEFT_OPEN,
        3: _RESET,
    },
    0x101C: {0: (("occupied", False, ""),), 1: (("occupied", True, ""),)},
    0x3000: {0: (("plugged_in", True, ""),), 1: (("plugged_in", False, ""),)},
    0x4804: _OPENING,
    0x480C: {0: (("opening_open", True, ""),), 1: (("opening_open", False, ""),)},
    0x4810: _SLEEP,
    0x4A0F: {1: _FORCED},
    0x4A12: _OPENING,
    0x4A13: {1: (("button_event", "press", ""),)},
    0x4A1A: {1: _LEFT_OPEN},
    0x4A1C: {1: _RESET},
    0x4A68: {  # of SJWS02LM, whose 0x4806 and 0x487B are the same two
        0: (("leak_detected", True, ""),),
        1: (("leak_detected", False, ""),),
        2: (("leak_detected", True, "top"),),
        3: (("leak_detected", False, "top"),),
    },
    0x4E17: {1: (("occupied", False, ""),)},
    0x4E1C: {1: _RESET},
    0x5010: _SLEEP,
    0x5422: {
        0: (("battery_charging", True, ""),),
        1: (("battery_charging", False, ""),),
        2: (("battery_charging", False, ""), ("device_state", "fully_charged", "")),
    },
    0x5810: {0: (("asleep", True, ""),), 1: (("asleep", False, ""),)},
    0x5A16: {
        1: (("occupied", True, ""),),
        2: (("occupied", False, ""),),
        3: (("button_event", "double_press", ""),),
    },
    0x6461: {0: (("device_state", "worn", ""),), 1: (("device_state", "not_worn", ""),)},
}
# (product, object id): instead of the above
_CODES_OF: dict[tuple[int, int], dict[int, tuple[tuple[str, int | str, str], ...]]] = {
    (0x09B0, 0x100F): {0: (("door_open", False, ""),), 1: (("door_open", True, ""),)},
    (0x1C10, 0x4E0C): {  # K9BB-1BTN
        1: (("button_event", "press", ""),),
        8: (("button_event", "long_press", ""),),
        15: (("button_event", "double_press", ""),),
    },
    (0x4683, 0x484E): {  # XMOSB01XS
        0: (("occupied", False, ""),),
        1: (("occupied", True, ""),),
        2: (("occupied", False, ""),),
    },
}


def readings_of(
    kind: int, data: bytes, product: int
) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of one object; none of one that is not known."""
    if kind in _NUMBERS:
        return _number(kind, data)
    if kind in PRESS_OBJECTS and (product, kind) not in _CODES_OF:
        return key_pressed(kind, data, product)
    if kind in _OTHERS:
        read, sizes = _OTHERS[kind]
        return read(data, product) if len(data) in sizes else []
    if len(data) == 1 + 4 and kind in _MAY_BE_DATED:
        readings = _state(kind, data, product)
        readings.extend(_dated(data[1:], product))
        return readings
    return _state(kind, data, product) if len(data) == 1 else []


def _number(kind: int, data: bytes) -> list[tuple[str, int | str | None, int, str]]:
    size, name, channel, read, multiply, scale = _NUMBERS[kind]
    if len(data) != size:
        return []
    raw = read(data, 0)
    return [(name, None if raw is None else raw * multiply, scale, channel)]


def _state(kind: int, data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    codes = _CODES_OF.get((product, kind)) or _CODES.get(kind)
    if codes is not None:
        return [(name, value, 0, channel) for name, value, channel in codes.get(data[0], ())]
    if kind in _STATES:
        name, channel = _STATES[kind]
        return [(name, data[0] != 0, 0, channel)]
    return []


def _near(_data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """[XX]: it is sent when somebody comes; the definition has no content."""
    return [("motion_detected", True, 0, "")]


def _climate(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """TT TT HH HH: T temperature, 0.1 Cel, H humidity, 0.1 %."""
    return [
        ("air_temperature", i16le(data, 0), 1, ""),
        ("relative_humidity", u16le(data, 2), 1, ""),
    ]


def _body_thermometer(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """SS SS PP PP BB: S skin, P circuit board, 0.01 Cel, B battery, %."""
    return [
        ("surface_temperature", i16le(data, 0), 2, "skin"),
        ("device_temperature", i16le(data, 2), 2, ""),
        ("battery_level", data[4], 0, ""),
    ]


def _dated(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """TT TT TT TT: when it happened."""
    return [("unix_time", u32le(data, 0), 0, "event")]


def _light(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """LL LL LL: L lux, or a code for light."""
    level = u24le(data, 0)
    if product in _LIGHT_OR_DARK:
        return [("light_detected", level >= _LIGHT, 0, "")]
    return [("illuminance", level, 0, "")]


def _motion_in_light(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """LL LL LL: as _light; and somebody moves."""
    readings = _near(data, product)
    readings.extend(_light(data, product))
    return readings


def _motion_with_lux(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """LL LL LL LL: L lux, a float; and somebody moves."""
    readings = _near(data, product)
    readings.append(("illuminance", _f32(data, 0), 2, ""))
    return readings


def _idle(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """Since when nobody moved, seconds; in a single byte minutes."""
    read, unit_s = _IDLE[len(data)]
    idle_s = read(data, 0) * unit_s
    return [("motion_detected", idle_s <= _MOTION_S, 0, ""), ("idle_time", idle_s, 0, "")]


def _still(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """KK: K 0 somebody moves, 1 nobody for the time set. II II II II: I that time, seconds."""
    if len(data) == 1:
        return [("motion_detected", data[0] == 0, 0, "")]
    idle_s = u32le(data, 0)
    return [("motion_detected", idle_s == 0, 0, ""), ("idle_time", idle_s, 0, "")]


def _toothbrush(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """EE [SS]: E 0 starts, 1 ends, S score; of M1S-T500 a count when it starts."""
    running = _RUNNING.get(data[0])
    if running is None:
        return []
    readings: list[tuple[str, int | str | None, int, str]] = [("running", running, 0, "")]
    if len(data) > 1:
        readings.append(("count" if running else "score", data[1], 0, ""))
    return readings


def _dated_toothbrush(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """EE TT TT TT TT [SS]: E 0 starts, 1 ends, T when, S score."""
    running = _RUNNING.get(data[0])
    if running is None:
        return []
    readings: list[tuple[str, int | str | None, int, str]] = [("running", running, 0, "")]
    readings.extend(_dated(data[1:], product))
    if len(data) > 1 + 4:
        readings.append(("score", data[5], 0, ""))
    return readings


def _weighing(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """WW WW KK: W weight, g; K 0 now, 1 taken away, 2 added."""
    channel = {0: "", 1: "removed", 2: "added"}.get(data[2])
    return [] if channel is None else [("mass", u16le(data, 0), 3, channel)]


def _kettle(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """SS TT: S on, T temperature of what is in it."""
    return [("switch_on", data[0] != 0, 0, ""), ("probe_temperature", data[1], 0, "")]


def _bed_or_scale(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """01: somebody is in bed. PP WW WW WW WW TT TT TT TT: P profile, W 0.01 kg, T when."""
    if len(data) == 1:
        return [("occupied", True, 0, "")] if data[0] == 1 else []
    mass = u32le(data, 1)
    readings: list[tuple[str, int | str | None, int, str]] = []
    if mass:
        readings.append(("mass", mass, 2, ""))
        readings.extend(_dated(data[5:], product))
    return readings


def _body(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """PP BB BB BB BB TT TT TT TT: P profile, T when, B as below, from the lowest bit.

    11 bits weight, 0.1 kg; 7 bits pulse, above 50/min; 14 bits impedance, 0.1 Ohm, measured at
    50 kHz beside a weight or a pulse, else at 250 kHz.
    """
    bits = u32le(data, 1)
    mass, pulse, impedance = bits & _NO_MASS, bits >> 11 & _NO_PULSE, bits >> 18
    mass = 0 if mass == _NO_MASS else mass
    readings: list[tuple[str, int | str | None, int, str]] = []
    if mass:
        readings.append(("mass", mass, 1, ""))
    if pulse not in (0, _NO_PULSE):
        readings.append(("heart_rate", pulse + 50, 0, ""))
    if impedance:
        readings.append(("electric_resistance", impedance, 1, "low" if mass or pulse else "high"))
    if readings:
        readings.extend(_dated(data[5:], product))
    return readings


_OTHERS = {  # object id: reader, lengths
    0x0003: (_near, (0, 1)),
    0x0006: (fingerprint, (5,)),
    0x0009: (gesture, (2,)),
    0x000B: (lock, (9,)),
    0x000F: (_motion_in_light, (3,)),
    0x0010: (_toothbrush, (1, 2)),
    0x0012: (_weighing, (3,)),
    0x1001: (pressed, (3,)),
    0x1005: (_kettle, (2,)),
    0x1007: (_light, (3,)),
    0x100D: (_climate, (4,)),
    0x100E: (bolts, (1,)),
    0x1017: (_idle, (4,)),
    0x101B: (_still, (1, 4)),
    0x2000: (_body_thermometer, (5,)),
    0x3003: (_dated_toothbrush, (5, 6)),
    0x4818: (_idle, (2,)),
    0x484F: (_idle, (1,)),
    0x4A08: (_motion_with_lux, (4,)),
    0x4E16: (_bed_or_scale, (1, 9)),
    0x6E16: (_body, (9,)),
}
