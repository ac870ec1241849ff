"""TLS against a real mosquitto: no way around verification, and every failure named."""

import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.sim.broker import ScriptedBroker
from gateway.sim.proxy import Line, Proxy
from tests.authorities import Authority, expired, in_days, not_yet_valid
from tests.brokers import Mosquitto, ServerTls, strict_run

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


def write(cert: x509.Certificate, key: rsa.RSAPrivateKey, directory: Path) -> ServerTls:
    """Write a listener's files."""
    directory.mkdir(exist_ok=True)
    files = ServerTls(directory / "own.pem", directory / "own.key")
    files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return files


def self_signed(bits: int) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Return a certificate for 127.0.0.1 that its own key has signed."""
    key = rsa.generate_private_key(65_537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(in_days(-1))
        .not_valid_after(in_days(1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(alternative, critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def test_a_broker_that_has_signed_its_own_certificate_is_refused_unless_it_is_named(
    mosquitto: Start, authority: Authority, tmp_path: Path
) -> None:
    own = write(*self_signed(2048), tmp_path / "own")
    broker = mosquitto(tls=own)
    with pytest.raises(UplinkError, match="signed by itself") as caught:
        connect(broker.port, TlsSettings(ca=str(authority.pem)))
    assert "mqtt.tls.ca" in caught.value.remedy
    connect(broker.port, TlsSettings(ca=str(own.cert)))


def test_a_key_that_can_be_broken_is_refused_though_its_certificate_is_the_named_one(
    tmp_path: Path,
) -> None:
    own = write(*self_signed(1024), tmp_path / "own")
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    careless.set_ciphers("DEFAULT:@SECLEVEL=0")
    careless.load_cert_chain(own.cert, own.key)

    async def main() -> None:
        async with ScriptedBroker(tls=careless) as broker:
            tls = TlsSettings(ca=str(own.cert))
            weak = MqttSettings(host="127.0.0.1", port=broker.port, client_id="gw", tls=tls)
            with pytest.raises(UplinkError, match="too weak to be trusted") as caught:
                await Connection(weak, WILL).__aenter__()
            assert "2048" in caught.value.remedy
            assert not broker.connects

    strict_run(main())


def test_a_handshake_over_a_slow_line_is_waited_for(
    mosquitto: Start, authority: Authority
) -> None:
    """At the rate at which acknowledgements are waited for; a third of the time is too little."""
    broker = mosquitto(tls=authority.server())
    tls = TlsSettings(ca=str(authority.pem))
    slow = Line(down_bytes_per_s=450, up_bytes_per_s=500)

    async def main() -> None:
        async with Proxy(broker.port, slow) as link:
            settings = MqttSettings(
                host="127.0.0.1", port=link.port, client_id="gw", tls=tls, connect_timeout_s=7.0
            )
            async with Connection(settings, WILL) as connection:
                assert connection.connected

    strict_run(main())


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
