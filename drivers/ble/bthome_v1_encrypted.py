"""BTHome v1, encrypted: service data of UUID 0x181E, little-endian, AES-CCM.

    CC... NNNNNNNN TTTTTTTT

    C  objects, encrypted: those of the plain format, see gateway.core.bthome_v1
    N  counter; T tag. Nonce: address, 1E 18, N. Associated data: 11.

A driver of its own beside the plain one: only the UUID tells them apart.
Source: https://bthome.io/v1 and the script it leads to (bthome-ble, bthome_v1_encryption.py).
"""

from gateway.core.bthome_v1 import readings
from gateway.core.context import Context
from gateway.core.fields import take, u32le
from gateway.core.refusal import NO_KEY, DecodeError

API = 1
MODEL = "bthome-v1-encrypted"
DEVICES = ("whatever is built with BTHome v1, encrypted",)
MATCH = {"service_uuid": 0x181E}
STRENGTH = 3

_UUID = b"\x1e\x18"
_TAG_SIZE = 4
_TAIL_SIZE = 4 + _TAG_SIZE
_ASSOCIATED = b"\x11"


def decode(payload: bytes, context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all objects that are known."""
    take(payload, len(payload) - _TAIL_SIZE, _TAIL_SIZE)
    if context.opened is None:
        raise DecodeError(NO_KEY)
    return readings(context.opened)


def sealed(payload: bytes, context: Context) -> tuple[bytes, bytes, int, bytes, int]:
    """Return nonce, ciphertext with tag, tag length, associated data and counter."""
    end = len(payload) - _TAIL_SIZE
    counter = take(payload, end, 4)
    nonce = context.address + _UUID + counter
    return (nonce, payload[:end] + payload[-_TAG_SIZE:], _TAG_SIZE, _ASSOCIATED, u32le(counter, 0))


def packet_counter(payload: bytes) -> int | None:
    """Return the counter of the encryption."""
    end = len(payload) - _TAIL_SIZE
    return u32le(payload, end) if end >= 0 else None
