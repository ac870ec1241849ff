"""A gateway's own key and certificate: made, asked for, compared. P-256 throughout.

A key appears as PEM in the hands of who asked for it, and in no message. Like gateway.crypto this
is an adapter of `cryptography`; the library is loaded by the first call, for an agent needs none.
"""

import datetime as dt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_PLACEHOLDER: Final = "ugw placeholder"  # organisation of a certificate that nobody issued
_PLACEHOLDER_DAYS: Final = 90
_ANOTHER_KEY: Final = "it is for another key than this gateway's"


def new_key() -> bytes:
    """Return a new private key on the curve P-256, as PKCS#8 in PEM, without password."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def request(key_pem: bytes, name: str) -> bytes:
    """Return a request for a certificate (PKCS#10, DER) for this common name.

    It asks for what brokers want of a client: the name once more as a DNS name. Raises ValueError
    for what is no private key of a curve.
    """
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

    builder = x509.CertificateSigningRequestBuilder().subject_name(_named(name))
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    signed = builder.add_extension(names, critical=False).sign(_key(key_pem), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


def placeholder(key_pem: bytes, name: str) -> bytes:
    """Return a certificate that nobody vouches for, in PEM.

    With it an agent starts, hears and keeps; a broker refuses it until the real one is there.
    """
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415

    key, now = _key(key_pem), dt.datetime.now(dt.UTC)
    subject = _named(name, _PLACEHOLDER)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=_PLACEHOLDER_DAYS))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def is_placeholder(pem: bytes) -> bool:
    """Whether the first certificate of a PEM file is one that nobody issued yet.

    Raises ValueError when there is none.
    """
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    subject = _first(pem).subject
    return [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        _PLACEHOLDER
    ]


def mismatch(pem: bytes, key_pem: bytes, name: str) -> str:
    """Say why the first certificate of a PEM file is none of this gateway; nothing if it is one.

    Raises ValueError when there is none, or no key.
    """
    certificate = _first(pem)
    return _of_another_key(certificate, key_pem) or _of_another_name(certificate, name)


def valid_until_s(pem: bytes) -> float:
    """Return when the first certificate of a PEM file ends, Unix time. Raises ValueError."""
    return _first(pem).not_valid_after_utc.timestamp()


def _first(pem: bytes) -> "x509.Certificate":
    """Return the first certificate of a PEM file. Raises ValueError when there is none."""
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificate(pem)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from None


def issued(pkcs7_der: bytes, key_pem: bytes, name: str) -> bytes:
    """Return the certificates of an answer (PKCS#7, certs-only) as a PEM file, ours first.

    Raises ValueError when none of them is for this key, or it is for another name.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: PLC0415
    from cryptography.x509 import InvalidVersion  # noqa: PLC0415

    try:
        chain = pkcs7.load_der_pkcs7_certificates(pkcs7_der)
    except (UnsupportedAlgorithm, InvalidVersion) as error:  # no ValueErrors, either of them
        raise ValueError(str(error)) from None
    own = [each for each in chain if not _of_another_key(each, key_pem)]
    if not own:
        raise ValueError(_ANOTHER_KEY)
    if cause := _of_another_name(own[0], name):
        raise ValueError(cause)
    rest = [each for each in chain if each is not own[0]]
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (own[0], *rest))


def _named(name: str, organisation: str = "") -> "x509.Name":
    from cryptography import x509  # noqa: PLC0415
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    parts: Iterable[tuple[x509.ObjectIdentifier, str]] = (
        (NameOID.COMMON_NAME, name),
        (NameOID.ORGANIZATION_NAME, organisation),
    )
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts if value])


def _of_another_key(certificate: "x509.Certificate", key_pem: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    ours = _public(_key(key_pem).public_key())
    try:
        return "" if _public(certificate.public_key()) == ours else _ANOTHER_KEY
    except UnsupportedAlgorithm:  # a key of a kind that ours is not
        return _ANOTHER_KEY


def _of_another_name(certificate: "x509.Certificate", name: str) -> str:
    given = _common_name(certificate)
    return "" if given == name else f"it is for {given!r}, and this gateway is {name!r}"


def _common_name(certificate: "x509.Certificate") -> str:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _key(pem: bytes) -> "ec.EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, None)
    except TypeError:  # it has a password; what it says quotes nothing, but is no ValueError
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        cause = "it is no private key of an elliptic curve without password"
        raise ValueError(cause)  # noqa: TRY004 - a file's content, not a caller's mistake
    return key


def _public(key: object) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    if not isinstance(key, ec.EllipticCurvePublicKey):
        return b""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
