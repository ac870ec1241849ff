"""Whole packets out of whatever the network makes of them, against a pair of sockets."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.packet_socket import MAX_INCOMING_BYTES, PacketSocket, publish_packet
from gateway.sim.broker import Offer, ScriptedBroker
from gateway.sim.broker_packets import Connect, publish
from tests.brokers import strict_run

PUBACKS = bytes.fromhex("40 02 0001  40 03 0002 87  40 04 0003 10 00  40 08 0004 00 04 1f 0001 61")
PINGRESP = bytes.fromhex("d0 00")
# A CONNACK with four properties, two PUBACKs, a DISCONNECT with a reason string.
CONVERSATION = bytes.fromhex(
    "20 12 00 00 0f 21 0005 27 00001000 12 0002 6964 13 0014"
    "40 02 0001 40 03 0002 87"
    "e0 07 8b 05 1f 0002 6279"
)


class Ours:
    """Our end of a connection, and what it was called with."""

    def __init__(self, sock: socket.socket) -> None:
        self.pubacks: list[tuple[int, int]] = []
        self.others = b""
        self.broken: list[str] = []
        self.end = PacketSocket(
            sock, on_puback=self.acknowledged, on_packets=self.take, on_broken=self.lost
        )

    def acknowledged(self, packet_id: int, code: int) -> None:
        self.pubacks.append((packet_id, code))

    def take(self) -> None:
        self.others += self.end.recv(1)

    def lost(self, error: Exception | None) -> None:
        self.broken.append(repr(error))


@asynccontextmanager
async def a_pair() -> AsyncGenerator[tuple[Ours, socket.socket]]:
    """Connect our end to a socket of the test's, which does not wait for anything."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    subject = Ours(ours)
    with theirs:
        yield subject, theirs
    subject.end.close()


async def some_turns() -> None:
    """Let the loop look at its sockets."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_packets_are_found_however_the_bytes_come(step: int) -> None:
    stream = PUBACKS[:4] + PINGRESP + PUBACKS[4:] + PINGRESP

    async def main() -> None:
        async with a_pair() as (ours, theirs):
            for start in range(0, len(stream), step):
                theirs.send(stream[start : start + step])
                await some_turns()
            assert ours.pubacks == [(1, 0), (2, 0x87), (3, 0x10), (4, 0)]
            assert ours.others == PINGRESP * 2
            assert not ours.broken

    strict_run(main())


@pytest.mark.parametrize(
    "nonsense",
    [
        "40 01 00",  # a PUBACK of nothing
        "40 00",
        "20 ff ff ff ff 01",  # a length of five bytes
        "36 08 0001 74 0007 00 6869",  # a PUBLISH with QoS 3
        f"20 {(MAX_INCOMING_BYTES & 0x7F) | 0x80:02x} ff 7f",  # more than any CONNACK
    ],
)
def test_what_no_broker_sends_ends_the_connection_once(nonsense: str) -> None:
    async def main() -> None:
        async with a_pair() as (ours, theirs):
            theirs.send(bytes.fromhex(nonsense) + PUBACKS)
            await some_turns()
            assert ours.broken == ["MalformedError('the peer sent something that is not MQTT')"]
            assert not ours.pubacks

    strict_run(main())


@pytest.mark.parametrize("first", [0x30, 0x32, 0x34, 0x3D])
def test_a_message_too_large_to_be_kept_passes_and_what_comes_behind_it_is_read(
    first: int,
) -> None:
    """With the lengths of two of them; MQTT 3.1.1 has no way to tell a broker not to."""
    large = bytes((first, 0xFF, 0xFF, 0x07)) + b"x" * 131_071
    least = bytes((first, 0x81, 0x80, 0x04)) + b"x" * (MAX_INCOMING_BYTES + 1)

    async def main() -> None:
        async with a_pair() as (ours, theirs):
            tracemalloc.start()
            for _ in range(20):
                for packet in (large, least, PINGRESP, b"\x40\2\0\1"):
                    for start in range(0, len(packet), 10_000):
                        theirs.send(packet[start : start + 10_000])
                        await some_turns()
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert ours.others == PINGRESP * 20
            assert ours.pubacks == [(1, 0)] * 20
            assert not ours.broken
            assert most < 3 * MAX_INCOMING_BYTES

    strict_run(main())


def test_what_the_kernel_does_not_take_goes_later_whole_and_in_order() -> None:
    packets = [
        publish_packet(b"t", bytes((number,)) * 50_000, packet_id=1, retain=False, five=True)
        for number in range(40)
    ]

    async def main() -> None:
        async with a_pair() as (ours, theirs):
            for packet in packets:
                ours.end.write(packet)
            drained = asyncio.create_task(ours.end.drained())
            await some_turns()
            assert not drained.done()
            got = bytearray()
            while len(got) < sum(map(len, packets)):
                try:
                    got += theirs.recv(1_000_000)
                except BlockingIOError:
                    await asyncio.sleep(0)
            await drained
            assert got == b"".join(packets)

    strict_run(main())


def test_the_last_word_is_read_before_a_failed_write_counts() -> None:
    async def main() -> None:
        async with a_pair() as (ours, theirs):
            theirs.send(PUBACKS + PINGRESP)
            theirs.shutdown(socket.SHUT_RDWR)
            ours.end.write(b"x" * 100)  # fails at once: nobody reads any more
            assert not ours.broken, "never from within"
            await some_turns()
            assert len(ours.pubacks) == 4
            assert ours.others == PINGRESP
            assert len(ours.broken) == 1

    strict_run(main())


def test_after_the_end_nothing_is_sent_and_nothing_called() -> None:
    async def main() -> None:
        async with a_pair() as (ours, theirs):
            theirs.send(PUBACKS)
            ours.end.abort()
            ours.end.abort()
            ours.end.write(b"x")
            await ours.end.drained()
            await some_turns()
            assert (ours.pubacks, ours.others, ours.broken) == ([], b"", [])

    strict_run(main())


def test_a_peer_that_asks_and_never_reads_is_given_up_before_the_answers_fill_the_memory() -> None:
    """PINGREQ after PINGREQ, say: paho would answer each of them, and each answer would wait."""
    answer = b"\xd0\0" * 500

    async def main() -> None:
        async with a_pair() as (ours, _):
            taken = 0
            while not ours.broken and taken < 10_000_000:
                taken += ours.end.send(answer)
                await asyncio.sleep(0)
            assert ours.broken == ["MalformedError('the peer sent something that is not MQTT')"]

    strict_run(main())


def test_answers_that_are_read_may_be_as_many_as_one_likes() -> None:
    async def main() -> None:
        async with a_pair() as (ours, theirs):
            for _ in range(300):
                ours.end.send(b"\xd0\0" * 500)
                await some_turns()
                assert theirs.recv(100_000)
            assert not ours.broken

    strict_run(main())


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_383, 16_384, 100_000])
@pytest.mark.parametrize(("five", "version"), [(True, 5), (False, 4)])
def test_another_implementation_reads_what_is_published(
    size: int, *, five: bool, version: int
) -> None:
    payload = b"x" * size
    packet = publish_packet(b"a/b", payload, packet_id=513, retain=True, five=five)
    at = 1
    while packet[at] & 0x80:
        at += 1
    connect = Connect(version=version, client_id="gw", keepalive_s=0)
    read = publish(packet[0] & 0x0F, packet[at + 1 :], connect=connect, size=len(packet))
    assert (read.topic, read.payload, read.packet_id) == ("a/b", payload, 513)
    assert (read.qos, read.retain, read.dup) == (1, True, False)


def test_whatever_a_broker_says_is_an_answer_or_an_error_and_never_a_crash() -> None:
    """Every truncation of a conversation, and every byte of it damaged in four ways."""
    said = [CONVERSATION[:end] for end in range(len(CONVERSATION) + 1)]
    for at, byte in enumerate(CONVERSATION):
        before, after = CONVERSATION[:at], CONVERSATION[at + 1 :]
        said += [before + bytes((b,)) + after for b in (0x00, 0xFF, byte ^ 0x01, byte ^ 0x80)]

    async def connect(broker: ScriptedBroker, words: bytes) -> None:
        broker.offer = Offer(versions=(), refusal=words)
        settings = MqttSettings(host="127.0.0.1", port=broker.port, client_id="gw")
        try:
            async with Connection(settings, Will("gw/status", b"")) as connection:
                assert str(await connection.wait_closed())
        except UplinkError as error:
            assert str(error)

    async def main() -> None:
        async with ScriptedBroker() as broker:
            for words in said:
                await connect(broker, words)

    strict_run(main())
