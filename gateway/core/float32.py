"""IEEE 754 single-precision numbers as exact decimals: read without a float ever existing.

MicroPython on an ESP32 has 32-bit floats, CPython 64-bit ones; integers are the same on both. A
sensor that sends 25.2 as a float sends 25.20000076...: rounded to the scale the driver asks for,
that is 25.2 again.
"""

from gateway.core.fields import u32le
from gateway.core.refusal import BAD_VALUE, DecodeError

_NO_NUMBER = 0xFF  # exponent of infinities and NaNs
_TOO_LARGE = 127 + 31  # exponent of 2**31: no sensor means it, and 2**127 would have 39 digits


def f32le(data: bytes, offset: int, scale: int) -> "int | None":
    """Return a float of four bytes, low byte first, as value * 10**scale, half away from zero.

    None for an infinity or a NaN: the sensor has no value. Raises DecodeError(BAD_VALUE) for 2**31
    or more.
    """
    bits = u32le(data, offset)
    exponent, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
    if exponent == _NO_NUMBER:
        return None
    if exponent >= _TOO_LARGE:
        raise DecodeError(BAD_VALUE)
    if exponent:
        fraction |= 0x800000
    else:
        exponent = 1  # a subnormal number
    scaled = _shifted(fraction * 10**scale, exponent - 150)
    return -scaled if bits >> 31 else scaled


def _shifted(number: int, by: int) -> int:
    """Return number * 2**by, rounded to the nearest, the half up."""
    return number << by if by >= 0 else (number + (1 << (-by - 1))) >> -by
