"""A TCP or TLS connection, opened aside: whoever gives up on it is free at once.

Trust is not negotiable: with TLS the peer's certificate and name are always verified.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.aside import aside
from gateway.errors import UplinkError
from gateway.reach import Address, reach, resolve

# Of the time given: what a name server has, and then what a host's addresses have.
_RESOLVE: Final = 0.8  # glibc asks a second name server after 5 s, and the first again after 10 s
_REACH: Final = 0.67

_AUTHORITY: Final = (
    "its certificate comes from an unknown authority",
    "mqtt.tls.ca must name that authority",
)
_NAME: Final = (
    "its certificate is for another host",
    "mqtt.host must be the name the certificate was issued for",
)
_WEAK: Final = (
    "its certificate is too weak to be trusted",
    "have it issued anew, with RSA of 2048 bits or an elliptic curve, and SHA-256",
)
# X509_V_ERR_* of OpenSSL's x509_vfy.h -> cause and remedy.
_CERTIFICATE: Final = {
    9: ("its certificate is not valid yet", "is this gateway's clock right?"),
    10: ("its certificate has expired", "renew it; or is this gateway's clock wrong?"),
    18: ("its certificate is signed by itself", "if it is the right one, name it as mqtt.tls.ca"),
    19: _AUTHORITY,
    20: _AUTHORITY,
    62: _NAME,
    64: _NAME,
    66: _WEAK,
    67: _WEAK,
    68: _WEAK,
}


_RENEW: Final = "renew it, or name another as mqtt.tls.cert and mqtt.tls.key"
_UNLIKED: Final = (
    "does not accept our certificate",
    "is mqtt.tls.cert for this broker, valid by now, and is this gateway's clock right?",
)
_MISSING: Final = (
    "wants a certificate from us",
    "name the one issued for this gateway as mqtt.tls.cert and mqtt.tls.key",
)
# Alerts of the peer about us, by OpenSSL's names for them (RFC 8446, 6.2) -> cause and remedy.
_ALERTS: Final = {
    "SSLV3_ALERT_BAD_CERTIFICATE": _UNLIKED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("says our certificate has expired", _RENEW),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ("says our certificate has been revoked", _RENEW),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _UNLIKED,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "refuses the TLS handshake",
        "does it want a certificate (mqtt.tls.cert), or a newer TLS?",
    ),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _UNLIKED,
    "TLSV1_ALERT_ACCESS_DENIED": _UNLIKED,
    "TLSV1_ALERT_DECRYPT_ERROR": _UNLIKED,
    "TLSV1_ALERT_PROTOCOL_VERSION": (
        "speaks no TLS that is safe enough",
        "it must offer TLS 1.2 or 1.3",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": (
        "does not know the authority of our certificate",
        "mqtt.tls.cert must come from an authority the broker trusts, with its chain",
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _MISSING,
}


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of PEM files. Without `ca` the system's authorities are trusted."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None


async def dial(
    host: str, port: int, *, tls: TlsSettings | None, timeout_s: float
) -> socket.socket:
    """Return a connected socket, blocking, TLS handshake done. Raises UplinkError.

    Given up on, a name server's answer and a handshake go on aside until their timeouts, for
    neither can be interrupted. No socket is left open.
    """
    addresses = await _resolve(host, port, timeout_s * _RESOLVE)
    context = await aside(lambda: client_context(tls), name="dial") if tls else None
    try:
        sock = await reach(addresses, timeout_s=timeout_s * _REACH)
        sock.settimeout(timeout_s)  # a handshake takes seconds over a slow link
        return await _secured(sock, context, host) if context else sock
    except ssl.SSLError as error:
        raise _tls_error(error, f"{host}:{port}") from error
    except OSError as error:
        raise _network_error(error, host, port) from error


async def _resolve(host: str, port: int, timeout_s: float) -> Sequence[Address]:
    """Ask anew each time: the host may have moved, and no answer of old is trusted."""
    try:
        async with asyncio.timeout(timeout_s):
            return await aside(lambda: resolve(host, port), name="dial")
    except socket.gaierror as error:
        cause = f"cannot resolve {host}: {error.strerror}"
        raise UplinkError(cause, "check mqtt.host and the name server") from error
    except TimeoutError as error:
        cause = f"the name server did not answer for {host}"
        raise UplinkError(cause, "is the network up? see /etc/resolv.conf") from error
    except UnicodeError as error:
        message = f"{host!r} is not a host name: {error}"
        raise UplinkError(message, "check mqtt.host") from error


async def _secured(sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    def shake_hands() -> ssl.SSLSocket:
        try:
            return context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise

    return await aside(shake_hands, name="dial", unwanted=socket.socket.close)


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """Read the files anew each time: certificates are renewed under a running gateway.

    Raises UplinkError when one cannot be used, or the certificate and the key are no pair.
    """
    path = tls.ca
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert is not None:
            path = tls.cert if tls.key is None else f"{tls.cert} with {tls.key}"
            # A password, or OpenSSL would ask for one at the terminal.
            context.load_cert_chain(tls.cert, tls.key, password="")
    except OSError as error:
        message = f"cannot use {path}: {error.strerror or error}"
        raise UplinkError(message, "it must be readable PEM, a key without password") from error
    return context


def _tls_error(error: ssl.SSLError, where: str) -> UplinkError:
    if isinstance(error, ssl.SSLCertVerificationError):
        other = (f"its certificate does not verify: {error.verify_message}", "")
        cause, remedy = _CERTIFICATE.get(error.verify_code, other)
        return UplinkError(f"{where} is not trusted: {cause}", remedy)
    if error.reason in _ALERTS:
        return why_lost(error, where)
    return UplinkError(
        f"{where}: the TLS handshake failed: {error.reason or error}",
        "does this port speak TLS? 8883 usually does, 1883 does not",
    )


def why_lost(error: Exception | None, where: str) -> UplinkError:
    """Return why a connection that stood has ended: an error of its socket, None for the end.

    A broker that does not like our certificate says so here, under TLS 1.3 after the handshake.
    """
    if isinstance(error, ssl.SSLError) and error.reason in _ALERTS:
        cause, remedy = _ALERTS[error.reason]
        return UplinkError(f"{where} {cause}", remedy)
    what: object = "closed by the broker"
    if error is not None:
        what = getattr(error, "strerror", None) or error
    return UplinkError(f"the connection was lost: {what}")


def _network_error(error: OSError, host: str, port: int) -> UplinkError:
    match error:
        case ConnectionRefusedError():
            cause = f"{host}:{port} refuses connections"
            return UplinkError(cause, "is the broker running, on that port?")
        case ConnectionResetError():
            cause = f"{host}:{port} closed the connection at once"
            return UplinkError(cause, "does this port speak TLS, as mqtt.tls says?")
        case TimeoutError():
            cause = f"{host}:{port} does not answer"
            return UplinkError(cause, "is the network up, and does a firewall let us through?")
        case _:
            return UplinkError(f"cannot reach {host}:{port}: {error.strerror or error}")
