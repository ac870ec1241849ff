"""Whether a text is signed by who may update this board: RSA with 3072 bits, SHA-256, PKCS#1 v1.5.

An overlay. In steps, none of which holds the loop up for longer than a multiplication. The whole
block is compared with what it has to be, so nothing in it is left to whoever forges one.
"""

import asyncio
import hashlib

BYTES = 384
_SQUARES = 16  # the exponent is 65537
# DigestInfo of SHA-256 (RFC 8017, 9.2).
_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


async def is_signed(text: bytes, signature: bytes, modulus: bytes) -> bool:
    """Verify the signature of a text."""
    if len(signature) != BYTES or len(modulus) != BYTES:
        return False
    number = int.from_bytes(modulus, "big")
    base = power = int.from_bytes(signature, "big")
    if not 1 < base < number:
        return False
    for _ in range(_SQUARES):
        power = power * power % number
        await asyncio.sleep(0)
    return (power * base % number).to_bytes(BYTES, "big") == expected(text)


def expected(text: bytes) -> bytes:
    """Return the one block that stands for a text."""
    end = b"\x00" + _DIGEST_INFO + hashlib.sha256(text).digest()
    return b"\x00\x01" + b"\xff" * (BYTES - 2 - len(end)) + end
