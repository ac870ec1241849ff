"""The events of MiBeacon: what was pressed, turned or shaken, and what happened at a lock.

Each function reads one object's data, of the length it has, and returns its readings: of a code
that is not known, none. Who did it is left out: of a key id only the alarms in its place are read.
"""

from gateway.core.fields import i8, u8, u16le, u32le

_PRESSES = {0: "press", 1: "double_press", 2: "long_press", 3: "triple_press"}
_PRESSES_K9B = {0: "press", 1: "long_press", 2: "double_press"}
_K9B = (0x0DFD, 0x1568, 0x1569)
_CUBE = 0x04E1
_DIMMER = 0x03B6
_DIMMER_PRESS = 3
_DIMMER_TURN = 4
_BUTTONS = {  # product: channels of what its 0x1001 calls 0, 1, 2, ...; several at once
    0x0153: ("on", "off", "brightness", "plus", "m", "minus"),
    0x03BF: (
        "stop",
        "air-exchange",
        "fan",
        "increase-speed",
        "decrease-speed",
        "dry",
        "light",
        "swing",
        "heat",
    ),
    0x04E6: (
        "swing",
        "power",
        "timer-60-minutes",
        "increase-wind-speed",
        "timer-30-minutes",
        "decrease-wind-speed",
    ),
    0x068E: ("fan", "light", "wind-speed", "color-temperature", "wind-mode", "brightness"),
    0x0DFD: (
        "left",
        "middle",
        "right",
        "left middle",
        "middle right",
        "left right",
        "left middle right",
    ),
    0x1569: ("left", "right", "left right"),
}
_FOUR_KEYS = {1: "left", 2: "mid-left", 3: "mid-right", 4: "right"}
_KEYS = {  # product: channels by the byte of its press objects
    0x1949: {1: "left", 2: "right", 3: "left right"},
    0x3A61: _FOUR_KEYS,
    0x3E17: _FOUR_KEYS,
    0x5968: {0: "left", 1: "right"},
    0x64C5: {1: "1", 2: "2", 3: "3", 4: "4"},
}
PRESS_OBJECTS = {
    0x4A0C: "press",
    0x4A0D: "double_press",
    0x4A0E: "long_press",
    0x4E0C: "press",
    0x4E0D: "double_press",
    0x4E0E: "long_press",
    0x560C: "press",
    0x560D: "double_press",
    0x560E: "long_press",
}
_GESTURES = {1: "shake", 2: "flip_90", 3: "flip_180", 4: "turn", 5: "knock", 6: "push"}
_FINGERPRINTS = {
    0: "match",
    1: "no_match",
    2: "timeout",
    3: "low_quality",
    4: "insufficient_area",
    5: "skin_too_dry",
    6: "skin_too_wet",
}
_LOCK_ACTIONS = {  # event; what is open or not, on which channel
    0x0: ("unlocked_outside", True, ""),
    0x1: ("locked", False, ""),
    0x2: ("double_locked", False, "double"),
    0x3: ("double_lock_released", True, "double"),
    0x4: ("unlocked_inside", True, ""),
    0x5: ("locked_inside", False, ""),
    0x6: ("child_lock_on", False, "child"),
    0x7: ("child_lock_off", True, "child"),
    0x8: ("locked_outside", False, ""),
    0xF: ("abnormal", None, ""),  # the definition does not say whether it is open then
}
_LOCK_METHODS = {
    0x0: "bluetooth",
    0x1: "password",
    0x2: "biometrics",
    0x3: "key",
    0x4: "turntable",
    0x5: "nfc",
    0x6: "one_time_password",
    0x7: "two_step_verification",
    0x8: "coercion",
    0x9: "homekit",
    0xA: "manual",
    0xB: "automatic",
    0xF: "abnormal",
}
_ALARM = 0xC0DE  # upper half of what stands in place of a key id
_LOCK_ALARMS = {  # the lower half
    0x0000: "wrong_password",
    0x0001: "wrong_fingerprint",
    0x0002: "input_timeout",
    0x0003: "lock_picking",
    0x0004: "reset_pressed",
    0x0005: "wrong_key",
    0x0006: "keyhole_blocked",
    0x0007: "key_left_in",
    0x0008: "wrong_nfc",
    0x0009: "not_locked_in_time",
    0x000A: "failed_attempts",
    0x000B: "wrong_face",
    0x000C: "wrong_vein",
    0x000D: "hijacking",
    0x000E: "unlocked_inside_while_armed",
    0x000F: "wrong_palm",
    0x0010: "safe_moved",
    0x1000: "battery_below_10",
    0x1001: "battery_below_5",
    0x1002: "fingerprint_sensor_fault",
    0x1003: "accessory_battery_low",
    0x1004: "mechanical_failure",
    0x1005: "lock_sensor_fault",
}


def pressed(data: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    """0x1001, `II II KK`: I which button, K how. A dial has its own `BB VV KK`."""
    button, kind = u16le(data, 0), u8(data, 2)
    if product == _DIMMER:
        return _turned(data)
    if product == _CUBE:
        turn = {0: "rotate_right", 1: "rotate_left"}.get(button)
        return [("dimmer_event", turn, 0, "")] if turn else []
    press = (_PRESSES_K9B if product in _K9B else _PRESSES).get(kind)
    if press is None:
        return []
    names = _BUTTONS.get(product)
    if names is None:
        return [("button_event", press, 0, str(button) if button else "")]
    channels = names[button].split() if button < len(names) else []
    return [("button_event", press, 0, channel) for channel in channels]


def _turned(data: bytes) -> list[tuple[str, int | str | None, int, str]]:
    """Of YLKG07YL and YLKG08YL. While the dial is pressed, the steps stand in the first byte."""
    button, value, kind = data
    if kind == _DIMMER_PRESS and button == 0:
        return [("button_event", "press", 0, ""), ("count", value, 0, "presses")]
    if kind == _DIMMER_PRESS and button == 1:
        return [("button_event", "long_press", 0, ""), ("duration", value, 0, "pressed")]
    if kind != _DIMMER_TURN:
        return []
    steps = i8(data, 0) if button else i8(data, 1)
    channel = "pressed" if button else ""
    turn = "rotate_right" if steps >= 0 else "rotate_left"
    return [("dimmer_event", turn, 0, channel), ("dimmer_steps", abs(steps), 0, channel)]


def key_pressed(
    kind: int, data: bytes, product: int
) -> list[tuple[str, int | str | None, int, str]]:
    """0x4A0C and the like, `[BB]`: the id says how, B which key where the product has several."""
    names = _KEYS.get(product)
    if names is None:
        return [("button_event", PRESS_OBJECTS[kind], 0, "")]
    channels = names.get(data[0], "").split() if len(data) == 1 else []
    return [("button_event", PRESS_OBJECTS[kind], 0, channel) for channel in channels]


def gesture(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """0x0009, `GG GG`."""
    name = _GESTURES.get(u16le(data, 0))
    return [("command_event", name, 0, "gesture")] if name else []


def fingerprint(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """0x0006, `KK KK KK KK RR`: K key id, R result."""
    result = _FINGERPRINTS.get(data[4])
    return [("lock_event", result, 0, "fingerprint")] if result else []


def lock(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """0x000B, `MA KK KK KK KK TT TT TT TT`: M method, A action, K key id or alarm, T when."""
    if data[0] & 0xF not in _LOCK_ACTIONS:
        return []
    event, is_open, channel = _LOCK_ACTIONS[data[0] & 0xF]
    readings: list[tuple[str, int | str | None, int, str]] = [("lock_event", event, 0, "")]
    method = _LOCK_METHODS.get(data[0] >> 4)
    if method is not None:
        readings.append(("lock_event", method, 0, "method"))
    if is_open is not None:
        readings.append(("lock_open", is_open, 0, channel))
    if u16le(data, 3) == _ALARM and u16le(data, 1) in _LOCK_ALARMS:
        readings.append(("alarm", _LOCK_ALARMS[u16le(data, 1)], 0, ""))
    readings.append(("unix_time", u32le(data, 5), 0, "event"))
    return readings


def bolts(data: bytes, _product: int) -> list[tuple[str, int | str | None, int, str]]:
    """0x100E, a bit each, set when locked: square bolt, double-lock bolt, latch, child lock."""
    channels = ("", "double", "latch", "child")
    return [
        ("lock_open", not data[0] >> bit & 1, 0, channel) for bit, channel in enumerate(channels)
    ]
