"""Keys open the frames of their device, and never show themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal import BAD_MIC, DecodeError
from gateway.crypto import AesKey, CcmKey, seal_ccm
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


# ------------------------------------------------------------------------------------- LoRaWAN
RFC_4493 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")  # its example key, section 4


@pytest.mark.parametrize(
    ("message", "mac"),
    [
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca32611497c827",
        ),
    ],
)
def test_a_mac_is_that_of_rfc_4493(message: str, mac: str) -> None:
    key = AesKey(RFC_4493)

    assert key.mac(bytes.fromhex(message)).hex() == mac
    assert key.mac(bytes.fromhex(message)).hex() == mac, "one message leaves nothing behind"


def test_blocks_are_encrypted_each_by_itself() -> None:
    block = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")  # NIST SP 800-38A, F.1.1
    encrypted = "3ad77bb40d7a3660a89ecaf32466ef97"

    assert AesKey(RFC_4493).encrypt(block + block).hex() == 2 * encrypted


def test_a_key_of_another_size_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ConfigError, match="15 bytes"):
        AesKey(RFC_4493[:-1])
    assert RFC_4493.hex() not in repr(AesKey(RFC_4493))
    assert str(RFC_4493) not in repr(vars(type(AesKey(RFC_4493))))
