"""Packets through a line that knows only bytes: Consistent Overhead Byte Stuffing with a CRC-32.

    KK DD.. KK DD.. 00        K  1 + how many bytes follow before the next K; 255: 254 bytes and no
                                 zero behind them
                              D  bytes that are not zero
    decoded: PP.. CCCCCCCC    P  the packet; C  CRC-32 of it as zlib has it, low byte first

A zero ends a packet and stands nowhere else, so a receiver that comes in between, or that hears
noise, is in step again with the next one. Noise right before a packet does not cost it: whatever
suffix of what was heard is a packet with its checksum is that packet.
Source: S. Cheshire, M. Baker, Consistent Overhead Byte Stuffing, 1999.
"""

import binascii

CRC_SIZE = 4
_LONGEST = 0xFF
_TRIES = 32  # beginnings whose checksum is looked at: junk may have hundreds that could be one


def framed(packet: bytes) -> bytes:
    """Return what is sent of a packet, the zero at its end included."""
    data = packet + _checksum(packet)
    out = bytearray()
    for run in data.split(b"\x00"):
        at = 0
        while len(run) - at >= _LONGEST - 1:
            out.append(_LONGEST)
            out.extend(run[at : at + _LONGEST - 1])
            at += _LONGEST - 1
        out.append(len(run) - at + 1)
        out.extend(run[at:])
    out.append(0)
    return bytes(out)


def packet_in(heard: bytes) -> bytes | None:
    """Return the packet at the end of what was heard before a zero; None: there is none."""
    for start in _beginnings(heard)[:_TRIES]:
        data = _decoded(heard, start)
        packet = data[:-CRC_SIZE]
        if len(data) >= CRC_SIZE and _checksum(packet) == data[-CRC_SIZE:]:
            return packet
    return None


def _beginnings(heard: bytes) -> list[int]:
    """Return where a packet could begin: where the lengths come out at the end."""
    size = len(heard)
    fits = bytearray(size) + b"\x01"
    for at in range(size - 1, -1, -1):
        after = at + heard[at]
        if at < after <= size:
            fits[at] = fits[after]
    return [at for at in range(size - CRC_SIZE) if fits[at]]


def _decoded(heard: bytes, at: int) -> bytes:
    """Return what is stuffed from a beginning on."""
    out = bytearray()
    while at < len(heard):
        after = at + heard[at]
        out.extend(heard[at + 1 : after])
        if heard[at] != _LONGEST and after < len(heard):
            out.append(0)
        at = after
    return bytes(out)


def _checksum(packet: bytes) -> bytes:
    return binascii.crc32(packet).to_bytes(CRC_SIZE, "little")
