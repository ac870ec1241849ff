"""What models put their bytes together with: identifiers in front, checksums behind."""

from typing import Final

_BITS: Final = 8
_CRC_16_TOP: Final = 0x8000
_CRC_16_MASK: Final = 0xFFFF


def id16(number: int) -> bytes:
    """Return a company id or a UUID as it stands at the start of an AD structure."""
    return number.to_bytes(2, "little")


def reverse(octets: bytes) -> bytes:
    """Return bytes in the other order, as Bluetooth sends an address."""
    return octets[::-1]


def crc16_modbus(data: bytes) -> int:
    """Return a CRC-16/MODBUS: polynomial 8005 reflected, initial value FFFF."""
    crc = 0xFFFF
    for octet in data:
        crc ^= octet
        for _ in range(_BITS):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def crc16_aug_ccitt(data: bytes) -> int:
    """Return a CRC-16/AUG-CCITT: polynomial 1021, initial value 1D0F."""
    crc = 0x1D0F
    for octet in data:
        crc ^= octet << _BITS
        for _ in range(_BITS):
            crc = (crc << 1 ^ (0x1021 if crc & _CRC_16_TOP else 0)) & _CRC_16_MASK
    return crc


def signed_magnitude(number: int, sign: int) -> int:
    """Return a number whose sign is one bit beside its size."""
    return -number | sign if number < 0 else number
