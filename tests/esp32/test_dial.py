"""How an ESP32 comes to a broker it trusts, and what it says of one it does not."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.authorities import Authority, expired, in_days, not_yet_valid
from tests.brokers import Mosquitto, free_port, mosquitto, strict_run
from tests.esp32.uplink_board import Board, compiled

__all__ = ["mosquitto"]  # a fixture

Start = Callable[..., Mosquitto]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("flash"))


class Flash(NamedTuple):
    """What of a board's flash and NVS is about trust."""

    path: Path

    def trust(self, authority: Authority) -> None:
        self._write("site/ca.der", _der(authority.pem))

    def be(self, authority: Authority, **validity: object) -> None:
        """Get a certificate, and its key."""
        cert, key = authority.issue("gw", **validity)
        self._write("site/client.der", _der(cert))
        private = load_pem_private_key(key.read_bytes(), None)
        data = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self._write("tls_key", data)

    def asked(self, broker: Mosquitto) -> dict[str, object]:
        key = self.path / "tls_key"
        return {
            "port": broker.port,
            "tls": True,
            "path": str(self.path),
            "key": str(key) if key.exists() else "",
            "count": 20,
        }

    def _write(self, name: str, data: bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _der(pem: Path) -> bytes:
    return x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture
def flash(tmp_path: Path) -> Flash:
    return Flash(tmp_path / "board")


@pytest.fixture
def city(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "city")


def delivers(modules: Path, flash: Flash, broker: Mosquitto) -> None:
    async def main() -> None:
        async with Board(modules, **flash.asked(broker)) as board:
            end = await board.until("end")
        assert (end["acked"], end["left"]) == (20, 0)

    strict_run(main())


def refuses(modules: Path, flash: Flash, broker: Mosquitto, cause: str) -> None:
    async def main() -> None:
        async with Board(modules, **flash.asked(broker)) as board:
            await board.when(lambda: bool(board.all("cause") or board.all("up")))
            assert cause in board.all("cause")[0]["cause"]
            assert not board.all("up")

    strict_run(main())


def test_a_broker_of_our_authority_is_trusted_and_trusts_our_certificate(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    flash.be(city)
    delivers(modules, flash, mosquitto(tls=city.server()._replace(client_ca=city.pem)))


def test_a_broker_that_wants_no_certificate_gets_none(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    delivers(modules, flash, mosquitto(tls=city.server()))


def test_a_certificate_for_another_host_is_not_trusted(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    broker = mosquitto(tls=city.server("broker.example"))
    refuses(modules, flash, broker, "it is for another host: mqtt.host must be")


def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start, tmp_path: Path
) -> None:
    flash.trust(Authority(tmp_path / "another"))
    broker = mosquitto(tls=city.server())
    refuses(modules, flash, broker, "it is not trusted: mqtt.tls.ca must name its authority")


def test_an_expired_certificate_is_not_trusted(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    broker = mosquitto(tls=city.server(**expired()))
    year = in_days(0).year
    refuses(modules, flash, broker, f"or is the clock wrong? It says {year}-")


def test_a_certificate_that_is_not_valid_yet_is_not_trusted(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    broker = mosquitto(tls=city.server(**not_yet_valid()))
    refuses(modules, flash, broker, "it is not yet valid: is the clock wrong? It says ")


@pytest.mark.parametrize("ours", ["none", "expired", "another's"])
def test_a_broker_that_refuses_our_certificate_is_told(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start, ours: str
) -> None:
    flash.trust(city)
    if ours == "expired":
        flash.be(city, **expired())
    elif ours == "another's":
        flash.be(Authority(flash.path / "another"))
    broker = mosquitto(tls=city.server()._replace(client_ca=city.pem))
    refuses(modules, flash, broker, "refuses us: is mqtt.tls.cert there, valid")


def test_without_an_authority_nobody_is_trusted(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    refuses(modules, flash, mosquitto(tls=city.server()), "cannot use ca.der: ")


def test_a_damaged_certificate_or_key_is_named(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    flash.be(city)
    (flash.path / "tls_key").write_bytes(b"damaged")
    refuses(modules, flash, mosquitto(tls=city.server()), "cannot use client.der with tls_key: ")


def test_a_port_without_tls_is_told(
    modules: Path, flash: Flash, city: Authority, mosquitto: Start
) -> None:
    flash.trust(city)
    refuses(modules, flash, mosquitto(), "does this port speak TLS or not, as mqtt.tls says?")


def test_a_port_with_tls_where_none_is_configured_is_told(
    modules: Path, city: Authority, mosquitto: Start
) -> None:
    broker = mosquitto(tls=city.server())

    async def main() -> None:
        async with Board(modules, port=broker.port) as board:
            await board.until_cause("does this port speak TLS or not, as mqtt.tls says?")

    strict_run(main())


def test_a_port_nobody_listens_on_is_told(modules: Path) -> None:
    async def main() -> None:
        async with Board(modules, port=free_port()) as board:
            await board.until_cause("refuses connections: is the broker running, on that port?")

    strict_run(main())


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_broker_that_never_answers_is_given_up_on(
    flash: Flash, city: Authority, tmp_path: Path, *, tls: bool
) -> None:
    flash.trust(city)
    modules = compiled(tmp_path / "flash", patience_ms=500)

    async def main() -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            port = silent.getsockname()[1]
            async with Board(modules, port=port, tls=tls, path=str(flash.path)) as board:
                await board.until_cause("does not answer: does a firewall let us through?")

    strict_run(main())
