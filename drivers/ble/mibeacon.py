"""Xiaomi MiBeacon, versions 2 to 5: service data of UUID 0xFE95, little-endian, plain or AES-CCM.

    FFFF PPPP CC [AAAAAAAAAAAA] [BB [DDDD]] (OOOO LL VV...)...                plain
    FFFF PPPP CC [AAAAAAAAAAAA] [BB [DDDD]] EE... NNNNNN TTTTTTTT             encrypted

    F  bit 3 encrypted, bit 4 address, bit 5 capability, bit 6 objects, bit 7 mesh, bits 12-15
       version. Bits 8-11, of binding and its mode, say nothing about the content
    P  product   C  frame counter   A  address of the device, reversed; of the frame's where absent
    B  capability, bit 5: followed by D, input and output capabilities
    O  object id; L its length; V its value, as gateway/core/mibeacon.py has it
    E  the objects, encrypted; N upper 24 bits of the counter, C being the lower 8; T tag.
       Nonce: address reversed, P, C, N. Associated data: 11

Refused: mesh frames (bad_type), versions below 2 and above 5, and the encryption of versions 2 and
3 (bad_version): it authenticates nothing. A frame with another address in it than its own
(bad_value).

Of two objects of one property the last counts; less than an object at the end is left. Not mapped,
and skipped by their length: 0001 connection, 0002 pairing, 0004 away, 0005 the old lock,
1003 RSSI, 1011 binding, 2001 to 2003 bracelets and a vacuum cleaner, 3001 position and 3002 timer
of a clock, 4851 and 4852 of four bytes (unit unknown), 4C14 and 5414 modes; and who it was: the
key id of 0006 and 000B, the profile of 4E16 and 6E16.
Source: Xiaomi's "BLE MiBeacon protocol v5" and "Mijia BLE object definition", as kept at
https://github.com/pvvx/ATC_MiThermometer/tree/master/InfoMijiaBLE; ids from 4000 on as
https://github.com/Bluetooth-Devices/xiaomi-ble and
https://github.com/custom-components/ble_monitor read them.
"""

from gateway.core.context import Context
from gateway.core.fields import take, u8, u16le
from gateway.core.mibeacon import readings_of
from gateway.core.refusal import (
    BAD_TYPE,
    BAD_VALUE,
    BAD_VERSION,
    NO_KEY,
    TRUNCATED,
    DecodeError,
)

API = 1
MODEL = "xiaomi-mibeacon"
DEVICES = ("sensors of Xiaomi's Mi Home: Mijia, Aqara, Qingping, Linptech, Yeelight",)
UNMAPPED = (
    "connection and pairing",
    "bracelets and vacuum cleaners",
    "position and timer of a clock",
    "modes",
    "who used a lock",
)
MATCH = {"service_uuid": 0xFE95}
STRENGTH = 1

_ENCRYPTED = 0x0008
_WITH_ADDRESS = 0x0010
_WITH_CAPABILITY = 0x0020
_WITH_OBJECTS = 0x0040
_MESH = 0x0080
_SEALED = _ENCRYPTED | _WITH_OBJECTS
_WITH_IO = 0x20  # of the capability, since version 5
_HEADER = 5  # control, product, counter
_TAG_SIZE = 4
_COUNTER_SIZE = 3
_ASSOCIATED = b"\x11"
_SHORTEST = 3  # object: id and length


def decode(payload: bytes, context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all objects; none of a frame without objects."""
    if context.opened is not None:
        return _readings(context.opened, u16le(payload, 2))
    control, start = _envelope(payload, context)
    if not control & _WITH_OBJECTS:
        return []
    if control & _ENCRYPTED:
        raise DecodeError(NO_KEY)
    return _readings(payload[start:], u16le(payload, 2))


def sealed(payload: bytes, context: Context) -> tuple[bytes, bytes, int, bytes, int] | None:
    """Return nonce, ciphertext with tag, tag length, associated data and counter; None: plain."""
    if u16le(payload, 0) & _SEALED != _SEALED:
        return None
    control, start = _envelope(payload, context)
    end = len(payload) - _TAG_SIZE - _COUNTER_SIZE
    ciphertext = take(payload, start, end - start) + payload[-_TAG_SIZE:]
    address = payload[5:11] if control & _WITH_ADDRESS else bytes(reversed(context.address))
    upper = payload[end : end + _COUNTER_SIZE]
    nonce = address + payload[2:5] + upper
    counter = int.from_bytes(payload[4:5] + upper, "little")
    return (nonce, ciphertext, _TAG_SIZE, _ASSOCIATED, counter)


def packet_counter(payload: bytes) -> int | None:
    """Return the frame counter; None of a frame without objects, which are sent with any."""
    if len(payload) < _HEADER or not payload[0] & _WITH_OBJECTS:
        return None
    return payload[4]


def _envelope(payload: bytes, context: Context) -> tuple[int, int]:
    """Check it; return the frame control and where the objects begin."""
    control = u16le(payload, 0)
    version = control >> 12
    if control & _MESH:
        raise DecodeError(BAD_TYPE)
    if not 2 <= version <= 5 or (version < 4 and control & _SEALED == _SEALED):
        raise DecodeError(BAD_VERSION)
    if len(payload) < _HEADER:
        raise DecodeError(TRUNCATED)
    start = _HEADER
    if control & _WITH_ADDRESS:
        address = bytes(reversed(take(payload, 5, 6)))
        if context.address and address != context.address:
            raise DecodeError(BAD_VALUE)
        start += 6
    if control & _WITH_CAPABILITY:
        has_io = version == 5 and u8(payload, start) & _WITH_IO
        start += len(take(payload, start, 3 if has_io else 1))
    return control, start


def _readings(objects: bytes, product: int) -> list[tuple[str, int | str | None, int, str]]:
    readings: list[tuple[str, int | str | None, int, str]] = []
    at = 0
    while at + _SHORTEST <= len(objects):  # MMC-W505 sends a byte behind them
        kind, size = u16le(objects, at), objects[at + 2]
        new = readings_of(kind, take(objects, at + _SHORTEST, size), product)
        readings = _replaced(readings, new) if readings else new
        at += _SHORTEST + size
    return readings


def _replaced(
    before: list[tuple[str, int | str | None, int, str]],
    after: list[tuple[str, int | str | None, int, str]],
) -> list[tuple[str, int | str | None, int, str]]:
    """Return both, without what the later ones say again."""
    said = [(reading[0], reading[3]) for reading in after]
    kept = [reading for reading in before if (reading[0], reading[3]) not in said]
    return kept + after
