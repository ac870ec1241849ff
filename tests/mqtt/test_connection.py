"""What gateway.mqtt promises, against a real mosquitto; scripted where no real one would do it."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import (
    MAX_PACKET_BYTES,
    RECEIVE_MAXIMUM,
    Connection,
    MqttSettings,
    VersionRefusedError,
    Will,
)
from tests.brokers import (
    HANG_S,
    Message,
    Mosquitto,
    ScriptedBroker,
    Subscriber,
    free_port,
    packet_id,
    strict_run,
)

WILL = Will("gw/status", b"gone")
VERSIONS = ("5", "3.1.1")
CONNECT, PUBLISH = 1, 3
ACCEPTED = bytes.fromhex("20 03 00 00 00")
ACCEPTED_WINDOW_OF_1 = bytes.fromhex("20 06 00 00 03 21 0001")  # Receive Maximum 1

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

    def script(kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(ACCEPTED if kind == CONNECT else b"\x40\x02" + packet_id(body))

    async def main() -> None:
        nonlocal publishing
        async with ScriptedBroker(script) as broker:
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

    def script(kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == CONNECT:
            writer.write(ACCEPTED + b"\x40\x02\x00\x01")
        elif kind == PUBLISH:
            good = b"\x40\x02" + packet_id(body)
            writer.write(b"\x40\x02\xab\xcd" + good + good)

    async def main() -> None:
        async with (
            ScriptedBroker(script) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
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
    holding: list[bytes] = []
    held: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def acknowledge(writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x40\x02" + holding.pop())

        def script(kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
            if kind == CONNECT:
                writer.write(ACCEPTED_WINDOW_OF_1)
            elif kind == PUBLISH:
                holding.append(packet_id(body))
                held.append(len(holding))
                # Late enough for any second message to have come before.
                loop.call_later(0.02, acknowledge, writer)

        async with (
            ScriptedBroker(script) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            outcomes = [outcome_of(connection, "a") for _ in range(5)]
            assert await asyncio.gather(*outcomes) == [Outcome(0)] * 5
        assert held == [1] * 5

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
                await connection.disconnect(within_s=10)
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
            await connection.disconnect(within_s=0.05)
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
    def script(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(ACCEPTED + bytes.fromhex("e0 01 8e"))

    async def main() -> None:
        async with (
            ScriptedBroker(script) as broker,
            Connection(settings(broker.port), WILL) as connection,
        ):
            error = await connection.wait_closed()
        assert str(error) == "the broker disconnected: Session taken over"
        assert "client_id" in error.remedy

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
    def script(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex(answer))

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            with pytest.raises(VersionRefusedError):
                await Connection(settings(broker.port), WILL).__aenter__()

    strict_run(main())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_hangs_up_without_an_answer_is_no_refusal_of_the_version(
    version: str,
) -> None:
    def script(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            with pytest.raises(UplinkError, match="closed by the broker") as caught:
                await Connection(settings(broker.port, version=version), WILL).__aenter__()
        assert not isinstance(caught.value, VersionRefusedError)

    strict_run(main())


def test_a_broker_that_offers_qos_0_only_is_refused_by_us() -> None:
    def script(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes.fromhex("20 05 00 00 02 2400"))

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            with pytest.raises(UplinkError, match="QoS 0 only"):
                await Connection(settings(broker.port), WILL).__aenter__()

    strict_run(main())


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x03\x00", b"\x20\x02\x00\x00", b"\x00" * 99],
)
def test_garbage_instead_of_mqtt_is_an_error_and_no_crash(garbage: bytes) -> None:
    def script(_: int, __: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        writer.close()

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            with pytest.raises(UplinkError):
                await Connection(settings(broker.port), WILL).__aenter__()

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
    """A full accept queue swallows SYNs. The dial goes on, and neither loop nor process waits."""
    with socket.socket() as hole, socket.socket() as first:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        first.connect(hole.getsockname())
        swallowed = settings(hole.getsockname()[1], connect_timeout_s=HANG_S)

        async def main() -> None:
            connecting = asyncio.create_task(Connection(swallowed, WILL).__aenter__())
            await asyncio.sleep(0.1)
            assert not connecting.done()
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting

        strict_run(main())  # its end joins the threads of the loop's executor
        dialling = [thread for thread in threading.enumerate() if thread.name == "dial"]
        assert dialling
        assert all(thread.daemon for thread in dialling)
