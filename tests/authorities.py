"""Certificates for tests: an authority, what it issued, and what it has revoked since."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any, Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.dial import TlsSettings
from tests.brokers import ServerTls

DAY: Final = dt.timedelta(days=1)


def in_days(days: int) -> dt.datetime:
    """Return a moment in the days to come."""
    return dt.datetime.now(dt.UTC) + days * DAY


def expired() -> dict[str, Any]:
    """Return the validity of a certificate that has ended."""
    now = dt.datetime.now(dt.UTC)
    return {"not_before": now - 2 * DAY, "not_after": now - DAY}


def not_yet_valid() -> dict[str, Any]:
    """Return the validity of a certificate that has not begun."""
    now = dt.datetime.now(dt.UTC)
    return {"not_before": now + DAY, "not_after": now + 2 * DAY}


class Authority:
    """An authority whose certificates stand in files of a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA()
        self.pem = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.pem)

    def issue(self, name: str, **validity: Any) -> tuple[Path, Path]:  # noqa: ANN401 - trustme's own
        """Write a certificate and its key, over those of the same name; return their paths."""
        leaf = self._ca.issue_cert(name, **validity)
        cert, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(leaf.private_key_pem.bytes())
        return cert, key

    def server(self, name: str = "127.0.0.1", **validity: Any) -> ServerTls:  # noqa: ANN401 - trustme's own
        """Return a listener's files."""
        return ServerTls(*self.issue(name, **validity))

    def context(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        """Return what a server in this process needs that wants certificates of its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name))
        context.load_verify_locations(self.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name: str = "gw", **validity: Any) -> TlsSettings:  # noqa: ANN401 - trustme's own
        """Return what a gateway needs that trusts this authority and is known to it."""
        cert, key = self.issue(name, **validity)
        return TlsSettings(ca=str(self.pem), cert=str(cert), key=str(key))

    def revoke(self, *certs: Path) -> Path:
        """Write the list of revoked certificates; return its path."""
        now = dt.datetime.now(dt.UTC)
        issuer = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        revoked = x509.CertificateRevocationListBuilder(
            issuer_name=issuer.subject, last_update=now - DAY, next_update=now + DAY
        )
        for cert in certs:
            serial = x509.load_pem_x509_certificate(cert.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=now - DAY)
            revoked = revoked.add_revoked_certificate(entry.build())
        key: Any = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        path = self._directory / "revoked.pem"
        path.write_bytes(
            revoked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return path
