"""How gateways that many trust have given passwords away, as their public trackers tell it.

tests/planted makes the agent do as they did, and these tests go red.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings, Will
from tests.authorities import Authority
from tests.brokers import strict_run

HANDSHAKE = 0x16  # RFC 8446, 5.1
CONNACK = b"\x20\x03\x00\x00\x00"
PASSWORD = "correct-horse-battery"  # noqa: S105 - a test's


# ThingsBoard Gateway #2056: where TLS fails it says so, and tries again without.
def test_where_tls_fails_nothing_is_said_in_clear(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        """Answer whoever comes as a broker without TLS does, until nobody comes any more."""
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                heard.append(peer.recv(4096))
                peer.sendall(CONNACK)

    tls = TlsSettings(ca=str(Authority(tmp_path / "tls").pem))
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(listen, server)
        settings = MqttSettings(
            host="127.0.0.1",
            port=server.getsockname()[1],
            client_id="gw",
            username="gw",
            password=PASSWORD,
            tls=tls,
        )
        try:
            with pytest.raises(UplinkError, match="TLS handshake failed"):
                strict_run(_connect(settings))
        finally:
            server.shutdown(socket.SHUT_RDWR)
    assert {said[0] for said in heard} == {HANDSHAKE}
    assert PASSWORD.encode() not in b"".join(heard)


async def _connect(settings: MqttSettings) -> None:
    async with Connection(settings, Will("gw/status", b"gone")) as connection:
        await connection.disconnect("enough", within_s=1)
