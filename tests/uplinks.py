"""An uplink with a hand on its time, and what it told its listeners."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from gateway.health import Health
from gateway.model import Lane, Outcome
from gateway.mqtt import MqttSettings
from gateway.uplink.mqtt import Chances, MqttUplink, Past, Speaker
from gateway.uplink.status import Identity, StatusReport
from gateway.uplink.topics import Topics
from tests.brokers import Message
from tests.fakes import FakeClock

STATUS = "ugw/v1/kiel/gw-1/status"
FIRST_SESSION = 7


class Site:
    """An uplink with a hand on its time, and what it told its listeners."""

    def __init__(self, port: int, *, five_at: str = "", **settings: Any) -> None:  # noqa: ANN401 - MqttSettings' own
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.told: list[str] = []
        self.reports: list[StatusReport] = []
        self._told_more = asyncio.Event()
        self.waits: list[float] = []
        self._waiting: list[asyncio.Event] = []
        self._news = asyncio.Condition()
        self.looks = 0
        self.uplink = MqttUplink(
            self.settings(port, **settings),
            self.speaker(),
            past=Past(FIRST_SESSION, five_at),
            chances=Chances(self.clock, lambda: 0.5, self.sleep, self.look),
            health=self.health,
        )
        self.uplink.on_up = lambda: self.told.append("up")
        self.uplink.on_down = lambda cause: self.told.append(f"down: {cause}")
        self.uplink.on_told = self._keep

    def settings(self, port: int, **settings: Any) -> MqttSettings:  # noqa: ANN401 - its own
        """Return how to reach a broker."""
        return MqttSettings(host="127.0.0.1", port=port, client_id="gw-1", **settings)

    def speaker(self, gateway: str = "gw-1") -> Speaker:
        """Return who speaks."""
        identity = Identity(org="kiel", gateway=gateway, software="ugw 0.1.0")
        return Speaker(identity, self.report, Topics.of("kiel", gateway))

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

    async def look(self, _seconds: float) -> None:
        """Let the certificates be looked at without end, for their time is the files'."""
        self.looks += 1
        await asyncio.sleep(0)

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
