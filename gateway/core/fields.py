"""Bounds-checked reads over bytes: the only way a driver or a parser here looks into a payload.

Each read names its width, sign and byte order, and raises DecodeError(TRUNCATED) rather than read
past either end. Only plain integer arithmetic: the errors of struct and the signs of
int.from_bytes differ between CPython and MicroPython.
"""

from gateway.core.refusal import TRUNCATED, DecodeError


def take(data: bytes, offset: int, size: int) -> bytes:
    """Return exactly `size` bytes from `offset`."""
    if offset < 0 or size < 0 or offset + size > len(data):
        raise DecodeError(TRUNCATED)
    return data[offset : offset + size]


def u8(data: bytes, offset: int) -> int:
    """One byte, 0..255."""
    if not 0 <= offset < len(data):
        raise DecodeError(TRUNCATED)
    return data[offset]


def i8(data: bytes, offset: int) -> int:
    """One byte, two's complement."""
    return _signed(u8(data, offset), 0x80)


def u16le(data: bytes, offset: int) -> int:
    """Two bytes, low byte first."""
    low, high = take(data, offset, 2)
    return low | high << 8


def u16be(data: bytes, offset: int) -> int:
    """Two bytes, high byte first."""
    high, low = take(data, offset, 2)
    return low | high << 8


def i16le(data: bytes, offset: int) -> int:
    """Two bytes, low byte first, two's complement."""
    return _signed(u16le(data, offset), 0x8000)


def i16be(data: bytes, offset: int) -> int:
    """Two bytes, high byte first, two's complement."""
    return _signed(u16be(data, offset), 0x8000)


def u24le(data: bytes, offset: int) -> int:
    """Three bytes, low byte first."""
    low, middle, high = take(data, offset, 3)
    return low | middle << 8 | high << 16


def u24be(data: bytes, offset: int) -> int:
    """Three bytes, high byte first."""
    high, middle, low = take(data, offset, 3)
    return low | middle << 8 | high << 16


def i24le(data: bytes, offset: int) -> int:
    """Three bytes, low byte first, two's complement."""
    return _signed(u24le(data, offset), 0x800000)


def i24be(data: bytes, offset: int) -> int:
    """Three bytes, high byte first, two's complement."""
    return _signed(u24be(data, offset), 0x800000)


def u32le(data: bytes, offset: int) -> int:
    """Four bytes, low byte first."""
    a, b, c, d = take(data, offset, 4)
    return a | b << 8 | c << 16 | d << 24


def u32be(data: bytes, offset: int) -> int:
    """Four bytes, high byte first."""
    a, b, c, d = take(data, offset, 4)
    return d | c << 8 | b << 16 | a << 24


def i32le(data: bytes, offset: int) -> int:
    """Four bytes, low byte first, two's complement."""
    return _signed(u32le(data, offset), 0x80000000)


def i32be(data: bytes, offset: int) -> int:
    """Four bytes, high byte first, two's complement."""
    return _signed(u32be(data, offset), 0x80000000)


def _signed(value: int, sign_bit: int) -> int:
    return (value ^ sign_bit) - sign_bit
