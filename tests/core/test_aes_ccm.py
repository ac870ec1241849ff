"""Our AES-CCM opens what `cryptography` seals, and nothing else."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.aes_ccm import BlockCipher, open_ccm
from gateway.core.refusal import BAD_MIC, DecodeError
from gateway.crypto import seal_ccm

KEY = bytes(range(16))
NONCES = st.binary(min_size=7, max_size=13)
TAG_LENGTHS = st.sampled_from([4, 6, 8, 10, 12, 14, 16])


class Aes(BlockCipher):
    """What cryptolib.aes(key, 1) is on MicroPython."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block

    def encrypt(self, block: bytes) -> bytes:
        """Encrypt one block, and no other size."""
        assert len(block) == 16
        return self._encryptor.update(block)


@given(
    nonce=NONCES, clear=st.binary(max_size=50), tag=TAG_LENGTHS, associated=st.binary(max_size=40)
)
def test_what_was_sealed_is_opened(
    nonce: bytes, clear: bytes, tag: int, associated: bytes
) -> None:
    sealed = seal_ccm(
        key=KEY, nonce=nonce, clear=clear, tag_length=tag, associated_data=associated
    )
    assert open_ccm(Aes(KEY), nonce, sealed, tag, associated) == clear


@given(clear=st.binary(max_size=40), associated=st.binary(max_size=20), data=st.data())
def test_one_altered_bit_anywhere_is_a_bad_mic(
    clear: bytes, associated: bytes, data: st.DataObject
) -> None:
    nonce = bytes(13)
    sealed = seal_ccm(key=KEY, nonce=nonce, clear=clear, tag_length=4, associated_data=associated)
    whole = bytearray(nonce + sealed + associated)
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    end = 13 + len(sealed)
    with pytest.raises(DecodeError, match=BAD_MIC):
        open_ccm(Aes(KEY), bytes(whole[:13]), bytes(whole[13:end]), 4, bytes(whole[end:]))


@pytest.mark.parametrize("size", range(10))
def test_what_was_cut_short_is_a_bad_mic(size: int) -> None:
    sealed = seal_ccm(key=KEY, nonce=bytes(13), clear=b"sealed", tag_length=4)
    with pytest.raises(DecodeError, match=BAD_MIC):
        open_ccm(Aes(KEY), bytes(13), sealed[:size], 4, b"")


def test_another_key_is_a_bad_mic() -> None:
    sealed = seal_ccm(key=KEY, nonce=bytes(13), clear=b"sealed", tag_length=4)
    with pytest.raises(DecodeError, match=BAD_MIC):
        open_ccm(Aes(bytes(16)), bytes(13), sealed, 4, b"")


@pytest.mark.parametrize(
    ("nonce", "tag_length", "text", "associated"),
    [
        (6, 4, 0, 0),
        (14, 4, 0, 0),
        (13, 5, 0, 0),
        (13, 2, 0, 0),
        (13, 4, 65536, 0),
        (13, 4, 0, 65280),
    ],
)
def test_sizes_that_ccm_does_not_have_are_the_callers_mistake(
    nonce: int, tag_length: int, text: int, associated: int
) -> None:
    sealed = bytes(text + tag_length)
    with pytest.raises(ValueError, match="no such size"):
        open_ccm(Aes(KEY), bytes(nonce), sealed, tag_length, bytes(associated))
