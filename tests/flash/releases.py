"""A key, and releases of a few small files, for the tests of both sides."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from ugw_flash.updates.release import Release, make

FILES = {
    "gateway/__init__.mpy": b"M\x06 none",
    "gateway/core/wire.mpy": bytes(range(256)) * 5,  # three pieces, the last one short
    "gateway/esp32/main.mpy": b"main of version one" * 60,
    "drivers/ble/acme.mpy": b"driver" * 300,
    "properties.txt": b"air_temperature 1 Cel number -40 60\n" * 40,
}


@cache
def key() -> rsa.RSAPrivateKey:
    """Return a key to sign with."""
    return rsa.generate_private_key(65537, 3072)


def modulus() -> bytes:
    """Return what a board knows of it."""
    return key().public_key().public_numbers().n.to_bytes(384, "big")


def release(number: int, files: dict[str, bytes] | None = None) -> Release:
    """Return a release, signed."""
    return make(FILES if files is None else files, number, f"ugw 0.{number}", key())
