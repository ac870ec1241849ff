"""BTHome v2: service data of UUID 0xFCD2, little-endian, plain or AES-CCM.

    II [AAAAAAAAAAAA] (OO VV...)...                    plain
    II [AAAAAAAAAAAA] CC... NNNNNNNN TTTTTTTT          encrypted

    I  bit 0 encrypted, bit 1 address included, bit 2 irregular, bits 5-7 version: 2
    A  address of the device, reversed; the nonce is made of it
    O  object id; V its value, as the tables below say. They stand in rising order, so that a
       receiver can stop at an id whose length it does not know and still have those before it.
    C  the objects, encrypted; N counter; T tag. Nonce: address, D2 FC, I, N. No associated data.

Several objects of one property are channels in the order they are sent: "", "2", "3".
Source: https://bthome.io/format, https://bthome.io/encryption; bit 1 as bthome-ble reads it.
"""

from gateway.core.context import Context
from gateway.core.fields import i8, i16le, i32le, take, u8, u16le, u24le, u32le
from gateway.core.refusal import BAD_VALUE, BAD_VERSION, NO_KEY, DecodeError

API = 1
MODEL = "bthome-v2"
MATCH = {"service_uuid": 0xFCD2}
STRENGTH = 1

_ENCRYPTED = 0x01
_WITH_ADDRESS = 0x02
_UUID = b"\xd2\xfc"
_TAG_SIZE = 4
_PACKET_ID = 0x00

# object id: property, read, size, multiply, scale; value = raw * multiply / 10**scale
_NUMBERS = {
    0x01: ("battery_level", u8, 1, 1, 0),
    0x02: ("air_temperature", i16le, 2, 1, 2),
    0x03: ("relative_humidity", u16le, 2, 1, 2),
    0x04: ("atmospheric_pressure", u24le, 3, 1, 2),
    0x05: ("illuminance", u24le, 3, 1, 2),
    0x06: ("mass", u16le, 2, 1, 2),
    0x07: ("mass", u16le, 2, 45_359_237, 10),  # 1 lb = 0.45359237 kg
    0x08: ("dew_point", i16le, 2, 1, 2),
    0x09: ("count", u8, 1, 1, 0),
    0x0A: ("energy_total", u24le, 3, 1, 3),
    0x0B: ("power", u24le, 3, 1, 2),
    0x0C: ("voltage", u16le, 2, 1, 3),
    0x0D: ("pm2_5", u16le, 2, 1, 0),
    0x0E: ("pm10", u16le, 2, 1, 0),
    0x12: ("co2", u16le, 2, 1, 0),
    0x13: ("tvoc", u16le, 2, 1, 0),
    0x14: ("soil_moisture", u16le, 2, 1, 2),
    0x2E: ("relative_humidity", u8, 1, 1, 0),
    0x2F: ("soil_moisture", u8, 1, 1, 0),
    0x3D: ("count", u16le, 2, 1, 0),
    0x3E: ("count", u32le, 4, 1, 0),
    0x3F: ("rotation", i16le, 2, 1, 1),
    0x40: ("distance", u16le, 2, 1, 3),  # mm
    0x41: ("distance", u16le, 2, 1, 1),
    0x42: ("duration", u24le, 3, 1, 3),
    0x43: ("current", u16le, 2, 1, 3),
    0x44: ("speed", u16le, 2, 1, 2),
    0x45: ("air_temperature", i16le, 2, 1, 1),
    0x46: ("uv_index", u8, 1, 1, 1),
    0x47: ("volume", u16le, 2, 1, 1),
    0x48: ("volume", u16le, 2, 1, 3),  # mL
    0x49: ("water_flow", u16le, 2, 1, 3),
    0x4A: ("voltage", u16le, 2, 1, 1),
    0x4B: ("gas_volume_total", u24le, 3, 1, 3),
    0x4C: ("gas_volume_total", u32le, 4, 1, 3),
    0x4D: ("energy_total", u32le, 4, 1, 3),
    0x4E: ("volume", u32le, 4, 1, 3),
    0x4F: ("water_volume_total", u32le, 4, 1, 6),  # 0.001 L
    0x50: ("unix_time", u32le, 4, 1, 0),
    0x51: ("acceleration", u16le, 2, 1, 3),
    0x52: ("angular_velocity", u16le, 2, 1, 3),
    0x55: ("stored_volume", u32le, 4, 1, 3),
    0x56: ("electrical_conductivity", u16le, 2, 1, 0),
    0x57: ("air_temperature", i8, 1, 1, 0),
    0x58: ("air_temperature", i8, 1, 35, 2),
    0x59: ("count", i8, 1, 1, 0),
    0x5A: ("count", i16le, 2, 1, 0),
    0x5B: ("count", i32le, 4, 1, 0),
    0x5C: ("power", i32le, 4, 1, 2),
    0x5D: ("current", i16le, 2, 1, 3),
    0x5E: ("direction", u16le, 2, 1, 2),
    0x5F: ("precipitation", u16le, 2, 1, 1),
    0x60: ("selected_channel", u8, 1, 1, 0),
    0x61: ("rotational_speed", u16le, 2, 1, 0),
    0x62: ("speed", i32le, 4, 1, 6),
    0x63: ("acceleration", i32le, 4, 1, 6),
    0x64: ("light_level", u8, 1, 1, 0),
    0x65: ("settings_revision", u8, 1, 1, 0),
    0xF0: ("device_type_id", u16le, 2, 1, 0),
}
_STATES = {  # object id: property; one byte, zero is false
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
}
_TURNS = {0x01: "rotate_left", 0x02: "rotate_right"}
_COMMANDS = {0x00: "off", 0x01: "on", 0x02: "toggle", 0x03: "step_up", 0x04: "step_down"}


def decode(payload: bytes, context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all objects before the first whose id is unknown."""
    start = _start(payload)
    if not payload[0] & _ENCRYPTED:
        return _readings(payload[start:])
    if context.opened is None:
        raise DecodeError(NO_KEY)
    return _readings(context.opened)


def sealed(payload: bytes, context: Context) -> tuple[bytes, bytes, int, bytes, int] | None:
    """Return nonce, ciphertext with tag, tag length, associated data and counter; None: plain."""
    start = _start(payload)
    if not payload[0] & _ENCRYPTED:
        return None
    end = len(payload) - _TAG_SIZE - 4
    address = bytes(reversed(payload[1:7])) if start > 1 else context.address
    ciphertext = take(payload, start, end - start) + payload[-_TAG_SIZE:]
    nonce = address + _UUID + payload[:1] + payload[end : end + 4]
    return (nonce, ciphertext, _TAG_SIZE, b"", u32le(payload, end))


def packet_counter(payload: bytes) -> int | None:
    """Return the counter of an encrypted frame, the packet id of a plain one where it is first."""
    try:
        start = _start(payload)
        if payload[0] & _ENCRYPTED:
            return u32le(payload, len(payload) - _TAG_SIZE - 4)
        return u8(payload, start + 1) if payload[start] == _PACKET_ID else None
    except (DecodeError, IndexError):
        return None


def _start(payload: bytes) -> int:
    """Check the envelope; return where the objects begin, or what they are encrypted to."""
    info = u8(payload, 0)
    if info >> 5 != 2:
        raise DecodeError(BAD_VERSION)
    return 1 + len(take(payload, 1, 6)) if info & _WITH_ADDRESS else 1


def _readings(objects: bytes) -> list[tuple[str, int | str | None, int, str]]:
    readings: list[tuple[str, int | str | None, int, str]] = []
    seen: dict[str, int] = {}
    at = 0
    while at < len(objects):
        after, values = _object(objects, at)
        if after == at:
            break
        at = after
        for name, value, scale in values:
            seen[name] = seen.get(name, 0) + 1
            channel = "" if seen[name] == 1 else str(seen[name])
            if value is not None:
                readings.append((name, value, scale, channel))
    return readings


def _object(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    """Return the position behind the object at `at`, and what it says: (property, value, scale).

    The position is `at` itself for an unknown id. A None says nothing, but counts as a channel.
    """
    kind = objects[at]
    if kind in _NUMBERS:
        name, read, size, multiply, scale = _NUMBERS[kind]
        return at + 1 + size, [(name, read(objects, at + 1) * multiply, scale)]
    if kind in _STATES:
        return at + 2, [(_STATES[kind], u8(objects, at + 1) != 0, 0)]
    if kind in _OTHERS:
        return _OTHERS[kind](objects, at)
    return at, []


def _packet_id(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    return at + 1 + len(take(objects, at + 1, 1)), []


def _button(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    return at + 2, [("button_event", _PRESSES.get(u8(objects, at + 1)), 0)]


def _command(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    """LL CC AA...: L lower 5 bits number of arguments, C command, A arguments."""
    size = u8(objects, at + 1) & 0x1F
    command = _COMMANDS.get(u8(objects, at + 2))
    arguments = take(objects, at + 3, size)
    steps = arguments[0] if arguments and command in ("step_up", "step_down") else None
    return at + 3 + size, [("command_event", command, 0), ("command_steps", steps, 0)]


def _dimmer(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    turn = _TURNS.get(u8(objects, at + 1))
    steps = u8(objects, at + 2) if turn else None
    return at + 3, [("dimmer_event", turn, 0), ("dimmer_steps", steps, 0)]


def _text(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    size = u8(objects, at + 1)
    try:
        text = take(objects, at + 2, size).decode()
    except UnicodeError:
        raise DecodeError(BAD_VALUE) from None
    return at + 2 + size, [("text", text, 0)]


def _raw(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    size = u8(objects, at + 1)
    text = take(objects, at + 2, size).hex() or ""  # MicroPython's hex() of nothing is b""
    return at + 2 + size, [("raw_data", text, 0)]


def _firmware(objects: bytes, at: int) -> tuple[int, list[tuple[str, int | str | None, int]]]:
    size = 4 if objects[at] == 0xF1 else 3
    parts = [str(part) for part in reversed(take(objects, at + 1, size))]
    return at + 1 + size, [("firmware_version", ".".join(parts), 0)]


_OTHERS = {
    _PACKET_ID: _packet_id,
    0x3A: _button,
    0x3B: _command,
    0x3C: _dimmer,
    0x53: _text,
    0x54: _raw,
    0xF1: _firmware,
    0xF2: _firmware,
}
