"""Opening what was sealed with AES-CCM, built from nothing but AES's encryption of one block.

MicroPython has the block (`cryptolib.aes(key, 1)`) but not CCM; CPython uses gateway.crypto.
The tag is compared in constant time, and no clear text leaves before it was found right. The
layout of the blocks is RFC 3610's, 2.2 and 2.3.
"""

from gateway.core.refusal import BAD_MIC, DecodeError

_BLOCK = 16
_NONCE_SIZES = range(7, 14)
_TAG_SIZES = range(4, 17, 2)
_MAX_ASSOCIATED = (
    0xFEFF  # above it the length takes six bytes (RFC 3610, 2.2); no sensor gets there
)
_HAS_ASSOCIATED = 0x40


class BlockCipher:
    """AES under one key, as `cryptolib.aes(key, 1)` is it; anything with this method will do."""

    def encrypt(self, block: bytes) -> bytes:
        """Return the 16 bytes that these 16 encrypt to."""
        raise NotImplementedError


def open_ccm(
    cipher: BlockCipher,
    nonce: bytes,
    ciphertext_and_tag: bytes,
    tag_length: int,
    associated_data: bytes,
) -> bytes:
    """Return the clear text, or raise DecodeError(BAD_MIC): wrong key, altered, or cut short.

    Raises ValueError for a size that CCM does not have: a mistake of the driver, not of the frame.
    """
    size = len(ciphertext_and_tag) - tag_length
    if size < 0:
        raise DecodeError(BAD_MIC)
    _check_sizes(nonce, size, tag_length, associated_data)
    clear = _crypt(cipher, nonce, ciphertext_and_tag[:size])
    expected = _tag(cipher, nonce, clear, tag_length, associated_data)
    if not _same(expected, ciphertext_and_tag[size:]):
        raise DecodeError(BAD_MIC)
    return clear


def _check_sizes(nonce: bytes, size: int, tag_length: int, associated_data: bytes) -> None:
    if (
        len(nonce) not in _NONCE_SIZES
        or tag_length not in _TAG_SIZES
        or len(associated_data) > _MAX_ASSOCIATED
        or size >> 8 * _length_size(nonce)
    ):
        message = "AES-CCM has no such size of nonce, tag, text or associated data"
        raise ValueError(message)


def _length_size(nonce: bytes) -> int:
    return _BLOCK - 1 - len(nonce)


def _crypt(cipher: BlockCipher, nonce: bytes, text: bytes) -> bytes:
    """Encrypt or decrypt: XOR with the key stream of counters 1, 2, ..."""
    blocks = [
        _xor(text[start : start + _BLOCK], _key_stream(cipher, nonce, start // _BLOCK + 1))
        for start in range(0, len(text), _BLOCK)
    ]
    return b"".join(blocks)


def _key_stream(cipher: BlockCipher, nonce: bytes, counter: int) -> bytes:
    size = _length_size(nonce)
    return cipher.encrypt(bytes([size - 1]) + nonce + counter.to_bytes(size, "big"))


def _tag(
    cipher: BlockCipher, nonce: bytes, clear: bytes, tag_length: int, associated_data: bytes
) -> bytes:
    """CBC-MAC over sizes, associated data and clear text, encrypted with counter 0."""
    size = _length_size(nonce)
    flags = (tag_length - 2) // 2 << 3 | size - 1
    associated = b""
    if associated_data:
        flags |= _HAS_ASSOCIATED
        associated = _padded(len(associated_data).to_bytes(2, "big") + associated_data)
    head = bytes([flags]) + nonce + len(clear).to_bytes(size, "big")
    authenticated = head + associated + _padded(clear)
    state = bytes(_BLOCK)
    for start in range(0, len(authenticated), _BLOCK):
        state = cipher.encrypt(_xor(authenticated[start : start + _BLOCK], state))
    return _xor(state[:tag_length], _key_stream(cipher, nonce, 0))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _BLOCK)


def _xor(text: bytes, block: bytes) -> bytes:
    """XOR as many bytes as the text has."""
    return bytes([text[position] ^ block[position] for position in range(len(text))])


def _same(expected: bytes, received: bytes) -> bool:
    """Compare in a time that does not tell where they differ."""
    difference = 0
    for byte in _xor(expected, received):
        difference |= byte
    return difference == 0
