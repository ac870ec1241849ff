"""The link in memory and the real connection: the same acts, the same outcomes, word for word.

Each test runs on both: `gateway.mqtt.Connection` with the scripted broker's socket behind a proxy,
and MemoryLink with the broker in memory on virtual time. What is expected stands in it once.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec
import pytest

from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import MAX_PACKET_BYTES, RECEIVE_MAXIMUM, Connection, MqttSettings, Will
from gateway.reasons import VersionRefusedError
from gateway.sim.bench import Broker, Way
from gateway.sim.broker import Answer, Offer, ScriptedBroker
from gateway.sim.inside import loop
from gateway.sim.inside.broker import MemoryBroker
from gateway.sim.inside.link import MemoryLink
from gateway.sim.inside.way import MemoryWay
from gateway.sim.proxy import Line, Proxy
from gateway.uplink.link import Connect, Link
from tests.brokers import HANG_S, strict_run

TOPIC = "kiel/gw/obs/live"
WILL = Will("kiel/gw/status", b"gone")
SUCCESS = Outcome(0)


class Stand(NamedTuple):
    """A broker, the way to it, and what makes a link."""

    broker: Broker
    way: Way
    connect: Connect
    port: int

    def settings(self, **changes: object) -> MqttSettings:
        settings = MqttSettings(host="127.0.0.1", port=self.port, client_id="gw")
        return msgspec.structs.replace(settings, **changes)

    def link(self, **changes: object) -> Link:
        return self.connect(self.settings(**changes), WILL)

    def told(self, error: UplinkError) -> tuple[str, str]:
        """Return what an error says, without the port, which chance has chosen."""
        return str(error).replace(f"127.0.0.1:{self.port}", "broker"), error.remedy

    async def refusal(self, **changes: object) -> tuple[str, str]:
        """Return why no connection comes about."""
        with pytest.raises(UplinkError) as caught:
            async with self.link(**changes):
                pass
        return self.told(caught.value)

    @property
    def delivered(self) -> list[tuple[str, bytes, bool]]:
        return [(each.topic, each.payload, each.retain) for each in self.broker.delivered]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - the broker's doing has no event
                await asyncio.sleep(0.005)


Act = Callable[[Stand], Awaitable[None]]
Play = Callable[..., None]


@asynccontextmanager
async def real(offer: Offer | None) -> AsyncGenerator[Stand]:
    async with ScriptedBroker(offer) as broker, Proxy(broker.port) as way:
        yield Stand(broker, way, Connection, way.port)


@asynccontextmanager
async def in_memory(offer: Offer | None) -> AsyncGenerator[Stand]:
    broker = MemoryBroker(offer)
    await broker.start()
    way = MemoryWay(broker)
    yield Stand(broker, way, partial(MemoryLink, way), 1883)
    await broker.stop()


@pytest.fixture(params=["real", "memory"])
def play(request: pytest.FixtureRequest) -> Play:
    """Return what plays an act on a stand of this kind."""

    def play(act: Act, offer: Offer | None = None) -> None:
        async def main() -> None:
            stands = real if request.param == "real" else in_memory
            async with stands(offer) as stand, asyncio.timeout(HANG_S):
                await act(stand)

        (strict_run if request.param == "real" else loop.run)(main())

    return play


def publish(link: Link, payload: bytes = b"x", *, turn: str = "") -> "asyncio.Future[Outcome]":
    """Publish; what it returns is done when it ended, and an error when it ends twice."""
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    link.publish(TOPIC, payload, turn=turn, done=ended.set_result)
    return ended


# -------------------------------------------------------------------------------------- delivering
def test_what_is_published_arrives_with_its_marks_and_is_acknowledged(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            assert link.connected
            first: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            link.publish("kiel/gw/status", b"here", retain=True, done=first.set_result)
            second = publish(link, b"y" * 200)
            assert not first.done(), "an end is told from within publish"
            assert (await first, await second) == (SUCCESS, SUCCESS)
            assert link.outstanding_bytes == 0
        assert stand.delivered[:2] == [
            ("kiel/gw/status", b"here", True),
            (TOPIC, b"y" * 200, False),
        ]
        marks = [
            (m.client_id, m.qos, m.retain, m.dup, m.packet_id, m.size)
            for m in stand.broker.received
        ]
        assert marks == [("gw", 1, True, False, 1, 25), ("gw", 1, False, False, 2, 224)]
        (connect,) = stand.broker.connects
        assert (connect.version, connect.client_id, connect.keepalive_s) == (5, "gw", 30)
        assert connect.will is not None
        assert (connect.will.topic, connect.will.payload, connect.will.retain) == (
            *msgspec.structs.astuple(WILL),
            True,
        )

    play(act)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x10, "No matching subscribers"),
        (0x87, "Not authorized"),
        (0x97, "Quota exceeded"),
        (0xB7, "reason code 0xb7"),
    ],
)
def test_a_puback_tells_its_reason(play: Play, code: int, words: str) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(reason_code=code))
        async with stand.link() as link:
            assert await publish(link) == Outcome(code, words)
            assert link.connected

    play(act)


def test_pubacks_that_are_late_double_or_about_nothing_end_each_message_once(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(after_s=0.05, times=2, strays=(7, 99)))
        async with stand.link() as link:
            ended = publish(link)
            assert await ended == SUCCESS
            assert await publish(link) == SUCCESS
            assert link.connected

    play(act)


def test_a_puback_that_never_comes_leaves_the_message_outstanding(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(times=0), times=1)
        async with stand.link() as link:
            lost = publish(link)
            assert await publish(link) == SUCCESS
            assert not lost.done()
            assert link.outstanding_bytes == 24
        assert await lost == Outcome(None, "closed")

    play(act)


# ------------------------------------------------------------------------------------------ limits
def test_the_limits_are_those_of_the_broker(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            assert (link.receive_maximum, link.max_packet_bytes) == (5, 1000)
        stand.broker.offer = Offer()
        async with stand.link() as link:
            assert (link.receive_maximum, link.max_packet_bytes) == (
                RECEIVE_MAXIMUM,
                MAX_PACKET_BYTES,
            )

    play(act, Offer(receive_maximum=5, maximum_packet_size=1000))


def test_no_more_than_the_receive_maximum_is_sent_and_kinds_take_turns(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(after_s=0.01))
        async with stand.link() as link:
            kinds = (("a", b"1"), ("a", b"2"), ("a", b"3"), ("b", b"4"), ("b", b"5"))
            ended = [publish(link, payload, turn=kind) for kind, payload in kinds]
            assert link.outstanding_bytes == 24 + 4
            assert await asyncio.gather(*ended) == [SUCCESS] * 5
        assert [message.payload for message in stand.broker.received] == [
            b"1",
            b"2",
            b"4",
            b"3",
            b"5",
        ]
        assert stand.broker.violations == []

    play(act, Offer(receive_maximum=1))


def test_a_packet_that_just_fits_is_sent_and_a_larger_one_is_not(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            size = 200 - 24
            assert await publish(link, b"x" * size) == SUCCESS
            too_large = await publish(link, b"x" * (size + 1))
            assert too_large == Outcome(0x95, "Packet too large")
            assert await publish(link) == SUCCESS
        assert [message.size for message in stand.broker.received] == [200, 24]
        assert stand.broker.violations == []

    play(act, Offer(maximum_packet_size=200))


# -------------------------------------------------------------------------------------------- ends
@pytest.mark.parametrize(
    ("code", "words", "remedy"),
    [
        (0x8B, "Server shutting down", ""),
        (
            0x8E,
            "Session taken over",
            "another client uses the same mqtt.client_id: give each gateway its own",
        ),
        (0x97, "Quota exceeded", ""),
    ],
)
def test_a_broker_that_disconnects_says_why(
    play: Play, code: int, words: str, remedy: str
) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(times=0))
        async with stand.link() as link:
            lost = publish(link)
            await stand.until(lambda: bool(stand.broker.received))
            stand.broker.disconnect(code)
            error = await link.wait_closed()
            assert stand.told(error) == (f"the broker disconnected: {words}", remedy)
            assert await lost == Outcome(None, f"the broker disconnected: {words}", code)
            assert not link.connected
            assert await publish(link) == Outcome(None, f"the broker disconnected: {words}")
        await stand.until(lambda: (WILL.topic, WILL.payload, True) in stand.delivered)

    play(act)


def test_what_waited_its_turn_does_not_end_with_the_brokers_reason(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(disconnect=0x97))
        async with stand.link() as link:
            sent, waited = publish(link), publish(link)
            said = "the broker disconnected: Quota exceeded"
            assert await sent == Outcome(None, said, 0x97)
            assert await waited == Outcome(None, said)

    play(act, Offer(receive_maximum=1))


@pytest.mark.parametrize("how", ["hang_up", "stop"])
def test_a_broker_that_goes_without_a_word_is_missed(play: Play, how: str) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(times=0))
        async with stand.link() as link:
            lost = publish(link)
            await stand.until(lambda: bool(stand.broker.received))
            if how == "stop":
                await stand.broker.stop()
            else:
                stand.broker.hang_up()
            said = "the connection was lost: closed by the broker"
            hint = "if it comes back: is mqtt.client_id used twice?"
            assert stand.told(await link.wait_closed()) == (said, hint)
            assert await lost == Outcome(None, said)
        await stand.until(lambda: (WILL.topic, WILL.payload, True) in stand.delivered)

    play(act)


def test_a_cut_is_a_reset_for_both_and_the_will_is_said(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(times=0))
        async with stand.link() as link:
            lost = publish(link)
            await stand.until(lambda: bool(stand.broker.received))
            stand.way.cut()
            error = await link.wait_closed()
            assert str(error) == "the connection was lost: Connection reset by peer"
            assert await lost == Outcome(None, str(error))
        await stand.until(lambda: (WILL.topic, WILL.payload, True) in stand.delivered)

    play(act)


def test_a_half_open_connection_stays_until_its_client_comes_again(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            assert await publish(link) == SUCCESS
            stand.way.forget_clients()
            error = await link.wait_closed()
            assert str(error) == "the connection was lost: Connection reset by peer"
        assert stand.delivered == [(TOPIC, b"x", False)]
        async with stand.link() as link:
            await stand.until(lambda: len(stand.delivered) == 2)
            assert stand.delivered[1] == (WILL.topic, WILL.payload, True)
            assert link.connected

    play(act)


def test_leave_taken_leaves_the_will_unsaid_and_dropping_does_not(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(after_s=0.05))
        async with stand.link() as link:
            acknowledged = publish(link)
            leaving = asyncio.create_task(link.disconnect("stopped", within_s=5))
            await asyncio.sleep(0)
            assert await publish(link) == Outcome(None, "stopped")
            await leaving
            assert await acknowledged == SUCCESS
            assert stand.told(await link.wait_closed()) == ("stopped", "")
        async with stand.link() as link:
            assert await publish(link, b"y") == SUCCESS
            link.close("given up")
            assert stand.told(await link.wait_closed()) == ("given up", "")
        will = (WILL.topic, WILL.payload, True)
        await stand.until(lambda: will in stand.delivered)
        assert stand.delivered == [(TOPIC, b"x", False), (TOPIC, b"y", False), will]

    play(act)


def test_leave_is_not_waited_for_longer_than_it_may_take(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.broker.script.on(TOPIC, Answer(times=0))
        async with stand.link() as link:
            lost = publish(link)
            await link.disconnect("stopped", within_s=0.05)
            assert await lost == Outcome(None, "stopped")

    play(act)


# ---------------------------------------------------------------------------------------- no entry
@pytest.mark.parametrize(
    ("code", "words", "remedy"),
    [
        (0x86, "Bad user name or password", "check mqtt.username and mqtt.password"),
        (
            0x87,
            "Not authorized",
            "check mqtt.username and mqtt.password; or the broker does not admit this client id",
        ),
        (0x88, "Server unavailable", ""),
        (0x8A, "Banned", "the broker has banned this gateway"),
        (0x9F, "Connection rate exceeded", ""),
    ],
)
def test_a_refusal_is_told_in_words(play: Play, code: int, words: str, remedy: str) -> None:
    async def act(stand: Stand) -> None:
        assert await stand.refusal() == (f"broker refused the connection: {words}", remedy)
        assert stand.delivered == []

    play(act, Offer(reason_code=code))


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "Client identifier not valid"), (3, "Server unavailable"), (5, "Not authorized")],
)
def test_a_refusal_of_3_1_1_is_told_in_the_words_of_5(play: Play, code: int, words: str) -> None:
    async def act(stand: Stand) -> None:
        said, _ = await stand.refusal(version="3.1.1")
        assert said == f"broker refused the connection: {words}"

    play(act, Offer(reason_code=code))


def test_a_broker_without_mqtt_5_is_told_apart_and_speaks_3_1_1(play: Play) -> None:
    async def act(stand: Stand) -> None:
        with pytest.raises(VersionRefusedError) as refused:
            async with stand.link():
                pass
        said = "broker refused the connection: Unsupported protocol version"
        assert stand.told(refused.value) == (said, "set mqtt.version to 3.1.1")
        stand.broker.script.on(TOPIC, Answer(reason_code=0x87))
        async with stand.link(version="3.1.1") as link:
            assert await publish(link) == SUCCESS, "3.1.1 knows no reason codes"
            assert stand.broker.received[0].size == 23
            stand.broker.disconnect(0x8B)
            error = await link.wait_closed()
            assert str(error) == "the connection was lost: closed by the broker"
        assert [connect.version for connect in stand.broker.connects] == [5, 4]

    play(act, Offer(versions=(4,)))


def test_a_broker_that_offers_qos_0_only_is_refused_by_us(play: Play) -> None:
    async def act(stand: Stand) -> None:
        assert await stand.refusal() == ("broker offers QoS 0 only, not 1", "")

    play(act, Offer(maximum_qos=0))


def test_a_broker_that_never_answers_is_given_up(play: Play) -> None:
    async def act(stand: Stand) -> None:
        remedy = "is it an MQTT broker, and is the way to it open?"
        assert await stand.refusal(connect_timeout_s=0.1) == ("broker does not answer", remedy)

    play(act, Offer(silent=True))


def test_a_line_that_swallows_answers_no_connect(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.way.line = Line(swallows=True)
        said, _ = await stand.refusal(connect_timeout_s=0.1)
        assert said == "broker does not answer"
        assert stand.broker.connects == []

    play(act)


def test_where_nobody_listens_one_is_refused_at_once(play: Play) -> None:
    async def act(stand: Stand) -> None:
        stand.way.refused = True
        refused = ("broker refuses connections", "is the broker running, on that port?")
        assert await stand.refusal() == refused
        stand.way.refused = False
        async with stand.link() as link:
            assert link.connected

    play(act)


# ---------------------------------------------------------------------------------------- the line
def test_a_frozen_broker_answers_when_it_thaws(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            stand.broker.freeze()
            waiting = publish(link)
            await asyncio.sleep(0.05)
            assert not waiting.done()
            assert stand.broker.received == []
            stand.broker.thaw()
            assert await waiting == SUCCESS

    play(act)


def test_messages_on_a_slow_line_arrive_in_order_and_at_once_when_it_is_fast_again(
    play: Play,
) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            stand.way.line = Line(up_bytes_per_s=10, latency_s=0.01)
            ended = [publish(link, bytes([number]) * 100) for number in range(3)]
            await asyncio.sleep(0.1)
            assert not any(each.done() for each in ended)
            stand.way.line = Line()
            async with asyncio.timeout(10):  # of the 30 s that they would have taken
                assert await asyncio.gather(*ended) == [SUCCESS] * 3
        assert [message.payload[0] for message in stand.broker.received] == [0, 1, 2]

    play(act)


def test_a_line_that_swallows_takes_everything_and_brings_nothing(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            stand.way.line = Line(swallows=True)
            lost = publish(link)
            await asyncio.sleep(0.05)
            assert link.connected
            assert stand.broker.received == []
            link.close("given up")
            assert await lost == Outcome(None, "given up")

    play(act)


def test_a_silent_broker_is_given_up_after_two_keepalives(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link(keepalive_s=1) as link:
            await asyncio.sleep(0.1)
            stand.broker.freeze()
            error = await link.wait_closed()
            hint = "if it comes back: is mqtt.client_id used twice?"
            assert stand.told(error) == ("the connection ended: Keep alive timeout", hint)
            stand.broker.thaw()

    play(act)


def test_a_client_that_breaks_a_limit_is_on_record_and_dismissed(play: Play) -> None:
    async def act(stand: Stand) -> None:
        async with stand.link() as link:
            stand.broker.script.on(TOPIC, Answer(times=0))
            with contextlib.suppress(AttributeError):
                object.__setattr__(link, "_receive_maximum", 10)
            ended = [publish(link) for _ in range(3)]
            said = "the broker disconnected: Receive maximum exceeded"
            assert set(await asyncio.gather(*ended)) == {Outcome(None, said, 0x93)}
        assert stand.broker.violations == ["3 unacknowledged where 2 are allowed"]

    play(act, Offer(receive_maximum=2))
