"""Signatures of updates: what OpenSSL signs is taken, what anybody can make up is not."""

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.esp32 import signature
from tests.esp32.machines import ROOT, run_on
from tests.flash.releases import key, modulus
from ugw_flash.updates.signing import sign

TEXT = b"ugw-update 1 esp32 6 2 100 00 ugw 0.2"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def taken(text: bytes, signed: bytes, by: bytes | None = None) -> bool:
    return asyncio.run(signature.is_signed(text, signed, modulus() if by is None else by))


def private(block: bytes) -> bytes:
    """Do what only the key's owner can: find the signature whose block this is."""
    numbers = key().private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(block, "big"), numbers.d, n).to_bytes(384, "big")


def test_what_openssl_signs_is_taken() -> None:
    assert taken(TEXT, sign(key(), TEXT))


def test_the_same_signature_under_another_text_or_key_is_not() -> None:
    signed = sign(key(), TEXT)
    assert not taken(TEXT + b" ", signed)
    other = rsa.generate_private_key(65537, 3072).public_key().public_numbers().n
    assert not taken(TEXT, signed, other.to_bytes(384, "big"))


@pytest.mark.parametrize("at", range(0, 384, 16))
def test_any_other_bit_is_not(at: int) -> None:
    signed = bytearray(sign(key(), TEXT))
    signed[at] ^= 1 << at % 8
    assert not taken(TEXT, bytes(signed))


@pytest.mark.parametrize(
    "forge",
    [
        # Bleichenbacher 2006: a short padding, the digest in the middle, whatever fits behind it.
        lambda good: good[:10] + b"\0" + good[333:] + bytes(good.index(b"\0", 2) - 10),
        # Parameters of the algorithm left out, as RFC 8017 lets others do.
        lambda good: (
            b"\0\1" + b"\xff" * 332 + b"\0"
            + bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + good[-32:]
        )[:384],
        lambda good: b"\0\2" + good[2:],
        lambda good: b"\1\1" + good[2:],
        lambda good: good[:40] + b"\xfe" + good[41:],
        lambda good: good[:-52] + b"\1" + good[-51:],
    ],
    ids=["garbage behind", "no NULL", "type 2", "first byte", "padding", "end of padding"],
)  # fmt: skip
def test_a_block_that_is_not_exactly_the_one_is_not(forge: object) -> None:
    good = signature.expected(TEXT)
    assert taken(TEXT, private(good))
    block = forge(good)  # type: ignore[operator]
    assert len(block) == 384
    assert int.from_bytes(block, "big") < key().public_key().public_numbers().n or block[0] == 1
    assert not taken(TEXT, private(block))


def test_the_digest_is_where_openssl_puts_it() -> None:
    assert signature.expected(TEXT)[-51:-32] == DIGEST_INFO


@pytest.mark.parametrize("number", [0, 1, -1])
def test_numbers_that_sign_everything_are_not(number: int) -> None:
    n = int.from_bytes(modulus(), "big")
    assert not taken(TEXT, (number % n).to_bytes(384, "big"))
    assert not taken(TEXT, n.to_bytes(384, "big"))


@pytest.mark.parametrize("length", [0, 383, 385])
def test_another_length_is_not(length: int) -> None:
    assert not taken(TEXT, bytes([1]) * length)
    assert not taken(TEXT, sign(key(), TEXT), (modulus() + b"x")[:length])


def test_it_answers_on_the_chip_as_here_and_never_holds_the_loop_up_for_long(
    tmp_path: Path,
) -> None:
    good = sign(key(), TEXT)
    bad = good[:-1] + bytes([good[-1] ^ 1])
    (tmp_path / "case").write_bytes(modulus() + good + bad + TEXT)
    ended = run_on("32", ROOT / "tests/esp32/vm_signature.py", str(tmp_path / "case"), heap="56k")
    assert ended.code == 0, ended.text
    assert ended.text.split() == ["True", "False", "17"]
