"""The objects of BTHome, which its versions write down differently and mean the same by.

Object ids, what they are properties of, and the codes of its events; and how several objects of
one property become channels. An object's bytes, its length and type, are its version's.
"""

from gateway.core.fields import i8, i16le, i32le, u8, u16le, u24le, u32le
from gateway.core.refusal import BAD_VALUE, DecodeError

PACKET_ID = 0x00
BUTTON = 0x3A
DIMMER = 0x3C
TIMESTAMP = 0x50
TEXT = 0x53
RAW = 0x54

READERS = (u8, i8, u16le, i16le, u24le, u32le, i32le)
# Which of them: numbers, so that what stands in the table is constant, and takes no memory where
# it is in an ESP32's firmware.
_U8 = 0
_I8 = 1
_U16 = 2
_I16 = 3
_U24 = 4
_U32 = 5
_I32 = 6

# object id: property, reader, size, multiply, scale; value = raw * multiply / 10**scale
NUMBERS = {
    0x01: ("battery_level", _U8, 1, 1, 0),
    0x02: ("air_temperature", _I16, 2, 1, 2),
    0x03: ("relative_humidity", _U16, 2, 1, 2),
    0x04: ("atmospheric_pressure", _U24, 3, 1, 2),
    0x05: ("illuminance", _U24, 3, 1, 2),
    0x06: ("mass", _U16, 2, 1, 2),
    0x07: ("mass", _U16, 2, 45_359_237, 10),  # 1 lb = 0.45359237 kg
    0x08: ("dew_point", _I16, 2, 1, 2),
    0x09: ("count", _U8, 1, 1, 0),
    0x0A: ("energy_total", _U24, 3, 1, 3),
    0x0B: ("power", _U24, 3, 1, 2),
    0x0C: ("voltage", _U16, 2, 1, 3),
    0x0D: ("pm2_5", _U16, 2, 1, 0),
    0x0E: ("pm10", _U16, 2, 1, 0),
    0x12: ("co2", _U16, 2, 1, 0),
    0x13: ("tvoc", _U16, 2, 1, 0),
    0x14: ("soil_moisture", _U16, 2, 1, 2),
    0x2E: ("relative_humidity", _U8, 1, 1, 0),
    0x2F: ("soil_moisture", _U8, 1, 1, 0),
    0x3D: ("count", _U16, 2, 1, 0),
    0x3E: ("count", _U32, 4, 1, 0),
    0x3F: ("rotation", _I16, 2, 1, 1),
    0x40: ("distance", _U16, 2, 1, 3),  # mm
    0x41: ("distance", _U16, 2, 1, 1),
    0x42: ("duration", _U24, 3, 1, 3),
    0x43: ("current", _U16, 2, 1, 3),
    0x44: ("speed", _U16, 2, 1, 2),
    0x45: ("air_temperature", _I16, 2, 1, 1),
    0x46: ("uv_index", _U8, 1, 1, 1),
    0x47: ("volume", _U16, 2, 1, 1),
    0x48: ("volume", _U16, 2, 1, 3),  # mL
    0x49: ("water_flow", _U16, 2, 1, 3),
    0x4A: ("voltage", _U16, 2, 1, 1),
    0x4B: ("gas_volume_total", _U24, 3, 1, 3),
    0x4C: ("gas_volume_total", _U32, 4, 1, 3),
    0x4D: ("energy_total", _U32, 4, 1, 3),
    0x4E: ("volume", _U32, 4, 1, 3),
    0x4F: ("water_volume_total", _U32, 4, 1, 6),  # 0.001 L
    0x50: ("unix_time", _U32, 4, 1, 0),
    0x51: ("acceleration", _U16, 2, 1, 3),
    0x52: ("angular_velocity", _U16, 2, 1, 3),
    0x55: ("stored_volume", _U32, 4, 1, 3),
    0x56: ("electrical_conductivity", _U16, 2, 1, 0),
    0x57: ("air_temperature", _I8, 1, 1, 0),
    0x58: ("air_temperature", _I8, 1, 35, 2),
    0x59: ("count", _I8, 1, 1, 0),
    0x5A: ("count", _I16, 2, 1, 0),
    0x5B: ("count", _I32, 4, 1, 0),
    0x5C: ("power", _I32, 4, 1, 2),
    0x5D: ("current", _I16, 2, 1, 3),
    0x5E: ("direction", _U16, 2, 1, 2),
    0x5F: ("precipitation", _U16, 2, 1, 1),
    0x60: ("selected_channel", _U8, 1, 1, 0),
    0x61: ("rotational_speed", _U16, 2, 1, 0),
    0x62: ("speed", _I32, 4, 1, 6),
    0x63: ("acceleration", _I32, 4, 1, 6),
    0x64: ("light_level", _U8, 1, 1, 0),
    0x65: ("settings_revision", _U8, 1, 1, 0),
    0xF0: ("device_type_id", _U16, 2, 1, 0),
}
STATES = {  # object id: property; one byte, zero is false
    0x0F: "boolean_state",
    0x10: "power_on",
    0x11: "opening_open",
    0x15: "battery_low",
    0x16: "battery_charging",
    0x17: "co_detected",
    0x18: "cold_detected",
    0x19: "connected",
    0x1A: "door_open",
    0x1B: "garage_door_open",
    0x1C: "gas_detected",
    0x1D: "heat_detected",
    0x1E: "light_detected",
    0x1F: "lock_open",
    0x20: "leak_detected",
    0x21: "motion_detected",
    0x22: "moving",
    0x23: "occupied",
    0x24: "plugged_in",
    0x25: "presence_detected",
    0x26: "problem_detected",
    0x27: "running",
    0x28: "safe",
    0x29: "smoke_detected",
    0x2A: "sound_detected",
    0x2B: "tamper_detected",
    0x2C: "vibration_detected",
    0x2D: "window_open",
}
_PRESSES = {
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
    0x81: "hold_release",  # as bthome-ble reads it
    0xFE: "hold_press",  # of Shelly's older buttons, as TheengsDecoder reads it
}
_TURNS = {0x01: "rotate_left", 0x02: "rotate_right"}
_STEPS = (0x03, 0x04)  # codes of commands whose argument is a number of steps
_COMMANDS = {0x00: "off", 0x01: "on", 0x02: "toggle", 0x03: "step_up", 0x04: "step_down"}


def press(code: int) -> list[tuple[str, int | str | None, int]]:
    """Return what a button says; it says nothing with 0, but that is a button too."""
    return [("button_event", _event(_PRESSES, code), 0)]


def turn(code: int, steps: int) -> list[tuple[str, int | str | None, int]]:
    """Return what a dial says, which may be nothing."""
    return [
        ("dimmer_event", _event(_TURNS, code), 0),
        ("dimmer_steps", steps if code else None, 0),
    ]


def command(code: int, arguments: bytes) -> list[tuple[str, int | str | None, int]]:
    """Return what a remote control says. Arguments of a meaning not known are hexadecimal."""
    is_step = code in _STEPS and len(arguments) == 1
    other = hexadecimal(arguments) if arguments and not is_step else None
    return [
        ("command_event", _COMMANDS.get(code, _nameless(code)), 0),
        ("command_steps", arguments[0] if is_step else None, 0),
        ("command_arguments", other, 0),
    ]


def text(content: bytes) -> str:
    """Return a text; raises DecodeError (BAD_VALUE) when it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeError:
        raise DecodeError(BAD_VALUE) from None


def hexadecimal(content: bytes) -> str:
    """Return bytes as lower-case digits."""
    return content.hex() or ""  # MicroPython's hex() of nothing is b""


def numbered(
    values: list[tuple[str, int | str | None, int]],
) -> list[tuple[str, int | str | None, int, str]]:
    """Return values as readings: those of one property are channels "", "2", "3" as they come.

    A None is not read, but counts: the button beside the one that was pressed keeps its number.
    """
    readings: list[tuple[str, int | str | None, int, str]] = []
    seen: dict[str, int] = {}
    for name, value, scale in values:
        number = seen[name] = seen.get(name, 0) + 1
        if value is not None:
            readings.append((name, value, scale, "" if number == 1 else str(number)))
    return readings


def _event(names: dict[int, str], code: int) -> str | None:
    return names.get(code, _nameless(code)) if code else None


def _nameless(code: int) -> str:
    """Return how an event is called that is younger than this table."""
    return "code_" + str(code)
