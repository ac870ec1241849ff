"""What gateway.mqtt promises, against a real mosquitto; scripted where no real one would do it."""

import asyncio
import gc
import socket
import threading
from collections import Counter
from collections.abc import Callable

import aiomqtt
import pytest

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import (
    MAX_PACKET_BYTES,
    PACKET_TOO_LARGE,
    RECEIVE_MAXIMUM,
    Connection,
    MqttSettings,
    Will,
)
from gateway.packet_socket import publish_packet
from gateway.reasons import VersionRefusedError
from gateway.sim.broker import Answer, Offer, ScriptedBroker
from gateway.sim.proxy import Line, Proxy
from tests.brokers import HANG_S, Message, Mosquitto, Subscriber, free_port, strict_run

WILL = Will("gw/status", b"gone")
VERSIONS = ("5", "3.1.1")
ACCEPTED = bytes.fromhex("20 03 00 00 00")

Start = Callable[..., Mosquitto]


def settings(port: int, **changes: object) -> MqttSettings:
    values: dict[str, object] = {"host": "127.0.0.1", "port": port, "client_id": "gw", **changes}
    return MqttSettings(**values)  # type: ignore[arg-type]


async def outcome_of(connection: Connection, topic: str, payload: bytes = b"x") -> Outcome:
    """Publish and wait for the end of it; a second end would be an error in the loop."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    connection.publish(topic, payload, done=outcome.set_result)
    return await outcome


def has(*messages: tuple[str, bytes]) -> Callable[[list[Message]], bool]:
    """Whether at least these have come."""
    return lambda got: set(messages) <= {(message.topic, message.payload) for message in got}


# --------------------------------------------------------------------------------- acknowledgement
@pytest.mark.parametrize("version", VERSIONS)
def test_a_published_message_arrives_and_is_acknowledged(mosquitto: Start, version: str) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with (
            Subscriber(broker.port) as platform,
            Connection(settings(broker.port, version=version), WILL) as connection,
        ):
            assert await outcome_of(connection, "obs/live", b"payload") == Outcome(0)
            await platform.until(has(("obs/live", b"payload")))

    strict_run(main())


def test_a_message_without_subscribers_is_told_apart_under_mqtt_5(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Connection(settings(broker.port), WILL) as connection:
            outcome = await outcome_of(connection, "obs/live")
            assert outcome == Outcome(0x10, "No matching subscribers")

    strict_run(main())


@pytest.mark.parametrize(
    ("version", "expected"), [("5", Outcome(0x87, "Not authorized")), ("3.1.1", Outcome(0))]
)
def test_a_denied_message_shows_its_reason_under_mqtt_5_and_passes_for_delivered_under_3(
    mosquitto: Start, version: str, expected: Outcome
) -> None:
    broker = mosquitto(acl="topic write allowed/#\n")

    async def main() -> None:
        async with Connection(settings(broker.port, version=version), WILL) as connection:
            assert await outcome_of(connection, "denied/a") == expected

    strict_run(main())


def test_an_end_is_never_told_from_within_publish() -> None:
    within: list[bool] = []
    publishing = False

    def done(_: Outcome) -> None:
        within.append(publishing)

    async def main() -> None:
        nonlocal publishing
        async with ScriptedBroker() as broker:
            async with Connection(settings(broker.port), WILL) as connection:
                publishing = True
                connection.publish("a", b"", done=done)
                publishing = False
                await outcome_of(connection, "b")
                publishing = True
                connection.publish("c", b"", done=done)
                connection.close("enough")
                connection.publish("d", b"", done=done)
                publishing = False
            await asyncio.sleep(0)
        assert within == [False, False, False]

    strict_run(main())


def test_acknowledgements_that_make_no_sense_end_nothing() -> None:
    """Before anything was published, of another message, and twice."""

    async def main() -> None:
        async with ScriptedBroker(Offer(then=b"\x40\x02\x00\x01")) as broker:
            broker.script.on("#", Answer(strays=(0xABCD,), times=2))
            async with Connection(settings(broker.port), WILL) as connection:
                for _ in range(3):
                    assert await outcome_of(connection, "a") == Outcome(0)

    strict_run(main())


# -------------------------------------------------------------------------------------- the window
def test_the_limits_of_the_broker_are_known(mosquitto: Start) -> None:
    broker = mosquitto(lines=("max_inflight_messages 7", "max_packet_size 20000"))

    async def main() -> None:
        async with Connection(settings(broker.port), WILL) as connection:
            assert (connection.receive_maximum, connection.max_packet_bytes) == (7, 20_000)

    strict_run(main())


def test_without_limits_the_protocols_own_hold(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Connection(settings(broker.port, version="3.1.1"), WILL) as connection:
            limits = (connection.receive_maximum, connection.max_packet_bytes)
            assert limits == (RECEIVE_MAXIMUM, MAX_PACKET_BYTES)

    strict_run(main())


def test_the_broker_never_holds_more_unacknowledged_than_its_receive_maximum() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(receive_maximum=2)) as broker:
            # Late enough for any third message to have come before.
            broker.script.on("#", Answer(after_s=0.02))
            async with Connection(settings(broker.port), WILL) as connection:
                outcomes = [outcome_of(connection, "a") for _ in range(7)]
                assert await asyncio.gather(*outcomes) == [Outcome(0)] * 7
            assert not broker.violations

    strict_run(main())


def test_what_is_outstanding_counts_until_it_is_acknowledged_whether_sent_or_held() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(receive_maximum=1)) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            broker.script.on("#", Answer(after_s=0.02))
            outcomes = [
                asyncio.create_task(outcome_of(connection, "a", b"x" * 1_000)) for _ in range(3)
            ]
            await asyncio.sleep(0)
            assert 3_000 < connection.outstanding_bytes < 3_100
            await outcomes[0]
            assert 2_000 < connection.outstanding_bytes < 2_100
            await asyncio.gather(*outcomes)
            assert connection.outstanding_bytes == 0

    strict_run(main())


def test_where_one_message_at_a_time_is_allowed_the_kinds_take_turns() -> None:
    """However many of one kind wait: forty announcements do not hold up an observation."""

    async def main() -> None:
        async with (
            ScriptedBroker(Offer(receive_maximum=1)) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            ends = [asyncio.get_running_loop().create_future() for _ in range(46)]
            topics = ["meta"] * 40 + ["obs"] * 3 + ["status"] * 3
            for topic, end in zip(topics, ends, strict=True):
                connection.publish(topic, b"", turn=topic, done=end.set_result)
            assert await asyncio.gather(*ends) == [Outcome(0)] * 46
            came = [message.topic for message in broker.received]
            assert came == ["meta", *["meta", "obs", "status"] * 3, *["meta"] * 36]
            assert not broker.violations

    strict_run(main())


def test_a_message_larger_than_the_broker_takes_is_not_sent_and_the_connection_stays() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(maximum_packet_size=100)) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            head = len(publish_packet(b"a", b"", packet_id=1, retain=False, five=True))
            exact = await outcome_of(connection, "a", b"x" * (100 - head))
            over = await outcome_of(connection, "a", b"x" * (101 - head))
            assert (exact, over.reason_code) == (Outcome(0), PACKET_TOO_LARGE)
            assert await outcome_of(connection, "a") == Outcome(0)
            assert [message.size for message in broker.received] == [100, head + 1]
            assert not broker.violations

    strict_run(main())


def test_what_waits_behind_a_message_that_is_too_large_is_sent() -> None:
    async def main() -> None:
        offer = Offer(maximum_packet_size=100, receive_maximum=1)
        async with (
            ScriptedBroker(offer) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            payloads = (b"", b"x" * 200, b"")
            ends = [outcome_of(connection, "a", payload) for payload in payloads]
            codes = [outcome.reason_code for outcome in await asyncio.gather(*ends)]
            assert codes == [0, PACKET_TOO_LARGE, 0]

    strict_run(main())


# ----------------------------------------------------------------------------------------- the end
def test_every_message_outstanding_when_the_broker_dies_ends_once(mosquitto: Start) -> None:
    broker = mosquitto()
    ends: Counter[int] = Counter()
    outcomes: set[Outcome] = set()

    async def main() -> None:
        async with Connection(settings(broker.port), WILL) as connection:
            broker.freeze()
            for number in range(50):

                def done(outcome: Outcome, number: int = number) -> None:
                    ends[number] += 1
                    outcomes.add(outcome)

                connection.publish("a", b"x" * 1000, done=done)
            await asyncio.sleep(0)  # some are on their way, some are not
            broker.kill()
            cause = str(await connection.wait_closed())
            assert not connection.connected
            late = await outcome_of(connection, "a")
        assert ends == dict.fromkeys(range(50), 1)
        assert outcomes == {Outcome(None, cause)} == {late}
        assert cause.startswith("the connection was lost")

    strict_run(main())


def test_a_message_published_in_the_very_turn_the_broker_goes_ends_once() -> None:
    """A writer registered a turn later would meet a closed socket, or the next one's number."""
    ended: list[Outcome] = []

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            connecting = asyncio.create_task(Connection(settings(port), WILL).__aenter__())
            peer, _ = await asyncio.to_thread(server.accept)
            await asyncio.to_thread(peer.recv, 4096)
            peer.sendall(ACCEPTED)
            connection = await connecting
            peer.close()
            # The loop runs this first, then finds the end of the stream.
            asyncio.get_running_loop().call_soon(
                lambda: connection.publish("a", b"", done=ended.append)
            )
            await connection.wait_closed()
            await asyncio.sleep(0)
        assert [outcome.reason_code for outcome in ended] == [None]

    strict_run(main())


def test_a_frozen_broker_acknowledges_nothing_and_close_does_not_wait_for_it(
    mosquitto: Start,
) -> None:
    broker = mosquitto()
    ended: list[Outcome] = []

    async def main() -> None:
        async with Connection(settings(broker.port), WILL) as connection:
            broker.freeze()
            for _ in range(200):  # far more than the socket's buffers take
                connection.publish("a", b"x" * 100_000, done=ended.append)
            await asyncio.sleep(0.1)  # any acknowledgement would have come
            assert not ended
            connection.close("no acknowledgement in time")
            assert not connection.connected
            await asyncio.sleep(0)
            assert ended == [Outcome(None, "no acknowledgement in time")] * 200
        broker.thaw()
        async with Connection(settings(broker.port), WILL) as connection:
            assert (await outcome_of(connection, "a")).reason_code == 0x10

    strict_run(main())


def test_the_will_is_published_retained_when_the_connection_is_dropped(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Subscriber(broker.port) as platform:
            async with Connection(settings(broker.port), WILL) as connection:
                connection.close("dropped")
            await platform.until(has(("gw/status", b"gone")))
        async with Subscriber(broker.port, name="late") as platform:
            await platform.until(lambda got: got == [Message("gw/status", b"gone", retain=True)])

    strict_run(main())


def test_the_will_stays_unsaid_after_an_orderly_disconnect(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Subscriber(broker.port) as platform:
            async with Connection(settings(broker.port), WILL) as connection:
                await connection.disconnect("enough", within_s=10)
            # Another's message comes after any will.
            async with Connection(settings(broker.port, client_id="other"), WILL) as connection:
                await outcome_of(connection, "after", b"")
                await platform.until(has(("after", b"")))
                assert platform.on("gw/status") == []

    strict_run(main())


def test_disconnect_drops_a_broker_that_does_not_read(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Connection(settings(broker.port), WILL) as connection:
            broker.freeze()
            connection.publish("a", b"x" * 20_000_000, done=lambda _: None)
            await connection.disconnect("disconnected", within_s=0.05)
            assert str(await connection.wait_closed()) == "disconnected"

    strict_run(main())


def test_a_second_client_with_our_id_ends_the_first_connection(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with (
            Connection(settings(broker.port), WILL) as first,
            Connection(settings(broker.port), WILL) as second,
        ):
            error = await first.wait_closed()  # mosquitto 2.0.11 does not say why
            assert "client_id" in error.remedy
            assert second.connected

    strict_run(main())


def test_the_reason_a_broker_disconnects_for_is_passed_on() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(then=bytes.fromhex("e0 01 8e"))) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            error = await connection.wait_closed()
        assert str(error) == "the broker disconnected: Session taken over"
        assert "client_id" in error.remedy

    strict_run(main())


def test_what_was_sent_ends_with_the_reason_of_the_disconnect_and_what_waited_does_not() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(receive_maximum=2)) as broker:
            broker.script.on("b", Answer(disconnect=0x95))
            broker.script.on("a", Answer(times=0))
            async with Connection(settings(broker.port), WILL) as connection:
                ends = [outcome_of(connection, topic) for topic in "abc"]
                outcomes = await asyncio.gather(*ends)
                late = await outcome_of(connection, "d")
        cause = "the broker disconnected: Packet too large"
        assert outcomes == [
            Outcome(None, cause, 0x95),
            Outcome(None, cause, 0x95),
            Outcome(None, cause),
        ]
        assert late == Outcome(None, cause)

    strict_run(main())


def test_the_reason_is_read_also_where_the_broker_hung_up_in_the_midst_of_a_message() -> None:
    """It does not read on, so the kernel resets the connection behind its last word."""

    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on("a", Answer(disconnect=0x95))
            async with Connection(settings(broker.port), WILL) as connection:
                ends = [outcome_of(connection, "a", b"x" * 5_000_000) for _ in range(4)]
                outcomes = await asyncio.gather(*ends)
        assert {outcome.ended_with for outcome in outcomes} == {0x95}

    strict_run(main())


@pytest.mark.parametrize("topic", [b"", b"unwanted"])
def test_what_nobody_subscribed_to_is_forgotten_and_ends_nothing(topic: bytes) -> None:
    """Some brokers subscribe their clients by themselves; and a topic may be none."""
    unwanted = publish_packet(topic, b"x", packet_id=7, retain=False, five=True)

    async def main() -> None:
        async with (
            ScriptedBroker(Offer(then=unwanted * 200)) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            assert await outcome_of(connection, "ours") == Outcome(0)  # it comes behind them
            messages = [each for each in gc.get_objects() if isinstance(each, aiomqtt.Message)]
            assert not [each for each in messages if str(each.topic) == "unwanted"]

    strict_run(main())


# ---------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_is_said_to_be_wrong_and_not_shown(
    mosquitto: Start, version: str
) -> None:
    broker = mosquitto(password=("gw", "right-secret"))
    wrong = settings(broker.port, version=version, username="gw", password="wrong-secret")  # noqa: S106

    async def main() -> None:
        with pytest.raises(UplinkError, match="refused the connection") as caught:
            await Connection(wrong, WILL).__aenter__()
        assert "mqtt.password" in caught.value.remedy or "user name" in caught.value.remedy
        right = settings(broker.port, username="gw", password="right-secret")  # noqa: S106
        async with Connection(right, WILL) as connection:
            assert connection.connected

    strict_run(main())
    assert "secret" not in repr(wrong)


@pytest.mark.parametrize("answer", ["20 03 00 84 00", "20 02 00 01"])
def test_a_broker_without_mqtt_5_is_told_apart(answer: str) -> None:
    async def main() -> None:
        offer = Offer(versions=(4,), refusal=bytes.fromhex(answer))
        async with ScriptedBroker(offer) as broker:
            with pytest.raises(VersionRefusedError):
                await Connection(settings(broker.port), WILL).__aenter__()

    strict_run(main())


def test_a_broker_that_refuses_3_1_1_too_is_not_asked_for_a_still_older_version() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(versions=())) as broker:
            with pytest.raises(UplinkError, match="the connection ended"):
                await Connection(settings(broker.port, version="3.1.1"), WILL).__aenter__()
            assert [connect.version for connect in broker.connects] == [4]

    strict_run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_hangs_up_without_an_answer_is_no_refusal_of_the_version(
    version: str,
) -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(versions=(), refusal=b"")) as broker:
            with pytest.raises(UplinkError, match="closed by the broker") as caught:
                await Connection(settings(broker.port, version=version), WILL).__aenter__()
        assert not isinstance(caught.value, VersionRefusedError)

    strict_run(main())


def test_a_broker_that_offers_qos_0_only_is_refused_by_us() -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(maximum_qos=0)) as broker:
            with pytest.raises(UplinkError, match="QoS 0 only"):
                await Connection(settings(broker.port), WILL).__aenter__()

    strict_run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x03\x00",
        b"\x20\x02\x00\x00",
        b"\x20\x06\x00\x00\x03\x21\x00",
        b"\x40\x01\x00",
        b"\x30\xff\xff\xff\xff\xff",
        b"\x30\xff\xff\xff\x7f",
        b"\x00" * 99,
    ],
)
def test_garbage_instead_of_mqtt_is_an_error_and_no_crash(garbage: bytes) -> None:
    async def main() -> None:
        async with ScriptedBroker(Offer(versions=(), refusal=garbage)) as broker:
            with pytest.raises(UplinkError):
                await Connection(settings(broker.port), WILL).__aenter__()

    strict_run(main())


PORTAL = b"HTTP/1.1 302 Found\r\nConnection: keep-alive\r\n\r\n" + b"<html>" * 200


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        pytest.param(PORTAL, "captive portal", id="web page"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2p1\r\n", "is it the broker's port?", id="ssh"),
        pytest.param(bytes.fromhex("15030300020246"), "want TLS (mqtt.tls)", id="TLS alert"),
    ],
)
def test_what_answers_with_something_else_is_told_at_once_though_it_stays_connected(
    words: bytes, remedy: str
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read()  # until the gateway goes: HTTP keeps alive
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            patient = settings(port, connect_timeout_s=10 * HANG_S)
            with pytest.raises(UplinkError, match="answers, but not with MQTT") as caught:
                await Connection(patient, WILL).__aenter__()
            assert remedy in caught.value.remedy

    strict_run(main())


def test_a_connack_that_trickles_is_not_waited_for() -> None:
    """A byte now and then, as a slow loris does: each is a sign of life, all are no CONNACK."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            impatient = settings(server.getsockname()[1], connect_timeout_s=0.3)
            connecting = asyncio.create_task(Connection(impatient, WILL).__aenter__())
            peer, _ = await asyncio.to_thread(server.accept)
            with peer:
                for byte in bytes.fromhex("20 ff 7f 00 00") + bytes(1000):
                    if connecting.done():
                        break
                    peer.send(bytes((byte,)))
                    await asyncio.wait({connecting}, timeout=0.02)
                with pytest.raises(UplinkError, match="does not answer"):
                    await connecting

    strict_run(main())


def test_a_closed_port_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(UplinkError, match="refuses connections"):
            await Connection(settings(free_port()), WILL).__aenter__()

    strict_run(main())


def test_a_host_that_does_not_exist_is_named() -> None:
    async def main() -> None:
        with pytest.raises(UplinkError, match=r"cannot resolve nowhere\.invalid"):
            await Connection(settings(1883, host="nowhere.invalid"), WILL).__aenter__()
        with pytest.raises(UplinkError, match="not a host name"):
            await Connection(settings(1883, host="a" * 64 + ".example"), WILL).__aenter__()

    strict_run(main())


# --------------------------------------------------------------------------------- signs of life
def test_on_a_slow_link_silence_is_given_the_time_that_all_that_was_sent_takes() -> None:
    """A sign of life would wait behind it, for longer than the keepalive."""

    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            Proxy(broker.port, Line(up_bytes_per_s=1000)) as link,
            Connection(settings(link.port, keepalive_s=1), WILL) as connection,
        ):
            assert await outcome_of(connection, "a", b"x" * 5000) == Outcome(0)
            assert connection.connected

    strict_run(main())


@pytest.mark.parametrize("outstanding", [0, 1])
def test_a_broker_that_gives_no_sign_of_life_is_given_up(outstanding: int) -> None:
    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            Connection(settings(broker.port, keepalive_s=1), WILL) as connection,
        ):
            broker.freeze()
            ends = [asyncio.create_task(outcome_of(connection, "a")) for _ in range(outstanding)]
            error = await connection.wait_closed()
            assert str(error) == "the connection ended: Keep alive timeout"
            for end in ends:
                assert await end == Outcome(None, str(error))

    strict_run(main())


def test_a_quiet_connection_is_kept_alive_as_often_as_the_broker_wants() -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(server_keep_alive_s=1)) as broker,
            Proxy(broker.port) as link,
            Connection(settings(link.port), WILL) as connection,
        ):
            after_connack = link.passed_down
            pingresps = 2 * 2  # bytes
            while link.passed_down < after_connack + pingresps:  # noqa: ASYNC110 - ended by strict_run
                await asyncio.sleep(0.01)
            assert connection.connected

    strict_run(main())


# ------------------------------------------------------------------------------------- black holes
def test_a_broker_that_accepts_and_says_nothing_is_given_up() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(UplinkError, match="does not answer"):
                await Connection(settings(port, connect_timeout_s=0.05), WILL).__aenter__()

    strict_run(main())


def test_giving_up_on_a_silent_broker_leaves_nothing_behind() -> None:
    """Were the socket still open, the peer would not see its end."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            connecting = asyncio.create_task(Connection(settings(port), WILL).__aenter__())
            peer, _ = await asyncio.to_thread(silent.accept)
            with peer:
                peer.settimeout(HANG_S)
                await asyncio.to_thread(peer.recv, 1)  # CONNECT has come: it waits for CONNACK
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
                with pytest.raises(ConnectionResetError):
                    await asyncio.to_thread(_read_to_the_end, peer)

    strict_run(main())


def _read_to_the_end(peer: socket.socket) -> None:
    while peer.recv(4096):
        pass


def test_nobody_waits_for_a_black_hole_that_has_been_given_up() -> None:
    """A full accept queue swallows SYNs. Neither loop nor process waits, and no thread."""
    before = set(threading.enumerate())
    with socket.socket() as hole, socket.socket() as first:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        first.connect(hole.getsockname())
        swallowed = settings(hole.getsockname()[1], connect_timeout_s=HANG_S)
        strict_run(_given_up(swallowed))  # its end joins the threads of the loop's executor
        for thread in set(threading.enumerate()) - before:  # it has asked for the name
            thread.join(HANG_S / 6)
            assert not thread.is_alive()


def test_nobody_waits_for_a_handshake_that_has_been_given_up() -> None:
    """It cannot be interrupted and goes on aside, in a thread that no process waits for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        strict_run(_given_up(settings(port, tls=TlsSettings(), connect_timeout_s=HANG_S)))
        dialling = [thread for thread in threading.enumerate() if thread.name == "dial"]
        assert dialling
        assert all(thread.daemon for thread in dialling)


async def _given_up(to: MqttSettings) -> None:
    connecting = asyncio.create_task(Connection(to, WILL).__aenter__())
    await asyncio.wait({connecting}, timeout=0.5)
    assert not connecting.done()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
