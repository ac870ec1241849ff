"""The bulletin over a real mosquitto: what a platform finds that comes later."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import aiomqtt

from gateway.bulletin import Announcements, Bulletin, Memory, Notices, States, Surroundings
from gateway.config import Settings
from gateway.health import Health
from gateway.model import Link, Observation
from gateway.mqtt import MqttSettings
from gateway.uplink.mqtt import Chances, MqttUplink, Past, Speaker
from gateway.uplink.status import Identity, StatusReport
from gateway.uplink.topics import Topics
from tests.brokers import HANG_S, Mosquitto, Subscriber, strict_run
from tests.bulletin.board import EVENT, ROOT, FakeLosses, FakeStore, settings, temperature
from tests.fakes import FakeClock

Start = Callable[..., Mosquitto]
IDENTITY = Identity(org="kiel", gateway="gw-1", software="ugw 0")


class Gateway:
    """An uplink with its bulletin; time passes only where a test says so."""

    def __init__(self, port: int, given: Settings, store: FakeStore) -> None:
        self.clock = FakeClock()
        health = self.health = Health(self.clock)
        topics = Topics(ROOT)
        self.uplink = MqttUplink(
            MqttSettings(host="127.0.0.1", port=port, client_id="gw-1"),
            Speaker(IDENTITY, self._report, topics),
            past=Past(1, ""),
            chances=Chances(self.clock, lambda: 0.0),
            health=health,
        )
        self.losses = FakeLosses()
        notices = Notices(topics.event, IDENTITY, self.clock)
        notices.attend(self.losses)
        health.on_notice = notices.take
        memory = Memory(store, store.errands.append)
        self.bulletin = Bulletin(
            Surroundings(self.uplink, self.clock, lambda: 0.0, health.vitals),
            notices=notices,
            announcements=Announcements("ugw 0", memory=memory, congested=lambda: False),
            states=States(topics, health, lambda: False),
        )
        self.uplink.on_up = self.bulletin.opened
        self.bulletin.announcements.begin(given, store.words)

    def _report(self) -> StatusReport:
        return StatusReport(
            boot=self.clock.boot_id,
            boot_ns=self.clock.boot_ns(),
            wall_ns=self.clock.wall_ns(),
            clock=self.clock.reading(),
        )

    def hear(self, device: str, hundredths: int) -> None:
        """Let a thermometer say something."""
        self.bulletin.states.note(
            Observation(
                klass="routine",
                stream="S",
                seq=0,
                device=device,
                heard_at_ns=self.clock.boot_ns(),
                results=(temperature(hundredths),),
                link=Link("ble", -71),
            )
        )

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and the bulletin know."""
        self.clock.pass_s(seconds)
        self.bulletin.wake()

    async def until_told(self, desk: str, number: int) -> None:
        """Return when the broker has so many letters of a desk; time passes meanwhile."""
        async with asyncio.timeout(HANG_S):
            while self.bulletin.tallies[desk].told < number:
                self.pass_s(0.1)
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run meanwhile."""
        tasks = [
            asyncio.create_task(self.uplink.run(), name="uplink"),
            asyncio.create_task(self.bulletin.run(), name="bulletin"),
        ]
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def found(broker: Mosquitto, name: str) -> dict[str, bytes]:
    """Return what a platform finds that comes only now, but for the status."""
    end = f"{ROOT}/end"
    async with Subscriber(broker.port, topic=f"{ROOT}/#", name=name) as late:
        # What was retained was sent with the subscription, before anything published after it.
        async with aiomqtt.Client("127.0.0.1", broker.port) as marker:
            await marker.publish(end, qos=1)
        await late.until(lambda messages: any(one.topic == end for one in messages))
        return {
            one.topic.removeprefix(ROOT + "/"): one.payload
            for one in late.messages
            if one.retain and not one.topic.endswith("/status")
        }


def test_a_late_platform_finds_the_newest_state_and_no_device_that_is_gone(
    mosquitto: Start,
) -> None:
    async def play() -> None:
        broker, store = mosquitto(), FakeStore()
        first = Gateway(broker.port, settings("a", "b"), store)
        async with first.running():
            await first.until_told("announcement", 3)
            for value in (1, 2, 3):
                first.hear("ugw:kiel:a", value)
                first.hear("ugw:kiel:b", 100 * value)
                first.pass_s(10)
                await first.until_told("state", 2 * value)
        await store.work()
        before = await found(broker, "before")
        assert set(before) == {"meta", "meta/a", "meta/b", "state/a", "state/b"}
        assert b'"air_temperature":0.03}' in before["state/a"]

        second = Gateway(broker.port, settings("b"), store)
        async with second.running():
            await second.until_told("announcement", 4)
        await store.work()
        after = await found(broker, "after")
        assert set(after) == {"meta", "meta/b", "state/b"}
        assert b'"air_temperature":3}' in after["state/b"]

    strict_run(play())


def test_events_survive_the_brokers_absence_and_are_not_retained(mosquitto: Start) -> None:
    async def play() -> None:
        broker = mosquitto()
        gateway = Gateway(broker.port, settings(), FakeStore())
        async with Subscriber(broker.port) as platform, gateway.running():
            await gateway.until_told("announcement", 1)
            broker.stop()
            gateway.losses.drop("S", 1, 5, gateway.clock)
            gateway.health.notify("clock.step", ("byMs", 90_000))
            broker.start()
            await platform.until(lambda said: sum(one.topic == EVENT for one in said) == 2)
            kinds = [one.json()["kind"] for one in platform.on(EVENT)]
            assert kinds == ["loss", "clock.step"]
            assert EVENT.removeprefix(ROOT + "/") not in await found(broker, "late")

    strict_run(play())


def test_a_flush_returns_once_the_broker_has_what_waits_and_at_once_without_one(
    mosquitto: Start,
) -> None:
    async def play() -> None:
        broker = mosquitto()
        gateway = Gateway(broker.port, settings(), FakeStore())
        gateway.health.notify("clock.step", ("byMs", 1))
        await gateway.bulletin.flush(2 * HANG_S)  # nobody is there to be waited for
        async with gateway.running():
            await gateway.until_told("announcement", 1)
            for number in range(2, 21):
                gateway.health.notify("clock.step", ("byMs", number))
            await gateway.bulletin.flush(HANG_S)
            assert gateway.bulletin.tallies["notice"].told == 20
            broker.freeze()
            gateway.health.notify("clock.step", ("byMs", 21))
            await gateway.bulletin.flush(0.1)
            assert gateway.bulletin.tallies["notice"].told == 20
            broker.thaw()

    strict_run(play())
