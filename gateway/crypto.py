"""AES and dates of certificates on CPython: the one adapter of `cryptography`.

A key is held, never shown: no message, repr or exception of this module contains one. The library
is loaded by the first key: it takes 7 MB, which a gateway without encrypted devices need not have.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from gateway.core.refusal import BAD_MIC, DecodeError
from gateway.errors import ConfigError
from gateway.model import Sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import aead

_MARK_BYTES: Final = 6
KEY_BYTES: Final = 16  # AES-128; BTHome, MiBeacon, encrypted ATC and LoRaWAN know no other


class CcmKey:
    """One device's key, ready to open its frames. Raises ConfigError when the bytes are no key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            cause = f"the key has {len(key)} bytes, AES-128 needs {KEY_BYTES}"
            raise ConfigError(cause, remedy="copy the key again from where the device shows it")
        # Loaded with the first key, not with the first frame, whose way it would hold up.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: PLC0415

        self.mark: Final = _mark(key)
        self._aes_ccm = AESCCM
        self._invalid_tag = InvalidTag
        self._key = key
        self._ciphers: dict[int, aead.AESCCM] = {}  # by tag length, of which CCM has seven

    def __eq__(self, other: object) -> bool:
        """Whether it is the same key."""
        return isinstance(other, CcmKey) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self._key)

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

    def reveal(self) -> bytes:
        """Return the key itself, for a library that opens frames by itself."""
        return self._key

    def open(self, sealed: Sealed) -> bytes:
        """Return the clear text; raise DecodeError(BAD_MIC): wrong key, altered, or cut short.

        Raises ValueError for a size that CCM does not have: a mistake of the driver.
        """
        try:
            return self._cipher(sealed.tag_length).decrypt(
                sealed.nonce, sealed.ciphertext, sealed.associated_data
            )
        except self._invalid_tag as invalid:
            raise DecodeError(BAD_MIC) from invalid

    def _cipher(self, tag_length: int) -> "aead.AESCCM":
        if tag_length not in self._ciphers:
            self._ciphers[tag_length] = self._aes_ccm(self._key, tag_length)
        return self._ciphers[tag_length]


class AesKey:
    """One of a LoRaWAN node's keys. Raises ConfigError when the bytes are no key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            cause = f"the key has {len(key)} bytes, AES-128 needs {KEY_BYTES}"
            raise ConfigError(
                cause, remedy="copy the key again from where the node's maker has it"
            )
        # Loaded with the first key, as for CcmKey.
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415
        from cryptography.hazmat.primitives.cmac import CMAC  # noqa: PLC0415

        self.mark: Final = _mark(key)
        self._key = key
        aes = algorithms.AES(key)
        self._ecb = Cipher(aes, modes.ECB())  # noqa: S305 - single blocks of a counter mode
        self._cmac = CMAC(aes)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same key."""
        return isinstance(other, AesKey) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self._key)

    def mac(self, message: bytes) -> bytes:
        """Return the AES-CMAC of a message (RFC 4493)."""
        mac = self._cmac.copy()
        mac.update(message)
        return mac.finalize()

    def encrypt(self, blocks: bytes) -> bytes:
        """Return each block of 16 bytes encrypted by itself."""
        encryptor = self._ecb.encryptor()
        return encryptor.update(blocks) + encryptor.finalize()


def _mark(key: bytes) -> int:
    """Return what tells a key from another and tells nothing of it: for where keys are not kept.

    48 bits of a hash: they fit the store, and a key of 128 random bits is not found by them.
    """
    digest = hashlib.blake2s(key, digest_size=_MARK_BYTES, person=b"ugw mark").digest()
    return int.from_bytes(digest, "big")


def seal_ccm(
    *, key: bytes, nonce: bytes, clear: bytes, tag_length: int, associated_data: bytes = b""
) -> bytes:
    """Return ciphertext and tag of a clear text, as a sensor would send them."""
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: PLC0415

    return AESCCM(key, tag_length).encrypt(nonce, clear, associated_data)


def validity_of(pem: bytes) -> tuple[float, float]:
    """Return from when until when the first certificate of a PEM file holds, in Unix seconds.

    Raises ValueError when there is none.
    """
    # Imported here, for the agent needs no certificates read.
    from cryptography import x509  # noqa: PLC0415

    certificate = x509.load_pem_x509_certificate(pem)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin.timestamp(), end.timestamp()
