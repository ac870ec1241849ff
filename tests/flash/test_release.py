"""Bundles and keys: equal ones are equal files, damaged ones are refused, no key is replaced."""

import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.flash.releases import FILES, key, release
from ugw_flash.updates import release as releases
from ugw_flash.updates import signing
from ugw_flash.updates.release import ReleaseError
from ugw_flash.updates.signing import SigningError


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    releases.write(release(2), tmp_path / "one")
    releases.write(release(2), tmp_path / "two")

    assert releases.read(tmp_path / "one") == release(2)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_pieces_put_together_are_the_manifest_and_the_files_in_its_order() -> None:
    made = release(2)
    assert b"".join(made.pieces()) == made.manifest + b"".join(FILES[p] for p in sorted(FILES))
    assert max(map(len, made.pieces())) == 512


@pytest.mark.parametrize("name", ["offer", "manifest", "files/properties.txt"])
def test_a_bundle_in_which_anything_changed_is_refused(tmp_path: Path, name: str) -> None:
    releases.write(release(2), tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "good") as old, zipfile.ZipFile(tmp_path / "bad", "w") as new:
        for each in old.namelist():
            content = old.read(each)
            new.writestr(each, content[:-9] + b"x" + content[-8:] if each == name else content)
    if name == "offer":  # its name of the release; the rest of it only the board can judge
        with pytest.raises(ReleaseError):
            releases.read(tmp_path / "bad")
        return
    with pytest.raises(ReleaseError, match="damaged"):
        releases.read(tmp_path / "bad")


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100])
def test_what_is_no_bundle_is_refused_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ReleaseError) as caught:
        releases.read(tmp_path / "x")
    assert "ugw flash release" in caught.value.remedy


@pytest.mark.parametrize(("number", "name"), [(0, "a"), (1, ""), (1, "a\nb"), (1, "a" * 65)])
def test_a_release_without_number_or_name_is_refused(number: int, name: str) -> None:
    with pytest.raises(ReleaseError):
        releases.make(FILES, number, name, key())


def test_a_key_is_private_and_is_never_replaced(tmp_path: Path) -> None:
    private, public = tmp_path / "k", tmp_path / "k.pub"
    signing.generate(private, public, b"secret")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    with pytest.raises(SigningError, match="cannot be made"):
        signing.generate(private, public)
    with pytest.raises(SigningError):
        signing.load(private)
    with pytest.raises(SigningError):
        signing.load(private, b"wrong")
    loaded = signing.load(private, b"secret")
    assert signing.modulus(public.read_bytes()) == signing.modulus(signing.public_pem(loaded))


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_another_kind_of_key_signs_nothing(tmp_path: Path, kind: str) -> None:
    short, curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    made: Any = short if kind == "rsa" else curve
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k").write_bytes(pem)
    with pytest.raises(SigningError, match="3072"):
        signing.load(tmp_path / "k")
    with pytest.raises(SigningError):
        signing.modulus(pem)
    with pytest.raises(SigningError):
        signing.modulus(signing.public_pem(made))
