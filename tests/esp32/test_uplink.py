"""The ESP32's connection against a real broker, frozen, killed and back, and against a bad one."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.sim.broker import Answer, Offer, ScriptedBroker
from tests.brokers import Message, Mosquitto, Subscriber, mosquitto, strict_run
from tests.esp32.machines import run_on, umqtt
from tests.esp32.uplink_board import HEAP, SCRIPT, Board, Said, compiled

__all__ = ["mosquitto"]  # a fixture

Start = Callable[..., Mosquitto]
HANG_GUARD_MS = 15_000  # ten times what no call may take
LIVE = "ugw/obs/live"
WILL = Message("ugw/status", b"lost", retain=False)
USER = {"user": "gw", "password": "secret"}


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("flash"))


def numbers(messages: list[Message]) -> list[int]:
    return [int(message.payload) for message in messages if message.topic == LIVE]


def report(what: str, end: Said) -> None:
    """Show with -s what a loaded machine cannot promise."""
    sys.stdout.write(f"{what}: worst stall of the loop {end['worst_ms']} ms\n")


def test_packets_are_made_and_read_as_mqtt_has_them(modules: Path) -> None:
    ended = run_on("32", "tests/esp32/vm_packets.py", folders=(modules, umqtt()))
    assert ended.code == 0, ended.text
    assert ended.text.endswith("all well\n"), ended.text


def test_publishes_are_acknowledged_and_a_farewell_takes_the_will_back(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto(password=tuple(USER.values()))

    async def main() -> None:
        async with Board(modules, port=broker.port, **USER, count=200, chip=True) as board:
            end = await board.until("end")
        assert (end["acked"], end["resent"], end["left"]) == (200, 0, 0)
        # CONNECT, 200 PUBLISHes, the farewell, DISCONNECT: one write each.
        assert end["writes"][0] == 203

    strict_run(main())
    assert "disconnected" in broker.log().splitlines()[-1]


def test_the_farewell_stays_where_the_will_would(modules: Path, mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Board(modules, port=broker.port, count=1) as board:
            await board.until("end")
        async with Subscriber(broker.port) as later:
            await later.until(bool)
        assert later.messages == [WILL._replace(payload=b"left", retain=True)]

    strict_run(main())


def test_a_farewell_that_nobody_acknowledges_does_not_take_the_will_back(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Subscriber(broker.port) as platform:
            async with Board(modules, port=broker.port, count=1, stay_ms=500) as board:
                await board.until("acked")
                broker.freeze()
                await board.until("end")
            broker.thaw()
            await platform.until(lambda got: WILL in got)

    strict_run(main())


def test_a_wrong_password_is_said_in_words(modules: Path, mosquitto: Start) -> None:
    broker = mosquitto(password=tuple(USER.values()))

    async def main() -> None:
        async with Board(modules, port=broker.port, **{**USER, "password": "wrong"}) as board:
            said = await board.until_cause("authorised")
        assert "secret" not in str(said)

    strict_run(main())


def test_the_broker_tells_the_will_of_a_board_without_power(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Subscriber(broker.port) as platform:
            async with Board(modules, port=broker.port, leave=False, stay_ms=60_000) as board:
                await board.until("acked")
                board.power_off()
                await platform.until(lambda got: WILL in got)
            async with Subscriber(broker.port, name="later") as later:
                await later.until(lambda got: WILL._replace(retain=True) in got)

    strict_run(main())


@pytest.mark.slow
def test_a_frozen_broker_stops_nothing_and_loses_nothing(modules: Path, mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with (
            Subscriber(broker.port) as platform,
            Board(
                modules,
                port=broker.port,
                count=1000,
                pause_ms=1,
                size=1500,
                window=60,
                chip=True,
            ) as board,
        ):
            await board.until("acked")
            broker.freeze()
            await asyncio.sleep(5)  # what is tested is that for so long nothing happens
            broker.thaw()
            end = await board.until("end")
            await platform.until(lambda got: set(numbers(got)) == set(range(1000)))
        report("broker frozen for 5 s", end)
        assert end["worst_ms"] < HANG_GUARD_MS
        assert not board.all("cause")[1:]  # the connection stood
        assert numbers(platform.messages) == list(range(1000))

    strict_run(main())


def test_umqtt_by_itself_stands_still_until_a_frozen_broker_goes_on(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Board(modules, port=broker.port, unmodified=True) as board:
            await board.until("acked")
            broker.freeze()
            board.press_enter()
            await asyncio.sleep(2)
            assert not board.all("end")
            broker.thaw()
            assert (await board.until("end"))["stalled_ms"] > 1000

    strict_run(main())


def test_a_silent_broker_is_left_and_what_it_has_not_acknowledged_comes_again(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with (
            Subscriber(broker.port) as platform,
            Board(
                modules, port=broker.port, count=400, pause_ms=2, keepalive_s=1, chip=True
            ) as board,
        ):
            await board.until("acked")
            broker.freeze()
            assert (await board.until("down"))["cause"] == "silent"
            broker.thaw()
            end = await board.until("end")
            await platform.until(lambda got: set(numbers(got)) == set(range(400)))
        report("broker frozen, left, found again", end)
        assert end["resent"] > 0
        assert end["worst_ms"] < HANG_GUARD_MS

    strict_run(main())


def test_an_idle_connection_is_kept_alive(modules: Path, mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Board(modules, port=broker.port, count=1, keepalive_s=1, stay_ms=2500) as board:
            await board.until("end")
        assert [each["cause"] for each in board.all("down")] == ["closed"]

    strict_run(main())


def test_a_killed_broker_is_found_again(modules: Path, mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        async with Board(modules, port=broker.port, count=400, pause_ms=2) as board:
            await board.until("acked")
            broker.kill()
            await board.until_cause("refuses connections")
            broker.start()
            end = await board.until("end")
        assert (end["acked"], end["left"]) == (400, 0)

    strict_run(main())


def test_packet_ids_wrap_while_those_before_are_in_flight(modules: Path) -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            broker.script.on(LIVE, Answer(after_s=0.3), times=20)
            async with Board(
                modules, port=broker.port, count=100, window=32, first_pid=65_520
            ) as board:
                await board.until("end")
            ids = [message.packet_id for message in broker.received if message.topic == LIVE]
            assert not broker.violations
        assert ids == [*range(65_520, 65_536), *range(1, 85)]

    strict_run(main())


@pytest.mark.slow
def test_seventy_thousand_publishes_are_all_acknowledged(modules: Path, mosquitto: Start) -> None:
    asked = {"host": "127.0.0.1", "port": mosquitto().port, "count": 70_000, "window": 32}
    ended = run_on("32", SCRIPT, json.dumps(asked), heap=HEAP, folders=(modules, umqtt()))
    said = [json.loads(line) for line in ended.text.splitlines()]
    assert [each["event"] for each in said] == ["up", "acked", "down", "end"]  # one connection
    assert (said[-1]["acked"], said[-1]["resent"], said[-1]["left"]) == (70_000, 0, 0)
    assert said[-1]["last_pid"] == 70_001 - 65_535  # the farewell's


def test_a_packet_half_written_when_the_connection_ends_comes_whole_on_the_next(
    modules: Path,
) -> None:
    async def main() -> None:
        async with ScriptedBroker() as broker:
            async with Board(
                modules, port=broker.port, count=4, size=800, chip=True, trickle=100
            ) as board:
                await board.until("acked")
                await asyncio.sleep(0.2)  # half of what the next one takes
                broker.hang_up()
                end = await board.until("end")
            assert not broker.violations
            whole = {int(each.payload) for each in broker.received if each.topic == LIVE}
        assert whole == set(range(4))
        assert end["resent"] > 0

    strict_run(main())


def test_half_a_packet_that_came_in_stops_nothing(modules: Path) -> None:
    async def main() -> None:
        half = b"\xd0\0" + b"\x30\x7f\0\1t"
        async with ScriptedBroker(Offer(then=half)) as broker:
            broker.script.on("#", Answer(times=0))
            async with Board(modules, port=broker.port, chip=True, tick=True) as board:
                await board.until("up")
                await board.until("tick", len(board.all("tick")) + 50)

    strict_run(main())


@pytest.mark.parametrize(
    "packet",
    [
        b"\x40\x03\0\1\0",  # a PUBACK of another length
        b"\x40\xff\xff\xff\xff\x01\0\1",  # a length that has no end
        b"\x30\x04\0\x09ab",  # a topic longer than its packet
        b"\x32\x03\0\1a",  # no packet id
        b"\x34\x05\0\1a\0\1",  # QoS 2, which nobody asked for
        b"\x00\x00",
        b"\xd0\x01x",  # a PINGRESP with a body
        b"HTTP/1.1 400 Bad Request\r\n" + b"-" * 100,
    ],
)
def test_a_malformed_packet_ends_the_connection(modules: Path, packet: bytes) -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(then=packet)) as broker,
            Board(modules, port=broker.port, count=5) as board,
        ):
            assert (await board.until("down"))["cause"] == "malformed"

    strict_run(main())


def test_a_broker_that_has_come_to_its_senses_gets_everything(modules: Path) -> None:
    async def main() -> None:
        async with (
            ScriptedBroker(Offer(then=b"\xff\xff\xff\xff\xff")) as broker,
            Board(modules, port=broker.port, count=5) as board,
        ):
            await board.until("down")
            broker.offer = Offer()
            assert (await board.until("end"))["acked"] == 5

    strict_run(main())


def test_acknowledgements_of_what_is_not_in_flight_mean_nothing(modules: Path) -> None:
    async def main() -> None:
        async with (
            ScriptedBroker() as broker,
            Board(modules, port=broker.port, count=50) as board,
        ):
            broker.script.on(LIVE, Answer(strays=(0, 4711, 65_535), times=2))
            end = await board.until("end")
        assert (end["acked"], end["left"]) == (50, 0)
        assert len(board.all("down")) == 1

    strict_run(main())


async def tell(broker: Mosquitto, topic: str, payload: str) -> None:
    """Publish with QoS 1."""
    sent = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-p", str(broker.port), "-t", topic, "-q", "1", "-m", payload)
    )
    assert await sent.wait() == 0


def test_what_is_sent_to_a_board_without_power_comes_when_it_is_back(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()
    topic = "ugw/update"
    asked = {"port": broker.port, "count": 1, "topics": [topic], "stay_ms": 60_000}

    async def main() -> None:
        async with Board(modules, **asked) as board:
            await board.until("acked")
            await tell(broker, topic, "first")
            await board.until("message")
            board.power_off()
        await tell(broker, topic, "meanwhile")
        async with Board(modules, **asked) as board:
            # The first may come once more: whether its PUBACK was written is nobody's promise.
            await board.when(
                lambda: "meanwhile" in [each["payload"] for each in board.all("message")]
            )

    strict_run(main())


def test_messages_arrive_and_one_that_is_too_long_is_skipped(
    modules: Path, mosquitto: Start
) -> None:
    broker = mosquitto()

    async def main() -> None:
        topic = "ugw/update"
        async with Board(
            modules, port=broker.port, count=1, topics=[topic], stay_ms=60_000
        ) as board:
            await board.until("acked")
            for payload in ("first", "x" * 5_000, "y" * 40_000, "last"):
                await tell(broker, topic, payload)
            await board.until("message", 2)
        assert [each["payload"] for each in board.all("message")] == ["first", "last"]

    strict_run(main())
