"""Certificates and keys as an ESP32 reads them: one of each, DER; from the PEM files of a Pi."""

from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.config import TlsSettings
from gateway.config.findings import Path as Place

_NVS_BLOB_BYTES: Final = 4000  # the longest in one page of NVS
_NO_CA = "an ESP32 has no list of authorities: name the file of the one that vouches"


class Credentials(NamedTuple):
    """DER; empty: there is none."""

    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        return "Credentials()"  # the key is one


def credentials(tls: TlsSettings | None, faults: list[tuple[Place, str]]) -> Credentials:
    """Convert what a configuration names; what does not fit on a board goes to `faults`."""
    if tls is None:
        return Credentials()
    place = ("mqtt", "tls")
    if tls.ca is None:
        faults.append(((*place, "ca"), _NO_CA))
        return Credentials()
    ca = _only_certificate(tls.ca, (*place, "ca"), faults)
    if tls.cert is None or tls.key is None:
        return Credentials(ca)
    certificate = _only_certificate(tls.cert, (*place, "cert"), faults)
    return Credentials(ca, certificate, _private_key(tls.key, (*place, "key"), faults))


def _only_certificate(path: Path, place: Place, faults: list[tuple[Place, str]]) -> bytes:
    found = x509.load_pem_x509_certificates(path.read_bytes())
    if len(found) != 1:
        why = f"an ESP32 reads one certificate, and there are {len(found)} in {path}"
        faults.append((place, why))
    return found[0].public_bytes(Encoding.DER)


def _private_key(path: Path, place: Place, faults: list[tuple[Place, str]]) -> bytes:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        faults.append((place, "an ESP32 knows keys of RSA and of elliptic curves (ECDSA) only"))
        return b""
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    if len(der) > _NVS_BLOB_BYTES:
        faults.append((place, f"at most {_NVS_BLOB_BYTES} bytes fit into the board's NVS"))
    return der
