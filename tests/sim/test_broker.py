"""The scripted broker, met by clients as anybody uses them, and by bytes that none sends."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
import trustme

from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.sim.broker import Answer, Delivered, Offer, ScriptedBroker
from gateway.sim.broker_packets import matches
from tests.brokers import strict_run

WILL = Will("gw/status", b"gone")
CONNECT = bytes.fromhex("10 10 0004 4d515454 05 02 003c 00 0003 67772d")


@asynccontextmanager
async def onlooker(
    port: int, *, protocol: aiomqtt.ProtocolVersion = aiomqtt.ProtocolVersion.V5
) -> AsyncGenerator[aiomqtt.Client]:
    """Subscribe to everything."""
    async with aiomqtt.Client("127.0.0.1", port, protocol=protocol) as client:
        await client.subscribe("#", qos=1)
        yield client


def connection(port: int, **changes: object) -> Connection:
    values: dict[str, object] = {"host": "127.0.0.1", "port": port, "client_id": "gw", **changes}
    return Connection(MqttSettings(**values), WILL)  # type: ignore[arg-type]


def publish(connection: Connection, topic: str, payload: bytes = b"") -> asyncio.Future[Outcome]:
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    connection.publish(topic, payload, done=outcome.set_result)
    return outcome


async def bytes_sent(port: int, data: bytes) -> bytes:
    """Send bytes; return all that comes back until the broker hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.close()


# ------------------------------------------------------------------------------------------ normal
@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311])
def test_a_client_that_looks_on_sees_what_is_taken_and_what_is_retained(
    protocol: aiomqtt.ProtocolVersion,
) -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                await client.publish("kept", b"1", qos=1, retain=True)
                async with onlooker(broker.port, protocol=protocol) as looking:
                    await client.publish("live", b"2", qos=1)
                    came = [await anext(looking.messages) for _ in range(2)]
            assert [(str(m.topic), m.payload, m.retain) for m in came] == [
                ("kept", b"1", True),
                ("live", b"2", False),
            ]
            assert [one.version for one in broker.connects] == [4, int(protocol)]
            assert not broker.violations

    strict_run(main())


def test_a_will_is_published_unless_leave_is_taken() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            async with connection(broker.port) as orderly:
                await orderly.disconnect("done", within_s=10)
            assert not broker.delivered
            async with connection(broker.port) as dropped, onlooker(broker.port) as looking:
                dropped.close("enough")
                message = await anext(looking.messages)
                assert (str(message.topic), message.payload) == ("gw/status", b"gone")
            assert broker.delivered == [Delivered("gw/status", b"gone", retain=True)]

    strict_run(main())


def test_a_client_of_the_same_name_takes_over() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            connection(broker.port) as first,
            connection(broker.port) as second,
        ):
            assert "Session taken over" in str(await first.wait_closed())
            assert second.connected

    strict_run(main())


def test_with_a_context_it_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")

    async def main() -> None:
        async with (
            ScriptedBroker(tls=server) as broker,
            aiomqtt.Client("127.0.0.1", broker.port, tls_context=trusting) as client,
        ):
            await client.publish("a", b"x", qos=1)
            assert [message.topic for message in broker.received] == ["a"]

    strict_run(main())


# ------------------------------------------------------------------------------------------ script
def test_an_answer_holds_for_its_topics_where_it_is_meant_and_only_so_often() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on("obs/#", Answer(reason_code=0x87), times=1)
            broker.script.on("+/b", Answer(reason_code=0x97), where=lambda m: m.payload == b"2")
            async with connection(broker.port) as client:
                sent = [("obs/a", b""), ("obs/a", b""), ("obs/b", b"1"), ("obs/b", b"2")]
                codes = [(await publish(client, *each)).reason_code for each in sent]
                assert codes == [0x87, 0, 0, 0x97]
                broker.script.clear()
                assert await publish(client, "obs/b", b"2") == Outcome(0)
            taken = [(one.topic, one.payload) for one in broker.delivered[:3]]
            assert taken == [("obs/a", b""), ("obs/b", b"1"), ("obs/b", b"2")]
            assert len(broker.received) == 5

    strict_run(main())


def test_acknowledgements_come_out_of_order_and_some_never() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on("late", Answer(after_s=0.05))
            broker.script.on("lost", Answer(times=0))
            async with connection(broker.port) as client:
                late, lost, prompt = (publish(client, name) for name in ("late", "lost", "prompt"))
                assert await prompt == Outcome(0)
                assert not late.done()
                assert await late == Outcome(0)
                assert not lost.done()

    strict_run(main())


def test_it_hangs_up_in_the_ways_it_is_told_to() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on("reason", Answer(disconnect=0x97))
            broker.script.on("word", Answer(hang_up=True))
            for topic, cause in (("reason", "Quota exceeded"), ("word", "closed by the broker")):
                async with connection(broker.port) as client:
                    assert cause in (await publish(client, topic)).cause
            async with connection(broker.port) as client:
                broker.disconnect(0x8B)
                assert "shutting down" in str(await client.wait_closed())
            async with connection(broker.port) as client:
                broker.hang_up()
                assert "closed by the broker" in str(await client.wait_closed())

    strict_run(main())


def test_frozen_it_answers_nothing_and_thawed_everything() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            connection(broker.port) as client,
            ScriptedBroker() as lively,
            connection(lively.port) as beside,
        ):
            broker.freeze()
            ends = [publish(client, "a") for _ in range(3)]
            for _ in range(3):  # round trips in which it could have answered too
                assert await publish(beside, "a") == Outcome(0)
            assert not any(end.done() for end in ends)
            assert not broker.received
            broker.thaw()
            assert await asyncio.gather(*ends) == [Outcome(0)] * 3

    strict_run(main())


def test_it_comes_back_on_its_port() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            port = broker.port
            async with connection(port) as client:
                await broker.stop()
                await client.wait_closed()
            await broker.start()
            async with connection(port) as client:
                assert await publish(client, "a") == Outcome(0)

    strict_run(main())


# -------------------------------------------------------------------------------------- strictness
@pytest.mark.parametrize(
    ("offer", "sent", "violation", "code"),
    [
        (Offer(receive_maximum=1), "32 06 0001 61 0001 00 32 06 0001 61 0002 00", "2 unack", 0x93),
        (Offer(maximum_packet_size=7), "32 06 0001 61 0001 00", "8 bytes where 7", 0x95),
        (Offer(), "32 06 0001 61 0001 00" * 2, "packet id 1 is in use", 0x91),
        (Offer(), "34 06 0001 61 0001 00", "QoS 2", 0x9B),
        (Offer(), "32 06 0001 23 0001 00", "a PUBLISH to '#'", 0x81),
        (Offer(), "32 06 0001 61 0000 00", "without a packet id", 0x81),
        (Offer(), "32 03 0009 61", "cut short", 0x81),
        (Offer(), "32 06 0001 ff 0001 00", "not UTF-8", 0x81),
        (Offer(), "30 ff ff ff ff 01", "more than four bytes", 0x81),
        (Offer(), "f0 00", "a packet of type 15", 0x82),
    ],
)  # fmt: skip
def test_a_client_that_does_what_it_must_not_is_told_so_and_on_record(
    offer: Offer, sent: str, violation: str, code: int
) -> None:
    async def main() -> None:
        async with ScriptedBroker(offer) as broker:
            broker.script.on("#", Answer(times=0))
            said = await bytes_sent(broker.port, CONNECT + bytes.fromhex(sent))
            assert said[-3:] == bytes((0xE0, 1, code))
            assert [violation in one for one in broker.violations] == [True]

    strict_run(main())


def test_what_is_no_mqtt_at_all_is_on_record_and_hurts_nobody() -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\x00", b"\x30\x00"):
                assert await bytes_sent(broker.port, garbage) == b""
            async with connection(broker.port) as client:
                assert await publish(client, "a") == Outcome(0)
            assert len(broker.violations) == 3

    strict_run(main())


@pytest.mark.parametrize(
    ("topic_filter", "matching", "other"),
    [
        ("#", "a/b", "$SYS/x"),
        ("a/#", "a", "b/a"),
        ("a/#", "a/b/c", "ab/c"),
        ("+/b", "a/b", "$SYS/b"),
        ("+", "a", "a/b"),
        ("a/+/c", "a/b/c", "a/b/c/d"),
        ("$SYS/#", "$SYS/x", "x"),
    ],
)
def test_filters_match_as_the_standard_says(topic_filter: str, matching: str, other: str) -> None:
    assert matches(topic_filter, matching)
    assert not matches(topic_filter, other)
