"""TLS against a real mosquitto: no way around verification, and every failure named."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings, Will
from tests.brokers import Mosquitto, ServerTls, strict_run

WILL = Will("gw/status", b"gone")
DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC)

Start = Callable[..., Mosquitto]


class Authority:
    """An authority, its certificates as files, and brokers and clients that use them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self.pem = directory / f"ca{id(self)}.pem"
        self._ca.cert_pem.write_to_path(self.pem)

    def issue(self, name: str, **validity: Any) -> tuple[Path, Path]:  # noqa: ANN401 - trustme's own
        """Return paths of certificate and key."""
        leaf = self._ca.issue_cert(name, **validity)
        cert, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(key)
        return cert, key

    def server(self, name: str = "127.0.0.1", **validity: Any) -> ServerTls:  # noqa: ANN401 - trustme's own
        """Return a listener's files."""
        return ServerTls(*self.issue(name, **validity))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def connect(port: int, tls: TlsSettings) -> None:
    """Connect and leave again; raises what the connection raises."""
    settings = MqttSettings(host="127.0.0.1", port=port, client_id="gw", tls=tls)

    async def main() -> None:
        async with Connection(settings, WILL) as connection:
            await connection.disconnect(within_s=10)

    strict_run(main())


def test_a_broker_of_the_named_authority_is_trusted(
    mosquitto: Start, authority: Authority
) -> None:
    broker = mosquitto(tls=authority.server())
    connect(broker.port, TlsSettings(ca=str(authority.pem)))


@pytest.mark.parametrize(
    ("name", "validity", "cause"),
    [
        ("elsewhere.example", {}, "another host"),
        ("127.0.0.2", {}, "another host"),
        ("127.0.0.1", {"not_before": NOW - 2 * DAY, "not_after": NOW - DAY}, "has expired"),
        ("127.0.0.1", {"not_before": NOW + DAY, "not_after": NOW + 2 * DAY}, "not valid yet"),
    ],
)
def test_a_certificate_that_does_not_hold_is_refused_with_its_fault(
    mosquitto: Start, authority: Authority, name: str, validity: dict[str, Any], cause: str
) -> None:
    broker = mosquitto(tls=authority.server(name, **validity))
    with pytest.raises(UplinkError, match=cause) as caught:
        connect(broker.port, TlsSettings(ca=str(authority.pem)))
    assert caught.value.remedy


@pytest.mark.parametrize("named", ["another", "none"])
def test_a_broker_of_an_unknown_authority_is_refused(
    mosquitto: Start, authority: Authority, tmp_path: Path, named: str
) -> None:
    broker = mosquitto(tls=authority.server())
    ca = str(Authority(tmp_path).pem) if named == "another" else None
    with pytest.raises(UplinkError, match="unknown authority"):
        connect(broker.port, TlsSettings(ca=ca))


def test_a_broker_that_wants_a_certificate_gets_ours(
    mosquitto: Start, authority: Authority
) -> None:
    broker = mosquitto(tls=authority.server()._replace(client_ca=authority.pem))
    cert, key = authority.issue("gw-kiel-0042")
    connect(broker.port, TlsSettings(ca=str(authority.pem), cert=str(cert), key=str(key)))


def test_a_missing_client_certificate_is_named_as_the_cause(
    mosquitto: Start, authority: Authority
) -> None:
    broker = mosquitto(tls=authority.server()._replace(client_ca=authority.pem))
    with pytest.raises(UplinkError, match="the connection was lost") as caught:
        connect(broker.port, TlsSettings(ca=str(authority.pem)))
    assert "mqtt.tls.cert" in caught.value.remedy


def test_a_port_without_tls_is_told_apart(mosquitto: Start, authority: Authority) -> None:
    broker = mosquitto()
    with pytest.raises(UplinkError, match=r"TLS handshake failed|closed the connection at once"):
        connect(broker.port, TlsSettings(ca=str(authority.pem)))


def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("gw-kiel-0042")
    locked = tmp_path / "locked.key"
    plain = serialization.load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    absent, ca = str(tmp_path / "absent.pem"), str(authority.pem)
    for tls, named in (
        (TlsSettings(ca=absent), absent),
        (TlsSettings(ca=str(key)), str(key)),
        (TlsSettings(ca=ca, cert=absent, key=str(key)), absent),
        (TlsSettings(ca=ca, cert=str(cert), key=str(locked)), str(locked)),
    ):
        with pytest.raises(UplinkError, match=f"cannot use .*{named}"):
            connect(1, tls)
