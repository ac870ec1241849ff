"""AES-CCM on CPython: the one adapter of `cryptography`.

A key is held, never shown: no message, repr or exception of this module contains one.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.core.refusal import BAD_MIC, DecodeError
from gateway.errors import ConfigError
from gateway.model import Sealed

KEY_BYTES: Final = 16  # AES-128; BTHome, MiBeacon and the encrypted ATC format know no other


class CcmKey:
    """One device's key, ready to open its frames. Raises ConfigError when the bytes are no key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            cause = f"the key has {len(key)} bytes, AES-128 needs {KEY_BYTES}"
            raise ConfigError(cause, remedy="copy the key again from where the device shows it")
        self._key = key
        self._ciphers: dict[int, AESCCM] = {}  # by tag length, of which CCM has seven

    @classmethod
    def from_text(cls, text: str) -> "CcmKey":
        """Read a key as devices and key files show it: 32 hexadecimal digits."""
        try:
            key = bytes.fromhex(text)
        except ValueError:
            cause = "the key holds something other than hexadecimal digits"
            remedy = f"write it as {2 * KEY_BYTES} digits 0-9 and a-f"
            raise ConfigError(cause, remedy) from None  # the cause would quote the key
        return cls(key)

    def open(self, sealed: Sealed) -> bytes:
        """Return the clear text; raise DecodeError(BAD_MIC): wrong key, altered, or cut short.

        Raises ValueError for a size that CCM does not have: a mistake of the driver.
        """
        try:
            return self._cipher(sealed.tag_length).decrypt(
                sealed.nonce, sealed.ciphertext, sealed.associated_data
            )
        except InvalidTag as invalid:
            raise DecodeError(BAD_MIC) from invalid

    def _cipher(self, tag_length: int) -> AESCCM:
        if tag_length not in self._ciphers:
            self._ciphers[tag_length] = AESCCM(self._key, tag_length)
        return self._ciphers[tag_length]


def seal_ccm(
    *, key: bytes, nonce: bytes, clear: bytes, tag_length: int, associated_data: bytes = b""
) -> bytes:
    """Return ciphertext and tag of a clear text, as a sensor would send them."""
    return AESCCM(key, tag_length).encrypt(nonce, clear, associated_data)
