"""What a broker sends that nobody has asked for ends nothing and is not kept, whatever its QoS.

Some brokers subscribe their clients by themselves, and would do so again at the next connection.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import pytest
from paho.mqtt.client import MQTTMessage

from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings
from gateway.packet_socket import MAX_INCOMING_BYTES
from gateway.sim import broker_packets as packets
from gateway.subscription import Subscription
from tests.brokers import strict_run

MANY = range(1, 301)
PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE = 4, 5, 6, 7, 8


def unasked(qos: int, packet_id: int, payload: bytes = b"x" * 4993) -> bytes:
    """Return a PUBLISH of MQTT 3.1.1 to the topic `a`."""
    number = packet_id.to_bytes(2, "big") if qos else b""
    return packets.packet(packets.PUBLISH, b"\0\1a" + number + payload, 2 * qos)


class Peer:
    """A broker of MQTT 3.1.1 that sends what it was told to, and counts what it gets."""

    def __init__(self, sends: Sequence[bytes], *, releases: bool = False) -> None:
        self.port = 0
        self.got: Counter[int] = Counter()
        self._sends = sends
        self._releases = releases

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind, body = await _packet(reader)
                self.got[kind] += 1
                self._answer(kind, body, writer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    def _answer(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == packets.CONNECT:
            writer.write(packets.connack(4, 0, {}) + b"".join(self._sends))
        elif kind == packets.PUBLISH:
            topic = int.from_bytes(body[:2], "big")
            writer.write(b"\x40\2" + body[2 + topic : 4 + topic])
        elif kind == SUBSCRIBE:
            writer.write(packets.suback(4, int.from_bytes(body[:2], "big"), b"\1"))
        elif kind == PUBREC and self._releases:
            writer.write(b"\x62\2" + body[:2])


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first >> 4, await reader.readexactly(length)


@asynccontextmanager
async def serving(peer: Peer) -> AsyncGenerator[MqttSettings]:
    async with await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield MqttSettings(host="127.0.0.1", port=port, client_id="gw", version="3.1.1")


async def outcome_of(connection: Connection) -> Outcome:
    """Publish, behind all that came, and wait for the end of it."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    connection.publish("ours", b"x", done=outcome.set_result)
    return await outcome


@pytest.mark.parametrize(
    ("qos", "releases", "answers"),
    [
        (0, False, {}),
        (1, False, {PUBACK: len(MANY)}),
        (2, False, {PUBREC: len(MANY)}),
        (2, True, {PUBREC: len(MANY), PUBCOMP: len(MANY)}),
    ],
)
def test_it_is_answered_and_forgotten_and_our_messages_go_on(
    qos: int, *, releases: bool, answers: dict[int, int]
) -> None:
    """With QoS 2 it is the client's until PUBREL, and there may be 65,535 messages of 64 kB."""
    peer = Peer([unasked(qos, number) for number in MANY], releases=releases)

    async def main() -> None:
        async with serving(peer) as settings, Connection(settings, None) as connection:
            assert await outcome_of(connection) == Outcome(0)
            while Counter(answers) - peer.got:
                assert await outcome_of(connection) == Outcome(0)
            held = [each for each in gc.get_objects() if isinstance(each, MQTTMessage)]
            assert len(held) < 5
            assert connection.connected
        kinds = (PUBACK, PUBREC, PUBCOMP)
        assert {kind: peer.got[kind] for kind in kinds if peer.got[kind]} == answers

    strict_run(main())


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_that_is_larger_than_anything_we_would_keep_ends_nothing(qos: int) -> None:
    large = unasked(qos, 7, bytes(20 * MAX_INCOMING_BYTES))
    peer = Peer([large, unasked(1, 8)])

    async def main() -> None:
        async with serving(peer) as settings, Connection(settings, None) as connection:
            while not peer.got[PUBACK]:
                assert await outcome_of(connection) == Outcome(0)
            assert connection.connected

    strict_run(main())


def test_who_listens_gets_it_once_also_with_more_qos_than_it_asked_for() -> None:
    """Where a broker's own subscription meets ours, the higher QoS counts (MQTT 5, 3.3.4)."""
    peer = Peer([unasked(2, number, b"%d" % number) for number in (1, 2)], releases=True)
    taken: list[bytes] = []

    async def main() -> None:
        async with (
            serving(peer) as settings,
            Subscription(settings, ["a"], taken.append, qos=1) as connection,
        ):
            while peer.got[PUBCOMP] < 2:
                assert await outcome_of(connection) == Outcome(0)
        assert taken == [b"1", b"2"]

    strict_run(main())
