"""BTHome v2: service data of UUID 0xFCD2, little-endian, plain or AES-CCM.

    II [AAAAAAAAAAAA] (OO VV...)...                    plain
    II [AAAAAAAAAAAA] CC... NNNNNNNN TTTTTTTT          encrypted

    I  bit 0 encrypted, bit 1 address included, bit 2 irregular, bits 5-7 version: 2
    A  address of the device, reversed; the nonce is made of it
    O  object id; V its value, as the tables of gateway.core.bthome say. They stand in rising
       order, so that a receiver can stop at an id whose length it does not know and still have
       those before it.
    C  the objects, encrypted; N counter; T tag. Nonce: address, D2 FC, I, N. No associated data.

Several objects of one property are channels in the order they are sent: "", "2", "3". An event of
a code without a name is `code_7`; arguments of a command that are no steps are hexadecimal.

What a button does is sent many times over, and counts once by its packet id (object 00) or by the
counter of its encryption. A button that has neither cannot say that it was pressed again: the same
press within `intake.repeat_window` is a repeat. Give a button `class: event`, and nothing it says
gives way to what it says next.

Source: https://bthome.io/format, https://bthome.io/encryption; bit 1 as bthome-ble reads it.
"""

from gateway.core.bthome import (
    BUTTON,
    DIMMER,
    NUMBERS,
    PACKET_ID,
    RAW,
    READERS,
    STATES,
    TEXT,
    command,
    hexadecimal,
    numbered,
    press,
    text,
    turn,
)
from gateway.core.context import Context
from gateway.core.fields import take, u8, u32le
from gateway.core.refusal import BAD_VERSION, NO_KEY, DecodeError

API = 1
MODEL = "bthome-v2"
DEVICES = ("Shelly BLU", "b-parasite", "whatever is built with BTHome v2")
MATCH = {"service_uuid": 0xFCD2}
STRENGTH = 1

_ENCRYPTED = 0x01
_WITH_ADDRESS = 0x02
_UUID = b"\xd2\xfc"
_TAG_SIZE = 4
_COMMAND = 0x3B
_FIRMWARE_PARTS = {0xF1: 4, 0xF2: 3}


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
        return u8(payload, start + 1) if payload[start] == PACKET_ID else None
    except (DecodeError, IndexError):
        return None


def _start(payload: bytes) -> int:
    """Check the envelope; return where the objects begin, or what they are encrypted to."""
    info = u8(payload, 0)
    if info >> 5 != 2:
        raise DecodeError(BAD_VERSION)
    return 1 + len(take(payload, 1, 6)) if info & _WITH_ADDRESS else 1


def _readings(objects: bytes) -> list[tuple[str, int | str | None, int, str]]:
    values: list[tuple[str, int | str | None, int]] = []
    at = 0
    while at < len(objects):
        after = _object(objects, at, values)
        if after == at:
            break
        at = after
    return numbered(values)


def _object(objects: bytes, at: int, values: list[tuple[str, int | str | None, int]]) -> int:
    """Append what the object at `at` says; return the position behind it, `at`: unknown."""
    kind = objects[at]
    if kind in NUMBERS:
        name, reader, size, multiply, scale = NUMBERS[kind]
        values.append((name, READERS[reader](objects, at + 1) * multiply, scale))
        return at + 1 + size
    if kind in STATES:
        values.append((STATES[kind], u8(objects, at + 1) != 0, 0))
        return at + 2
    if kind in _FIRMWARE_PARTS:
        size = _FIRMWARE_PARTS[kind]
        parts = [str(part) for part in reversed(take(objects, at + 1, size))]
        values.append(("firmware_version", ".".join(parts), 0))
        return at + 1 + size
    if kind in (TEXT, RAW):
        size = u8(objects, at + 1)
        content = take(objects, at + 2, size)
        is_text = kind == TEXT
        values.append(
            ("text", text(content), 0) if is_text else ("raw_data", hexadecimal(content), 0)
        )
        return at + 2 + size
    return _event(objects, at, values)


def _event(objects: bytes, at: int, values: list[tuple[str, int | str | None, int]]) -> int:
    """Do the same for an event. A command is LL CC AA...: L, the lower 5 bits, arguments A."""
    kind = objects[at]
    if kind == PACKET_ID:
        return at + 1 + len(take(objects, at + 1, 1))
    if kind == BUTTON:
        values.extend(press(u8(objects, at + 1)))
        return at + 2
    if kind == DIMMER:
        values.extend(turn(u8(objects, at + 1), u8(objects, at + 2)))
        return at + 3
    if kind == _COMMAND:
        size = u8(objects, at + 1) & 0x1F
        values.extend(command(u8(objects, at + 2), take(objects, at + 3, size)))
        return at + 3 + size
    return at
