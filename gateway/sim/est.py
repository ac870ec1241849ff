"""A city's server for certificates, as EST has it (RFC 7030): claims in, certificates out, faults.

It checks what a real one checks: the login, the signature of the request, the name in it, that a
claim is used once. What it hands out is signed by an authority of its own.
"""

import base64
import datetime as dt
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY: Final = dt.timedelta(days=1)
_MOST_BYTES: Final = 20_000
_LOCAL: Final = "127.0.0.1"
_POLL_S: Final = 0.02  # between looks at whether it is to end


class EstServer:
    """Answers on a port of this machine until it is left.

    `claims` says which claim each gateway has; one that was used is no longer taken. `waits` is
    how often a gateway is told to come back later, for somebody has to approve it.
    """

    def __init__(self, folder: Path, claims: dict[str, str], *, waits: int = 0) -> None:
        self.claims = dict(claims)
        self.waits = waits
        self.issued: dict[str, bytes] = {}  # PEM by gateway
        self.asked = 0
        self.status: int | None = None  # instead of any answer, while it is set
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._ca = self._certificate("ugw simulated authority", self._key.public_key(), ca=True)
        self.ca = folder / "est-ca.pem"
        self.ca.write_bytes(self._ca.public_bytes(serialization.Encoding.PEM))
        self._http = ThreadingHTTPServer((_LOCAL, 0), self._handler())
        self._http.socket = self._tls(folder).wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_S,), name="est", daemon=True
        )

    @property
    def url(self) -> str:
        """Return its address, without /simpleenroll."""
        return f"https://{_LOCAL}:{self._http.server_port}/.well-known/est"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, path: str, login: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body for a request."""
        self.asked += 1
        if self.status is not None:
            return self.status, {}, b"out of order"
        if not path.endswith("/simpleenroll"):
            return 404, {}, b"no such operation"
        gateway, _, claim = base64.b64decode(login.removeprefix("Basic ")).decode().partition(":")
        if self.claims.get(gateway) != claim:
            return 401, {"WWW-Authenticate": 'Basic realm="est"'}, b"no such claim"
        request = x509.load_der_x509_csr(base64.b64decode(body))
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not request.is_signature_valid or [each.value for each in names] != [gateway]:
            return 400, {}, b"the request is not for that gateway"
        if self.waits:
            self.waits -= 1
            return 202, {"Retry-After": "0"}, b"approve it first"
        del self.claims[gateway]
        made = self._certificate(gateway, request.public_key())
        self.issued[gateway] = made.public_bytes(serialization.Encoding.PEM)
        der = pkcs7.serialize_certificates([self._ca, made], serialization.Encoding.DER)
        return 200, {"Content-Type": "application/pkcs7-mime"}, base64.encodebytes(der)

    def _certificate(
        self, name: str, public: object, *, ca: bool = False, server: bool = False
    ) -> x509.Certificate:
        assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101 - the simulator's own
        now = dt.datetime.now(dt.UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if ca else self._ca.subject
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 90 * _DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if server:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(_address())]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())

    def _tls(self, folder: Path) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._certificate(_LOCAL, key.public_key(), server=True)
        both = folder / "est-server.pem"
        both.touch(mode=0o600)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        both.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        return context

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length", "0")), _MOST_BYTES)
                login = self.headers.get("Authorization", "")
                status, headers, body = server.answer(self.path, login, self.rfile.read(length))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
                """Stay silent: a claim has no place in a log."""

        return Handler


def _address() -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(_LOCAL)
