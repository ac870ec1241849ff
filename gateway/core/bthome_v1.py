"""The objects of BTHome version 1 into readings; plain and encrypted frames hold the same.

    LL OO VV...     L  bits 0-4: bytes of O and V, bits 5-7: type of a number
                    O  object id, as the tables of gateway.core.bthome say; V its value

A number has the type and the length its sender chose: 0 unsigned, 1 signed, 2 float of 2, 4 or 8
bytes (IEEE 754). A float is rounded to the step of its object, halves to even, in whole numbers
alone: MicroPython's floats have too few digits. What is not a number has no value.
"""

from gateway.core.bthome import (
    BUTTON,
    DIMMER,
    NUMBERS,
    RAW,
    STATES,
    TEXT,
    hexadecimal,
    numbered,
    press,
    text,
    turn,
)
from gateway.core.fields import take, u8
from gateway.core.refusal import BAD_LENGTH, BAD_VALUE, DecodeError

_SHORTEST = 2  # an object of its id and one byte
_SIGNED = 1  # types of a number
_FLOAT = 2
_LONGEST_WHOLE = 8
_FLOATS = {2: (10, 15), 4: (23, 127), 8: (52, 1023)}  # bytes: bits of the fraction, bias
_LARGEST_EXPONENT = 63  # of a float: nothing measured is larger, and a number has to end


def readings(objects: bytes) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all objects; one of an unknown id is passed over by its length."""
    values: list[tuple[str, int | str | None, int]] = []
    at = 0
    while at < len(objects):
        head = u8(objects, at)
        size = head & 0x1F
        if size < _SHORTEST:
            raise DecodeError(BAD_LENGTH)
        content = take(objects, at + 1, size)
        values.extend(_object(content[0], head >> 5, content[1:]))
        at += 1 + size
    return numbered(values)


def _object(kind: int, form: int, value: bytes) -> list[tuple[str, int | str | None, int]]:
    if kind == BUTTON:
        return press(u8(value, 0))
    if kind == DIMMER:
        return turn(u8(value, 0), u8(value, 1))
    if kind in NUMBERS:
        name, _, _, multiply, scale = NUMBERS[kind]
        number = _number(form, value)
        return [(name, None if number is None else number * multiply, scale)]
    if kind in STATES:
        return [(STATES[kind], _whole(value) != 0, 0)]
    if kind in (TEXT, RAW):
        return [("text", text(value), 0) if kind == TEXT else ("raw_data", hexadecimal(value), 0)]
    return []


def _number(form: int, value: bytes) -> int | None:
    if form == _FLOAT:
        return _float(value)
    number = _whole(value)
    sign = 1 << 8 * len(value) - 1
    return (number ^ sign) - sign if form == _SIGNED else number


def _whole(value: bytes) -> int:
    if len(value) > _LONGEST_WHOLE:
        raise DecodeError(BAD_LENGTH)
    number = 0
    for byte in reversed(value):
        number = number << 8 | byte
    return number


def _float(value: bytes) -> int | None:
    """Return the whole number nearest to a float; None: it is none, or infinite."""
    if len(value) not in _FLOATS:
        raise DecodeError(BAD_LENGTH)
    fraction_bits, bias = _FLOATS[len(value)]
    bits = _whole(value)
    sign = -1 if bits >> 8 * len(value) - 1 else 1
    exponent = bits >> fraction_bits & 2 * bias + 1
    if exponent == 2 * bias + 1:
        return None
    if exponent - bias > _LARGEST_EXPONENT:
        raise DecodeError(BAD_VALUE)
    # Subnormal numbers have no leading one, but with one or without they are nothing when rounded.
    mantissa = 1 << fraction_bits | bits & (1 << fraction_bits) - 1
    return sign * _shifted(mantissa, exponent - bias - fraction_bits)


def _shifted(mantissa: int, places: int) -> int:
    """Return mantissa * 2**places as a whole number."""
    if places >= 0:
        return mantissa << places
    whole, rest, half = mantissa >> -places, mantissa & (1 << -places) - 1, 1 << -places - 1
    return whole + (rest > half or (rest == half and whole & 1))
