"""Certificates for keys that are made on the desk, by the authority of a small fleet.

The authority is the folder that config/mosquitto/certificates makes and goes on working with: what
is issued here stands in its list, so that `certificates revoke` takes it back. No key of a gateway
is ever written here.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.identity import is_slug
from ugw_flash.outcome import BadMaterialError

DAYS: Final = 825  # as config/mosquitto/certificates has it

_LEEWAY: Final = dt.timedelta(days=1)  # clocks of gateways may be behind the desk's
_GENERALIZED_FROM: Final = 2050  # X.509 writes years with four digits from here on
_REMEDY: Final = "identity.authority is a folder that config/mosquitto/certificates has made"


class Authority(NamedTuple):
    """Who certifies: its certificate and its key."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    def __repr__(self) -> str:
        return f"Authority({str(self.folder)!r})"

    def issue(self, request_der: bytes, gateway: str, now_s: int) -> bytes:
        """Return a client certificate for a gateway, PEM, once it stands in the list.

        Raises BadMaterialError when the request is not for this gateway, or was altered.
        """
        made = self._made(_checked(request_der, gateway), now_s)
        pem = made.public_bytes(Encoding.PEM)
        serial = f"{made.serial_number:X}"
        serial = serial if len(serial) % 2 == 0 else f"0{serial}"  # whole bytes, as openssl writes
        try:
            self._register(made, serial, gateway, pem)
        except OSError as error:
            cause = f"{self.folder}: the certificate cannot be kept: {error.strerror}"
            raise BadMaterialError(cause, _REMEDY) from None
        return pem

    def _made(self, request: x509.CertificateSigningRequest, now_s: int) -> x509.Certificate:
        now = dt.datetime.fromtimestamp(now_s, dt.UTC)
        end = min(now + dt.timedelta(days=DAYS), self.certificate.not_valid_after_utc)
        public, issuer = request.public_key(), self.certificate.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _LEEWAY, self.certificate.not_valid_before_utc))
            .not_valid_after(end)
        )
        client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        names = x509.SubjectAlternativeName([x509.DNSName(_common_name(request.subject))])
        extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_SIGNS_ONLY, True),
            (client, False),
            (x509.SubjectKeyIdentifier.from_public_key(public), False),
            (_issued_by(self.certificate, issuer), False),
            (names, False),
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, SHA256())

    def _register(self, made: x509.Certificate, serial: str, gateway: str, pem: bytes) -> None:
        """Keep it as `openssl ca` does. The list comes last: what stands in it is there."""
        clients = self.folder / "clients"
        clients.mkdir(mode=0o700, exist_ok=True)
        (self.folder / "authority" / "issued" / f"{serial}.pem").write_bytes(pem)
        (clients / f"{gateway}.pem").write_bytes(pem)
        end = made.not_valid_after_utc
        until = end.strftime("%Y%m%d%H%M%SZ")
        until = until if end.year >= _GENERALIZED_FROM else until[2:]
        with (self.folder / "authority" / "index.txt").open("a", encoding="utf-8") as index:
            index.write(f"V\t{until}\t\t{serial}\tunknown\t/CN={gateway}\n")
            index.flush()
            os.fsync(index.fileno())


def open_authority(folder: Path) -> Authority:
    """Read an authority. Raises BadMaterialError, which never quotes the key."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = load_pem_private_key((folder / "authority" / "ca.key").read_bytes(), None)
    except OSError as error:
        cause = f"{error.filename} cannot be read: {error.strerror}"
        raise BadMaterialError(cause, _REMEDY) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        cause = (
            f"{folder}: ca.pem and authority/ca.key are no certificate and key without password"
        )
        raise BadMaterialError(cause, _REMEDY) from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        cause = f"{folder}: the authority's key is neither of a curve (ECDSA) nor RSA"
        raise BadMaterialError(cause, _REMEDY)
    if key.public_key() != certificate.public_key():
        cause = f"{folder}: authority/ca.key is not the key of ca.pem"
        raise BadMaterialError(cause, _REMEDY)
    return Authority(folder, certificate, key)


_SIGNS_ONLY: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _checked(request_der: bytes, gateway: str) -> x509.CertificateSigningRequest:
    """Return a request that its own key has signed, for this gateway."""
    request = x509.load_der_x509_csr(request_der)
    name = _common_name(request.subject)
    if not request.is_signature_valid or name != gateway or not is_slug(gateway):
        cause = f"the request for a certificate of {gateway} is for {name!r}, or was altered"
        raise BadMaterialError(cause, "make the row anew")
    return request


def _common_name(subject: x509.Name) -> str:
    found = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _issued_by(authority: x509.Certificate, key: object) -> x509.AuthorityKeyIdentifier:
    try:
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        assert isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey))  # noqa: S101 - checked when opened
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
