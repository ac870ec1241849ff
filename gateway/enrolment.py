"""A certificate asked for with a claim, over EST (RFC 7030, simpleenroll).

Who vouches for the server is always checked, and no redirection is followed: the claim goes to who
was named and to nobody else. The claim is in no message.
"""

import base64
import binascii
import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.certification import issued, request
from gateway.errors import UgwError
from gateway.exit_codes import ExitCode

_LIMIT_S: Final = 30.0
_MOST_BYTES: Final = 1_000_000
_LEAST_WAIT_S, _MOST_WAIT_S = 1.0, 3600.0  # whatever the server asks for
_PORT: Final = 443
_DENIED: Final = (401, 403)
_WAIT: Final = 202  # somebody has to approve it first (RFC 7030, 4.2.3)


class EnrolmentError(UgwError):
    """No certificate yet; it may be had later."""


class ClaimRefusedError(EnrolmentError):
    """The claim is of no use: used, expired, or for another gateway. Asking again is futile."""

    exit_code = ExitCode.BAD_MATERIAL


class PendingError(EnrolmentError):
    """The request waits for somebody to approve it."""

    def __init__(self, cause: str, remedy: str, after_s: float) -> None:
        super().__init__(cause, remedy)
        self.after_s = after_s


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """Who issues certificates: where, and who vouches for it (a PEM file; None: the system's)."""

    url: str
    ca: str | None = None


def enrol(authority: Authority, gateway: str, claim: str, key_pem: bytes) -> bytes:
    """Return the gateway's certificate and its chain, as a PEM file. Raises EnrolmentError."""
    try:
        return issued(_ask(authority, gateway, claim, request(key_pem, gateway)), key_pem, gateway)
    except ValueError as error:
        cause = f"{authority.url} answers with a certificate that is of no use: {error}"
        raise EnrolmentError(cause, "that server is not set up for this fleet") from None


def _ask(authority: Authority, gateway: str, claim: str, csr: bytes) -> bytes:
    parts = urlsplit(authority.url)
    where = f"{parts.hostname}:{parts.port or _PORT}"
    login = base64.b64encode(f"{gateway}:{claim}".encode()).decode()
    headers = {
        "Authorization": f"Basic {login}",
        "Content-Type": "application/pkcs10",
        "Content-Transfer-Encoding": "base64",
        "Accept": "application/pkcs7-mime",
    }
    connection = http.client.HTTPSConnection(
        str(parts.hostname), parts.port or _PORT, timeout=_LIMIT_S, context=_context(authority)
    )
    try:
        path = parts.path.rstrip("/") + "/simpleenroll"
        connection.request("POST", path, base64.encodebytes(csr), headers)
        with connection.getresponse() as response:
            body = response.read(_MOST_BYTES + 1)
            after = response.headers.get("Retry-After", "")
            return certificates(response.status, body, where, after)
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(where, error) from None
    finally:
        connection.close()


def _context(authority: Authority) -> ssl.SSLContext:
    if urlsplit(authority.url).scheme != "https":
        cause = f"{authority.url} is no https:// address: a claim is never sent in clear"
        raise EnrolmentError(cause, "mend identity.enrol of the profile")
    try:
        return ssl.create_default_context(cafile=authority.ca)
    except OSError as error:
        cause = f"cannot use {authority.ca}: {error.strerror or error}"
        raise EnrolmentError(cause, "it has to be the PEM file of an authority") from None


def _unreached(where: str, error: Exception) -> EnrolmentError:
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = f"{where} is not trusted: {error.verify_message}"
        return EnrolmentError(cause, "is the clock right, and identity.enrol_ca its authority?")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return EnrolmentError(f"{where} is not reached: {reason}", "is the network up? ugw doctor")


def certificates(status: int, body: bytes, where: str, after: str) -> bytes:
    """Return the PKCS#7 of an answer (RFC 7030, 4.2.3). Raises EnrolmentError."""
    if status in _DENIED:
        cause = f"{where} refuses the claim: it was used, has expired, or is another gateway's"
        raise ClaimRefusedError(cause, "ask city IT for a new claim (ugw flash seed)")
    if status == _WAIT:
        wait_s = float(after) if after.isdecimal() else _MOST_WAIT_S
        cause = f"{where} has the request; somebody has to approve it"
        wait_s = max(_LEAST_WAIT_S, min(wait_s, _MOST_WAIT_S))
        raise PendingError(cause, "approve it there", wait_s)
    if status != http.client.OK or len(body) > _MOST_BYTES:
        cause = f"{where} answers with HTTP status {status}"
        raise EnrolmentError(cause, "is identity.enrol the address of an EST server?")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        cause = f"{where} answers with something that is no certificate"
        raise EnrolmentError(cause, "is identity.enrol the address of an EST server?") from None
