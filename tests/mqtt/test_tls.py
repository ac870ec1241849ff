"""TLS against a real mosquitto: no way around verification, and every failure named."""

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings, Will
from tests.authorities import Authority, expired, not_yet_valid
from tests.brokers import Mosquitto, strict_run

WILL = Will("gw/status", b"gone")

Start = Callable[..., Mosquitto]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


def connect(port: int, tls: TlsSettings) -> None:
    """Connect and leave again; raises what the connection raises."""
    settings = MqttSettings(host="127.0.0.1", port=port, client_id="gw", tls=tls)

    async def main() -> None:
        async with Connection(settings, WILL) as connection:
            await connection.disconnect("enough", within_s=10)

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
        ("127.0.0.1", expired(), "has expired"),
        ("127.0.0.1", not_yet_valid(), "not valid yet"),
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
    ca = str(Authority(tmp_path / "other").pem) if named == "another" else None
    with pytest.raises(UplinkError, match="unknown authority"):
        connect(broker.port, TlsSettings(ca=ca))


def test_a_broker_that_wants_a_certificate_gets_ours(
    mosquitto: Start, authority: Authority
) -> None:
    broker = mosquitto(tls=authority.server()._replace(client_ca=authority.pem))
    cert, key = authority.issue("gw-kiel-0042")
    connect(broker.port, TlsSettings(ca=str(authority.pem), cert=str(cert), key=str(key)))


# What is wrong with our certificate -> what is said of it.
FAULTS = {
    "missing": "wants a certificate from us",
    "unknown": "does not know the authority of our certificate",
    "expired": "says our certificate has expired",
    "early": "does not accept our certificate",
    "revoked": "says our certificate has been revoked",
}


def faulty(fault: str, authority: Authority, directory: Path) -> TlsSettings:
    """Return the settings of a gateway with that fault."""
    match fault:
        case "missing":
            return TlsSettings(ca=str(authority.pem))
        case "unknown":
            cert, key = Authority(directory / "other").issue("gw")
            return TlsSettings(ca=str(authority.pem), cert=str(cert), key=str(key))
        case "expired":
            return authority.client(**expired())
        case "early":
            return authority.client(**not_yet_valid())
        case _:
            return authority.client()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_broker_has_against_our_certificate_is_named(
    mosquitto: Start, authority: Authority, tmp_path: Path, fault: str
) -> None:
    """Under TLS 1.3 it says so after the handshake, while CONNECT is on its way."""
    tls = faulty(fault, authority, tmp_path)
    revoked = [Path(tls.cert)] if fault == "revoked" and tls.cert else []
    listener = authority.server()._replace(
        client_ca=authority.pem, revoked=authority.revoke(*revoked)
    )
    broker = mosquitto(tls=listener)
    with pytest.raises(UplinkError, match=FAULTS[fault]) as caught:
        connect(broker.port, tls)
    assert "mqtt.tls.cert" in caught.value.remedy


@pytest.mark.parametrize("fault", ["missing", "unknown", "expired", "early"])
def test_under_tls_1_2_it_is_named_too(authority: Authority, tmp_path: Path, fault: str) -> None:
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    tls = faulty(fault, authority, tmp_path)
    said = "refuses the TLS handshake" if fault == "missing" else FAULTS[fault]

    def shake_hands(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer, suppress(ssl.SSLError):
            context.wrap_socket(peer, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(shake_hands, server)
        with pytest.raises(UplinkError, match=said) as caught:
            connect(server.getsockname()[1], tls)
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
