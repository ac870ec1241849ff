"""Short codes, claims, and certificates by the authority of a small fleet."""

import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.certification import new_key, request
from gateway.errors import UgwError
from tests.flash.desks import NOW_S
from ugw_flash.authority import open_authority
from ugw_flash.identity import Claim, digest_of, read_code, short_code
from ugw_flash.outcome import BadMaterialError

CERTIFICATES = Path(__file__).parents[2] / "config" / "mosquitto" / "certificates"
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fleet's folder, made by the script that is meant for it."""
    folder = tmp_path_factory.mktemp("fleet")
    subprocess.run([CERTIFICATES, "authority"], cwd=folder, check=True)
    return folder


@pytest.fixture
def fleet(made: Path, tmp_path: Path) -> Path:
    """Return a fleet's folder of one's own."""
    return Path(shutil.copytree(made, tmp_path / "fleet"))


# ------------------------------------------------------------------------------------- short codes
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_a_short_code_is_read_however_it_is_typed(number: int) -> None:
    code = short_code("kiel", f"gw-{number}")

    assert len(code) == 9
    assert not code.replace("-", "").strip(DIGITS)
    assert read_code(code) == code
    typed = code.replace("-", " ").lower().replace("0", "o").replace("1", "l")
    assert read_code(typed) == code


def test_a_gateway_keeps_its_short_code_and_no_other_has_it() -> None:
    codes = {short_code("kiel", f"gw-{number}") for number in range(2000)}
    assert len(codes) == 2000
    assert short_code("kiel", "gw-1") == short_code("kiel", "gw-1") == "H860-4K50"
    assert short_code("kiel", "gw-1") != short_code("wien", "gw-1")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_one_wrong_character_or_two_swapped_are_noticed(number: int) -> None:
    code = short_code("kiel", f"gw-{number}").replace("-", "")
    wrong = {code[:at] + digit + code[at + 1 :] for at in range(8) for digit in DIGITS} | {
        code[:at] + code[at + 1] + code[at] + code[at + 2 :] for at in range(7)
    }

    for each in wrong - {code}:
        with pytest.raises(BadMaterialError, match="mistyped"):
            read_code(each)


@pytest.mark.parametrize("text", ["", "7F2K", "7F2K-M3Q9X", "7F2K-M3U9", "7F2K/M3Q9"])
def test_what_is_no_short_code_is_refused(text: str) -> None:
    with pytest.raises(BadMaterialError, match="no short code"):
        read_code(text)


# ------------------------------------------------------------------------------------- claims
def test_a_claim_has_128_random_bits_and_shows_none_of_them() -> None:
    claim = Claim.new(NOW_S)
    text = claim.secret.reveal()

    assert len({Claim.new(NOW_S).secret.reveal() for _ in range(100)}) == 100
    assert len(text) * 5 >= 128
    assert not text.strip(DIGITS)
    assert text not in repr(claim)
    assert text not in str(claim)
    assert claim.digest == digest_of(text)
    assert Claim.new(0, lambda count: b"\xff" * count).secret.reveal() == "7" + "Z" * 25


def test_a_claim_that_was_kept_is_taken_and_a_damaged_one_is_not() -> None:
    claim = Claim.new(NOW_S)
    assert Claim.of(claim.secret.reveal(), NOW_S).digest == claim.digest
    for text in ("", claim.secret.reveal()[:-1], claim.secret.reveal()[:-1] + "U"):
        with pytest.raises(BadMaterialError) as caught:
            Claim.of(text, NOW_S)
        assert not text or text not in str(caught.value)


# ------------------------------------------------------------------------------------- authority
def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_openssl_takes_a_certificate_that_was_issued_here(fleet: Path) -> None:
    now_s = int(time.time())  # the authority was made just now
    pem = open_authority(fleet).issue(request(new_key(), "gw-1"), "gw-1", now_s)
    (fleet / "issued.pem").write_bytes(pem)

    purpose = ("-purpose", "sslclient", "-x509_strict")
    verified = openssl(fleet, "verify", *purpose, "-CAfile", "ca.pem", "issued.pem")
    assert "issued.pem: OK" in verified
    text = openssl(fleet, "x509", "-in", "issued.pem", "-noout", "-text")
    for shown in ("Subject: CN = gw-1", "DNS:gw-1", "TLS Web Client Authentication", "CA:FALSE"):
        assert shown in text
    assert "TLS Web Server Authentication" not in text


def test_it_has_the_extensions_of_those_that_the_script_issues(fleet: Path) -> None:
    subprocess.run([CERTIFICATES, "client", "gw-2"], cwd=fleet, check=True, capture_output=True)
    pem = open_authority(fleet).issue(request(new_key(), "gw-1"), "gw-1", NOW_S)
    ours = x509.load_pem_x509_certificate(pem)
    theirs = x509.load_pem_x509_certificate((fleet / "clients" / "gw-2.pem").read_bytes())

    assert {(each.oid, each.critical) for each in ours.extensions} == {
        (each.oid, each.critical) for each in theirs.extensions
    }
    assert ours.issuer == theirs.issuer


def test_the_script_revokes_what_was_issued_here(fleet: Path) -> None:
    pem = open_authority(fleet).issue(request(new_key(), "gw-1"), "gw-1", NOW_S)
    serial = x509.load_pem_x509_certificate(pem).serial_number

    subprocess.run([CERTIFICATES, "revoke", "gw-1"], cwd=fleet, check=True, capture_output=True)

    revoked = x509.load_pem_x509_crl((fleet / "revoked.pem").read_bytes())
    assert revoked.get_revoked_certificate_by_serial_number(serial) is not None
    assert not (fleet / "clients" / "gw-1.pem").exists()


def test_the_key_of_a_gateway_is_written_nowhere(fleet: Path) -> None:
    key = new_key()
    open_authority(fleet).issue(request(key, "gw-1"), "gw-1", NOW_S)

    secret = key.splitlines()[1]
    assert not any(secret in each.read_bytes() for each in fleet.rglob("*") if each.is_file())
    assert stat.S_IMODE((fleet / "clients").stat().st_mode) == 0o700


def test_a_request_for_another_gateway_is_not_certified(fleet: Path) -> None:
    with pytest.raises(BadMaterialError, match="for 'gw-2'"):
        open_authority(fleet).issue(request(new_key(), "gw-2"), "gw-1", NOW_S)
    assert not (fleet / "clients").exists()
    assert (fleet / "authority" / "index.txt").read_text() == ""


def test_a_certificate_ends_no_later_than_its_authority(fleet: Path) -> None:
    authority = open_authority(fleet)
    end = authority.certificate.not_valid_after_utc
    late = int(end.timestamp()) - 86400

    issued = x509.load_pem_x509_certificate(
        authority.issue(request(new_key(), "gw-1"), "gw-1", late)
    )
    assert issued.not_valid_after_utc == end


@pytest.mark.parametrize("damage", ["ca.pem", "authority/ca.key"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN NOTHING-----\n"])
def test_a_folder_that_is_no_authority_is_refused(
    fleet: Path, damage: str, content: bytes | None
) -> None:
    if content is None:
        (fleet / damage).unlink()
    else:
        (fleet / damage).write_bytes(content)
    with pytest.raises(BadMaterialError) as caught:
        open_authority(fleet)
    assert "config/mosquitto/certificates" in caught.value.remedy


def test_a_key_of_another_authority_is_refused(fleet: Path) -> None:
    (fleet / "authority" / "ca.key").write_bytes(new_key())
    with pytest.raises(UgwError, match=r"not the key of ca\.pem"):
        open_authority(fleet)
