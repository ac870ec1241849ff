"""What brokers are shown and trusted by: as it is configured -> as connections want it."""

from gateway.config import Secret
from gateway.config import TlsSettings as ConfiguredTls
from gateway.dial import TlsSettings


def revealed(secret: Secret | None) -> str | None:
    """Return a user name or a password."""
    return None if secret is None else secret.reveal()


def tls(given: ConfiguredTls | None) -> TlsSettings | None:
    """Return the files of a TLS connection; None: it is in clear."""
    if given is None:
        return None
    return TlsSettings(ca=_text(given.ca), cert=_text(given.cert), key=_text(given.key))


def _text(path: object | None) -> str | None:
    return None if path is None else str(path)
