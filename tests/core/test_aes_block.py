"""One block of AES-128 is deciphered as OpenSSL does it."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.aes_block import decipher

blocks = st.binary(min_size=16, max_size=16)


def test_the_standards_example_is_deciphered() -> None:
    """FIPS 197, appendix C.1."""
    key = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    cipher = bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")
    assert decipher(key, cipher).hex() == "00112233445566778899aabbccddeeff"


@given(key=blocks, clear=blocks)
def test_what_openssl_enciphers_is_deciphered(key: bytes, clear: bytes) -> None:
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - one block is what it is for
    assert decipher(key, cipher.encryptor().update(clear)) == clear
