"""Keys open the frames of their device, and never show themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal import BAD_MIC, DecodeError
from gateway.crypto import CcmKey, seal_ccm
from gateway.errors import ConfigError
from gateway.model import Sealed

TEXT = "231d39c1d7cc1ab1aee224cd096db932"


def _sealed(
    nonce: bytes, ciphertext: bytes, tag_length: int = 4, associated_data: bytes = b""
) -> Sealed:
    return Sealed(nonce, ciphertext, tag_length, associated_data, counter=0)


def test_the_published_example_of_bthome_is_opened() -> None:
    # https://bthome.io/encryption
    nonce = bytes.fromhex("5448e68f80a5 d2fc 41 00112233")
    frame = _sealed(nonce, bytes.fromhex("a47266c95f73 78237214"))
    assert CcmKey.from_text(TEXT).open(frame) == bytes.fromhex("02ca0903bf13")


@given(
    nonce=st.binary(min_size=7, max_size=13),
    clear=st.binary(max_size=40),
    tag_length=st.sampled_from([4, 8, 16]),
    associated=st.binary(max_size=20),
)
def test_what_was_sealed_is_opened(
    nonce: bytes, clear: bytes, tag_length: int, associated: bytes
) -> None:
    key = bytes.fromhex(TEXT)
    ciphertext = seal_ccm(
        key=key, nonce=nonce, clear=clear, tag_length=tag_length, associated_data=associated
    )
    assert CcmKey(key).open(_sealed(nonce, ciphertext, tag_length, associated)) == clear


@pytest.mark.parametrize("size", range(10))
def test_what_was_cut_short_is_a_bad_mic(size: int) -> None:
    whole = seal_ccm(key=bytes(16), nonce=bytes(13), clear=b"sealed", tag_length=4)
    with pytest.raises(DecodeError, match=BAD_MIC):
        CcmKey(bytes(16)).open(_sealed(bytes(13), whole[:size]))


def test_another_key_is_a_bad_mic() -> None:
    whole = seal_ccm(key=bytes(16), nonce=bytes(13), clear=b"sealed", tag_length=4)
    with pytest.raises(DecodeError, match=BAD_MIC):
        CcmKey.from_text(TEXT).open(_sealed(bytes(13), whole))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (TEXT[:-2], "the key has 15 bytes, AES-128 needs 16"),
        (TEXT + "00", "the key has 17 bytes, AES-128 needs 16"),
        ("", "the key has 0 bytes, AES-128 needs 16"),
        (TEXT[:-1] + "g", "the key holds something other than hexadecimal digits"),
        (TEXT[:-1], "the key holds something other than hexadecimal digits"),
    ],
)
def test_what_is_no_key_is_named_without_being_shown(text: str, cause: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CcmKey.from_text(text)
    assert str(caught.value) == cause
    assert caught.value.remedy
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_key_file_may_end_in_a_newline() -> None:
    CcmKey.from_text(TEXT.upper() + "\n")


def test_a_key_does_not_show_itself() -> None:
    key = CcmKey.from_text(TEXT)
    assert TEXT not in repr(key)
    assert repr(bytes.fromhex(TEXT)) not in repr(key)
