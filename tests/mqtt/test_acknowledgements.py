"""A message is acknowledged by a whole PUBACK with its own packet id, and by nothing else.

The broker's bytes are written by hand on a bare socket: no broker library would send them.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import pytest

from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from tests.brokers import strict_run

WILL: Final = Will("gw/status", b"gone")
ACCEPTED: Final = bytes.fromhex("20 03 00 00 00")
PINGREQ: Final = bytes.fromhex(
    "c0 00"
)  # no broker sends it; that it is answered shows: all is read
PINGRESP: Final = bytes.fromhex("d0 00")
REASON: Final = "1f 0004 66756c6c"  # Reason String "full"
PROPERTY: Final = "26 0001 61 0001 62"  # User Property a: b
BODY: Final = b"x" * 100


class Peer(NamedTuple):
    """The broker's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, words: str) -> None:
        self.writer.write(bytes.fromhex(words))

    async def everything_read(self) -> None:
        """Return when the client has read all that was said."""
        self.writer.write(PINGREQ)
        await self.reader.readuntil(PINGRESP)


@asynccontextmanager
async def connected(*, keepalive_s: int = 60) -> AsyncGenerator[tuple[Connection, Peer]]:
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(ACCEPTED)
        await peers.put(Peer(reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = MqttSettings(host="127.0.0.1", port=port, client_id="gw", keepalive_s=keepalive_s)
    async with server, Connection(settings, WILL) as connection:
        peer = await peers.get()
        yield connection, peer
        connection.close("enough")
        peer.writer.close()


def publish(connection: Connection, count: int = 1) -> list["asyncio.Future[Outcome]"]:
    """Publish with the ids from 1 on; whatever ends twice is an error in the loop."""
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in range(count)]
    for end in ends:
        connection.publish("a", BODY, done=end.set_result)
    return ends


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("40 02 0001", 0),
        ("40 03 0001 00", 0),
        ("40 04 0001 00 00", 0),
        (f"40 0b 0001 97 07 {REASON}", 0x97),
        (f"40 0b 0001 00 07 {PROPERTY}", 0),
        (f"40 12 0001 87 0e {REASON} {PROPERTY}", 0x87),
        ("40 06 0001 10 02 ff ff", 0x10),  # properties that are none: the code says all
    ],
)
def test_a_puback_is_read_whatever_it_says_beside_its_code(words: str, code: int) -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            peer.say(words)
            assert (await end).reason_code == code
            await peer.everything_read()
            assert connection.connected

    strict_run(main())


def test_acknowledgements_in_any_order_settle_the_messages_they_name() -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            ends = publish(connection, 4)
            for packet_id, code in ((4, 0x97), (2, 0x00), (3, 0x87), (1, 0x10)):
                peer.say(f"40 03 {packet_id:04x} {code:02x}")
            assert [(await end).reason_code for end in ends] == [0x10, 0, 0x87, 0x97]

    strict_run(main())


@pytest.mark.parametrize("packet_id", [0, 2, 256, 0xFFFF])
def test_an_acknowledgement_of_another_message_settles_nothing(packet_id: int) -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            peer.say(f"40 02 {packet_id:04x}")
            await peer.everything_read()
            assert not end.done()
            assert connection.connected

    strict_run(main())


@pytest.mark.parametrize(
    "words",
    [
        "50 02 0001",  # PUBREC, PUBCOMP: of QoS 2, which nothing of ours has
        "70 02 0001",
        "62 02 0001",
        "90 03 0001 00",  # SUBACK, UNSUBACK
        "b0 04 0001 00 00",
    ],
)
def test_another_kind_of_acknowledgement_settles_nothing(words: str) -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            peer.say(words)
            await peer.everything_read()
            assert not end.done()
            assert connection.connected

    strict_run(main())


@pytest.mark.parametrize("words", ["40 00", "40 01 00", "42 02 0001", "4f 02 0001", "00 00"])
def test_what_is_no_puback_ends_the_connection_and_settles_nothing(words: str) -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            peer.say(words + "40 02 0001")
            assert (await end).reason_code is None
            assert "not MQTT" in str(await connection.wait_closed())

    strict_run(main())


@pytest.mark.parametrize("length", range(6))
def test_a_puback_cut_off_by_the_end_settles_nothing_until_it_is_whole(length: int) -> None:
    puback = bytes.fromhex("40 03 0001 00")

    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            peer.writer.write(puback[:length])
            peer.writer.close()
            await connection.wait_closed()
            assert (await end).reason_code == (0 if length >= len(puback) else None)

    strict_run(main())


def test_a_broker_that_goes_with_half_of_a_message_read_has_acknowledged_nothing() -> None:
    async def main() -> None:
        async with connected() as (connection, peer):
            (end,) = publish(connection)
            await peer.reader.readexactly(len(BODY) // 2)
            peer.writer.transport.abort()
            assert (await end).reason_code is None

    strict_run(main())


def test_a_broker_that_reads_no_more_is_missed_though_the_ping_is_stuck_behind_a_message() -> None:
    """The socket takes nothing any more, so the PINGREQ never leaves (paho.golang #723)."""

    async def main() -> None:
        async with connected(keepalive_s=1) as (connection, peer):
            end: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            connection.publish("a", b"x" * 20_000_000, done=end.set_result)
            peer.say("40 02 0001")  # else so much would be given hours
            assert await end == Outcome(0)
            error = await connection.wait_closed()
            assert str(error) == "the connection ended: Keep alive timeout"

    strict_run(main())


def test_a_broker_that_only_listens_is_missed_though_we_go_on_sending() -> None:
    """What we send is no sign of its life (MQTTnet #2259)."""

    async def main() -> None:
        async with connected(keepalive_s=1) as (connection, _):
            closed = asyncio.ensure_future(connection.wait_closed())
            while not closed.done():
                if connection.outstanding_bytes < 100:  # as a window does
                    connection.publish("a", b"", done=lambda _: None)
                await asyncio.wait({closed}, timeout=0.2)
            assert str(await closed) == "the connection ended: Keep alive timeout"

    strict_run(main())
