"""The uplink against a real mosquitto: a gateway comes, stays and goes, as the city sees it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from gateway.model import Lane, Outcome
from gateway.mqtt import MqttSettings
from gateway.uplink.mqtt import Chances, MqttUplink, Speaker
from gateway.uplink.status import Identity, StatusReport
from gateway.uplink.topics import Topics
from tests.brokers import Message, Mosquitto, ScriptedBroker, Subscriber, free_port, strict_run
from tests.fakes import FakeClock

STATUS = "ugw/v1/kiel/gw-1/status"
FIRST_SESSION = 7

Start = Callable[..., Mosquitto]


class Site:
    """An uplink with a hand on its time, and what it told its listeners."""

    def __init__(self, port: int, **settings: Any) -> None:  # noqa: ANN401 - MqttSettings' own
        self.clock = FakeClock()
        self.told: list[str] = []
        self.reports: list[StatusReport] = []
        self._told_more = asyncio.Event()
        self.waits: list[float] = []
        self._waiting: list[asyncio.Event] = []
        self._news = asyncio.Condition()
        speaker = Speaker(
            Identity(org="kiel", gateway="gw-1", software="ugw 0.1.0"),
            self.report,
            Topics.of("kiel", "gw-1"),
        )
        self.uplink = MqttUplink(
            MqttSettings(host="127.0.0.1", port=port, client_id="gw-1", **settings),
            speaker,
            first_session=FIRST_SESSION,
            chances=Chances(self.clock, lambda: 0.5, self.sleep),
        )
        self.uplink.on_up = lambda: self.told.append("up")
        self.uplink.on_down = lambda cause: self.told.append(f"down: {cause}")
        self.uplink.on_told = self._keep

    def report(self) -> StatusReport:
        """Report nothing but the time."""
        return StatusReport(
            boot=self.clock.boot_id,
            boot_ns=self.clock.boot_ns(),
            wall_ns=self.clock.wall_ns(),
            clock=self.clock.reading(),
        )

    def _keep(self, report: StatusReport) -> None:
        self.reports.append(report)
        self._told_more.set()

    async def has_told(self, reports: int) -> None:
        """Return when the broker has acknowledged so many reports."""
        while len(self.reports) < reports:
            self._told_more.clear()
            await self._told_more.wait()

    async def sleep(self, seconds: float) -> None:
        """Wait until the test lets time pass."""
        event = asyncio.Event()
        self._waiting.append(event)
        async with self._news:
            self.waits.append(seconds)
            self._news.notify_all()
        await event.wait()

    async def waits_for(self, *seconds: float) -> None:
        """Return when the uplink waits for just these, the last of them now."""
        async with self._news:
            await self._news.wait_for(lambda: self.waits[-len(seconds) :] == list(seconds))

    def let_time_pass(self) -> None:
        """End every wait."""
        for event in self._waiting:
            event.set()
        self._waiting.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[asyncio.Task[None], None]:
        """Run the uplink meanwhile."""
        task = asyncio.create_task(self.uplink.run())
        yield task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def publish(self, lane: Lane, payload: bytes) -> Outcome:
        """Publish and return the end of it."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.uplink.publish(lane, payload, outcome.set_result)
        return await outcome


def spoke(*states: tuple[int, str]) -> Callable[[list[Message]], bool]:
    """Whether status said just this: session and state, in this order."""

    def judge(messages: list[Message]) -> bool:
        said = [message.json() for message in messages if message.topic == STATUS]
        return [(one["session"], one["state"]) for one in said] == list(states)

    return judge


# -------------------------------------------------------------------------------------------- life
@pytest.mark.parametrize(("version", "guarantee"), [("5", "full"), ("3.1.1", "reduced")])
def test_each_connection_begins_with_a_retained_birth(
    mosquitto: Start, version: str, guarantee: str
) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port, version=version)
        async with site.running():
            async with Subscriber(broker.port) as platform:
                await platform.until(spoke((7, "online")))
            async with Subscriber(broker.port, name="late") as platform:
                await platform.until(spoke((7, "online")))
            assert platform.messages[0].retain
            assert platform.messages[0].json()["guarantee"] == guarantee
            assert site.uplink.connected
        assert site.told == ["up"]

    strict_run(main())


def test_the_birth_comes_before_what_is_sent_on_coming_up(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        site.uplink.on_up = lambda: site.uplink.publish(Lane.LIVE, b"{}", lambda _: None)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(lambda messages: len(messages) == 2)
            topics = [message.topic for message in platform.messages]
            assert topics == [STATUS, "ugw/v1/kiel/gw-1/obs/live"]

    strict_run(main())


def test_each_lane_has_its_topic_and_nothing_there_is_retained(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port, topic="+/+/+/+/obs/+") as platform, site.running():
            await site.waits_for(60.0)
            for lane in Lane:
                assert await site.publish(lane, lane.encode()) == Outcome(0)
            await platform.until(lambda messages: len(messages) == 2)
        assert platform.messages == [
            Message("ugw/v1/kiel/gw-1/obs/live", b"live", retain=False),
            Message("ugw/v1/kiel/gw-1/obs/replay", b"replay", retain=False),
        ]
        async with Subscriber(broker.port, name="late", topic="+/+/+/+/obs/+") as late:
            assert late.messages == []

    strict_run(main())


def test_the_heart_beats_every_minute_and_whenever_it_is_asked_to(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            await site.waits_for(60.0)
            site.clock.pass_s(60)
            site.let_time_pass()
            await platform.until(spoke(*[(7, "online")] * 2))
            site.uplink.tell()
            await platform.until(spoke(*[(7, "online")] * 3))
            await site.has_told(3)
        uptimes = [message.json()["uptimeMs"] for message in platform.messages]
        assert uptimes == [1_000_000, 1_060_000, 1_060_000]
        assert [report.boot_ns // 1_000_000 for report in site.reports] == uptimes

    strict_run(main())


def test_without_a_connection_a_message_ends_at_once_and_status_waits() -> None:
    async def main() -> None:
        site = Site(free_port())
        assert await site.publish(Lane.LIVE, b"") == Outcome(None, "not connected")
        site.uplink.tell()
        site.uplink.drop("nothing to drop")
        await site.uplink.farewell()
        assert not site.uplink.connected

    strict_run(main())


def test_one_place_of_the_receive_maximum_is_kept_for_status(mosquitto: Start) -> None:
    broker = mosquitto(lines=("max_inflight_messages 5", "max_packet_size 20000"))

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            await site.waits_for(60.0)
            assert (site.uplink.receive_maximum, site.uplink.max_packet_bytes) == (4, 20_000)

    strict_run(main())


def test_a_status_that_the_broker_denies_is_logged_once_and_never_taken_for_told(
    mosquitto: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto(acl="topic write ugw/v1/kiel/gw-1/obs/#\n")

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            for _ in range(3):
                site.uplink.tell()
                await site.waits_for(60.0)
                site.let_time_pass()
                assert (await site.publish(Lane.LIVE, b"")).reason_code is not None
        assert site.reports == []

    strict_run(main())
    refusals = [line for line in caplog.messages if line.startswith("status refused")]
    assert refusals == ["status refused reason='Not authorized'"]


# ----------------------------------------------------------------------------------------- the end
def test_a_dropped_connection_leaves_the_will_and_is_made_anew(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform, site.running():
            await platform.until(spoke((7, "online")))
            site.uplink.drop("no acknowledgement in 10 s")
            assert not site.uplink.connected
            await platform.until(spoke((7, "online"), (7, "offline")))
            assert platform.messages[-1].json()["clean"] is False
            await site.waits_for(0.5)
            site.let_time_pass()
            await platform.until(spoke((7, "online"), (7, "offline"), (8, "online")))
        assert site.told == ["up", "down: no acknowledgement in 10 s", "up"]

    strict_run(main())


def test_an_orderly_stop_is_announced_and_the_will_stays_unsaid(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform:
            async with site.running() as running:
                await platform.until(spoke((7, "online")))
                await site.has_told(1)
                site.uplink.tell()  # in flight when the farewell is said
                site.uplink.tell()  # and one more is due after it
                await site.uplink.farewell()
                await running
            await platform.until(lambda messages: messages[-1].json()["state"] == "offline")
        async with Subscriber(broker.port, name="late") as late:
            await late.until(spoke((7, "offline")))
        assert late.messages[0].json()["clean"] is True
        assert spoke((7, "online"), (7, "online"), (7, "offline"))(platform.messages)

    strict_run(main())


def test_a_frozen_broker_does_not_hold_up_the_farewell(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with Subscriber(broker.port) as platform:
            async with site.running() as running:
                await platform.until(spoke((7, "online")))
                broker.freeze()
                await site.uplink.farewell()
                await running
            broker.thaw()
            # Whether what it had not read counts is the broker's affair; that we are gone is not.
            await platform.until(lambda messages: messages[-1].json()["state"] == "offline")

    strict_run(main())


# ---------------------------------------------------------------------------------------- back-off
def test_the_uplink_comes_back_when_the_broker_does(mosquitto: Start) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with site.running(), Subscriber(broker.port) as platform:
            await platform.until(spoke((7, "online")))
            broker.stop()
            await site.waits_for(0.5)
            site.let_time_pass()
            await site.waits_for(0.5, 1.0)
            broker.start()
            site.let_time_pass()
            # From the broker's memory: the farewell it made for us, and the birth.
            await platform.until(lambda messages: messages[-1].json()["session"] == 9)
            assert [line.split(":")[0] for line in site.told] == ["up", "down", "up"]

    strict_run(main())


def test_the_wait_doubles_up_to_a_minute_and_one_cause_is_one_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()

    async def main() -> None:
        site = Site(port)
        async with site.running():
            for wait in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
                await site.waits_for(wait)
                site.let_time_pass()
                site.waits.clear()

    strict_run(main())
    cause = f"127.0.0.1:{port} refuses connections"
    remedy = "is the broker running, on that port?"
    assert caplog.messages == [f"uplink down cause={cause!r} remedy={remedy!r}"]


def test_connections_that_do_not_last_are_made_ever_more_slowly(mosquitto: Start) -> None:
    """Two gateways with one client id: each connection ends the other's."""
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port)
        async with site.running():
            for wait in (0.5, 1.0, 2.0, 4.0):
                await site.waits_for(60.0)
                site.waits.clear()
                site.uplink.drop("taken over")
                await site.waits_for(wait)
                site.waits.clear()
                site.let_time_pass()
            await site.waits_for(60.0)
            site.waits.clear()
            site.clock.pass_s(60)
            site.uplink.drop("after a good minute")
            await site.waits_for(0.5)

    strict_run(main())


def test_what_happened_is_logged_in_one_line_each(
    mosquitto: Start, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto()

    async def main() -> None:
        site = Site(broker.port, username="gw", password="s3cret")  # noqa: S106
        async with site.running():
            await site.waits_for(60.0)
            site.uplink.drop("enough")
            await site.waits_for(0.5)

    with caplog.at_level(logging.DEBUG):
        strict_run(main())
    ours = [line for line in caplog.messages if line.startswith("uplink")]
    assert ours == [
        f"uplink up host=127.0.0.1 port={broker.port} version=5 session=7",
        "uplink down cause='enough' remedy=''",
    ]
    assert "s3cret" not in caplog.text


# ------------------------------------------------------------------------------------- the version
def test_an_explicit_refusal_of_version_5_leads_to_3_1_1() -> None:
    def script(kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == 1:
            five = body[6] == 5
            writer.write(bytes.fromhex("20 02 00 01" if five else "20 02 00 00"))

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            site = Site(broker.port)
            async with site.running():
                await site.waits_for(60.0)
                assert site.told == ["up"]

    strict_run(main())


def test_where_version_5_has_worked_there_is_no_way_back() -> None:
    answers = ["20 03 00 00 00", "20 02 00 01", "20 02 00 00"]
    versions: list[int] = []

    def script(kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind == 1:
            versions.append(body[6])
            writer.write(bytes.fromhex(answers.pop(0)))

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            site = Site(broker.port)
            async with site.running():
                await site.waits_for(60.0)
                site.uplink.drop("once more")
                await site.waits_for(0.5)
                site.let_time_pass()
                await site.waits_for(1.0)
        assert versions == [5, 5]

    strict_run(main())


def test_silence_is_no_refusal_of_the_version() -> None:
    versions: list[int] = []

    def script(_: int, body: bytes, __: asyncio.StreamWriter) -> None:
        versions.append(body[6])

    async def main() -> None:
        async with ScriptedBroker(script) as broker:
            site = Site(broker.port, connect_timeout_s=0.1)
            async with site.running():
                await site.waits_for(0.5)
        assert versions == [5]

    strict_run(main())
