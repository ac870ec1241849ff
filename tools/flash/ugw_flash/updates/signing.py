"""The key that vouches for updates: made, kept and used on the desk of who makes them.

RSA with 3072 bits and the exponent 65537, PKCS#1 v1.5 with SHA-256: what a board verifies in a few
milliseconds (docs/decisions/0027-updates-over-the-air.md). The private key is written once, with
mode 600, and is in no release.
"""

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.errors import UgwError

BITS: Final = 3072
BYTES: Final = BITS // 8
_EXPONENT: Final = 65537


class SigningError(UgwError):
    """There is no key to sign with, or it is not one for updates."""


def generate(private: Path, public: Path, password: bytes | None = None) -> None:
    """Make a key pair. Raises SigningError rather than overwrite a file."""
    key = rsa.generate_private_key(_EXPONENT, BITS)
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(private, secret, 0o600)
    _write_new(public, shown, 0o644)


def load(path: Path, password: bytes | None = None) -> rsa.RSAPrivateKey:
    """Read the private key. Raises SigningError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password)
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror}"
        raise SigningError(cause, remedy="make a key with `ugw flash keygen`") from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        cause = f"{path} is no private key that can be read: {error}"
        raise SigningError(cause, remedy="an encrypted key needs its password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or not _fits(key.public_key()):
        cause = f"{path} is not an RSA key of {BITS} bits"
        raise SigningError(cause, remedy="make one with `ugw flash keygen`")
    return key


def sign(key: rsa.RSAPrivateKey, text: bytes) -> bytes:
    """Return the signature of a text, BYTES long."""
    return key.sign(text, padding.PKCS1v15(), SHA256())


def is_signed(public_pem: bytes, signature: bytes, text: bytes) -> bool:
    """Whether the other half of this key signed the text. Raises SigningError for no such key."""
    try:
        _public(public_pem).verify(signature, text, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def modulus(pem: bytes) -> bytes:
    """Return what a board needs of a public key: its modulus, big-endian. Raises SigningError."""
    return _public(pem).public_numbers().n.to_bytes(BYTES, "big")


def _public(pem: bytes) -> rsa.RSAPublicKey:
    remedy = "ugw flash keygen writes the public key into a file of its own"
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        cause = "it is not a PEM file of a public key"
        raise SigningError(cause, remedy) from None
    if not isinstance(key, rsa.RSAPublicKey) or not _fits(key):
        cause = f"it is not an RSA key of {BITS} bits with the exponent {_EXPONENT}"
        raise SigningError(cause, remedy)
    return key


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the public half of a private key, as a PEM file."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _fits(key: rsa.RSAPublicKey) -> bool:
    return key.key_size == BITS and key.public_numbers().e == _EXPONENT


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        cause = f"{path} cannot be made: {error.strerror}"
        raise SigningError(cause, remedy="name another file; no key is ever replaced") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
