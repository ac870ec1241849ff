"""Bounds-checked reads over bytes: the only way a driver or a parser here looks into a payload.

Each read names its width, sign and byte order, and raises DecodeError(TRUNCATED) rather than read
past either end. No struct, and no signs of int.from_bytes: their errors and arguments differ
between CPython and MicroPython. Two's complement: the sign bit, flipped, counts from below.

Most of what a driver does is done here, so the shortest reads check and index by themselves.
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
    return (u8(data, offset) ^ 0x80) - 0x80


def u16le(data: bytes, offset: int) -> int:
    """Two bytes, low byte first."""
    if not 0 <= offset <= len(data) - 2:
        raise DecodeError(TRUNCATED)
    return data[offset] | data[offset + 1] << 8


def u16be(data: bytes, offset: int) -> int:
    """Two bytes, high byte first."""
    if not 0 <= offset <= len(data) - 2:
        raise DecodeError(TRUNCATED)
    return data[offset] << 8 | data[offset + 1]


def i16le(data: bytes, offset: int) -> int:
    """Two bytes, low byte first, two's complement."""
    if not 0 <= offset <= len(data) - 2:
        raise DecodeError(TRUNCATED)
    return ((data[offset] | data[offset + 1] << 8) ^ 0x8000) - 0x8000


def i16be(data: bytes, offset: int) -> int:
    """Two bytes, high byte first, two's complement."""
    if not 0 <= offset <= len(data) - 2:
        raise DecodeError(TRUNCATED)
    return ((data[offset] << 8 | data[offset + 1]) ^ 0x8000) - 0x8000


def u24le(data: bytes, offset: int) -> int:
    """Three bytes, low byte first."""
    return int.from_bytes(take(data, offset, 3), "little")


def u24be(data: bytes, offset: int) -> int:
    """Three bytes, high byte first."""
    return int.from_bytes(take(data, offset, 3), "big")


def i24le(data: bytes, offset: int) -> int:
    """Three bytes, low byte first, two's complement."""
    return (u24le(data, offset) ^ 0x800000) - 0x800000


def i24be(data: bytes, offset: int) -> int:
    """Three bytes, high byte first, two's complement."""
    return (u24be(data, offset) ^ 0x800000) - 0x800000


def u32le(data: bytes, offset: int) -> int:
    """Four bytes, low byte first."""
    return int.from_bytes(take(data, offset, 4), "little")


def u32be(data: bytes, offset: int) -> int:
    """Four bytes, high byte first."""
    return int.from_bytes(take(data, offset, 4), "big")


def i32le(data: bytes, offset: int) -> int:
    """Four bytes, low byte first, two's complement."""
    return (u32le(data, offset) ^ 0x80000000) - 0x80000000


def i32be(data: bytes, offset: int) -> int:
    """Four bytes, high byte first, two's complement."""
    return (u32be(data, offset) ^ 0x80000000) - 0x80000000
