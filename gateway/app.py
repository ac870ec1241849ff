"""The agent: the stops of the data path, wired, started in order and ended in order.

    1 hear      transports    radio -> Frame
    2 admit     Pipeline      listed, new, affordable
    3 decode    Pipeline      driver by index -> readings
    4 observe   Pipeline      readings -> Observation, numbered
    5 bundle    Delivery      observations -> Bundle
    6 send      Delivery      live lane, then replay lane -> Uplink
    7 keep      Delivery      Backlog, leased back to the replay lane
    8 settle    Delivery      PUBACK -> gone

Starting: the store first, for it says what is still owed, and the radio last. Ending: the radio
first and the farewell last; what was heard in between is settled or committed.
"""

import asyncio
import logging
import random
import signal
from collections.abc import Callable
from typing import Any, Final

from gateway import assembly
from gateway.backlog import SESSIONS_PER_RESERVATION
from gateway.backlog.sqlite import SqliteBacklog
from gateway.bundle import Identity, Renderer
from gateway.clock import SystemClock
from gateway.config import Settings
from gateway.delivery import Delivery
from gateway.errors import BacklogError, UncleanEndError
from gateway.health import Health
from gateway.model import Backlog, Recovery, Stream
from gateway.pipeline import Pipeline, Sink
from gateway.registry import Registry
from gateway.report import Reporter
from gateway.rim import Rim
from gateway.uplink.mqtt import Chances, MqttUplink, Speaker
from gateway.uplink.status import Identity as Software
from gateway.uplink.status import StatusReport
from gateway.uplink.topics import Topics
from gateway.version import __version__

log = logging.getLogger(__name__)

HEARING_ENDS_S: Final = 1.0  # a transport stops within that
SESSIONS_AHEAD: Final = 100  # reserved before the last one is used

Wrap = Callable[[Sink], Sink]


class Agent:
    """One run of the gateway, from a store just opened to its orderly end."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        *,
        backlog: Backlog,
        streams: list[Stream],
        recovery: Recovery,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.backlog = backlog
        self.streams = streams
        self.recovery = recovery
        self.clock = SystemClock(settings.clock.source)
        self.health = Health(self.clock)
        self.devices = list(assembly.devices(settings, registry))
        self.uplink = self._make_uplink()
        self.delivery = self._make_delivery()
        self.pipeline = self._make_pipeline(self.delivery)
        self._reported = False
        self._sessions_until = recovery.session + SESSIONS_PER_RESERVATION

    # -------------------------------------------------------------------------------------- wiring
    def _make_uplink(self) -> MqttUplink:
        given = self.settings.gateway
        software = Software(org=given.org, gateway=given.id, software=f"ugw {__version__}")
        uplink = MqttUplink(
            assembly.mqtt_settings(self.settings),
            Speaker(software, self._report, Topics(self.settings.topic_root)),
            first_session=self.recovery.session,
            chances=Chances(self.clock, random.random),
        )
        uplink.on_up = self._on_up
        uplink.on_down = self._on_down
        uplink.on_told = self._on_told
        self.health.on_change = uplink.tell
        return uplink

    def _make_delivery(self) -> Delivery:
        given = self.settings.gateway
        rim = Rim(
            clock=self.clock,
            backlog=self.backlog,
            uplink=self.uplink,
            chance=random.random,
            counters=self._counters,
        )
        delivery = Delivery(
            assembly.delivery_limits(self.settings),
            rim=rim,
            health=self.health,
            renderer=Renderer(Identity(given.org, given.id), self.clock),
            streams=self.streams,
        )
        delivery.recover(self.recovery)
        return delivery

    def _make_pipeline(self, sink: Sink) -> Pipeline:
        pipeline = Pipeline(
            self.devices,
            registry=self.registry,
            streams={stream.klass: stream for stream in self.streams},
            sink=sink,
            health=self.health,
        )
        pipeline.restore(self.recovery)
        return pipeline

    def tap(self, wrap: Wrap) -> None:
        """Put somebody between pipeline and delivery who looks on; before `run`."""
        self.pipeline = self._make_pipeline(wrap(self.delivery))

    # -------------------------------------------------------------------------------------- uplink
    def _on_up(self) -> None:
        # Attempts that failed count too: after a long outage one block may not be enough.
        while self.uplink.session >= self._sessions_until - SESSIONS_AHEAD:
            self._sessions_until += SESSIONS_PER_RESERVATION
            self.delivery.keeper.order(self.backlog.reserve_sessions)
        self.delivery.on_up()

    def _on_down(self, _cause: str) -> None:
        self.delivery.on_down()

    def _on_told(self, _report: StatusReport) -> None:
        """Once the platform knows how earlier runs ended, the store need not."""
        if not self._reported:
            self._reported = True
            self.delivery.keeper.order(self.backlog.forget_previous)

    def _counters(self) -> dict[str, int]:
        return self.pipeline.counters()

    def _report(self) -> StatusReport:
        return Reporter(
            self.delivery,
            health=self.health,
            backlog=self.backlog,
            streams=self.streams,
            recovery=self.recovery,
        )()

    # ------------------------------------------------------------------------------------- running
    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end orderly.

        Raises UncleanEndError when what was left could not be kept.
        """
        transports = assembly.transports(self.settings, self.registry, self.pipeline, self.health)
        async with asyncio.TaskGroup() as group:
            uplink = group.create_task(self.uplink.run(), name="uplink")
            delivery = group.create_task(self.delivery.run(), name="delivery")
            pipeline = group.create_task(self.pipeline.run(), name="pipeline")
            hearing = [group.create_task(t.run(), name=t.name) for t in transports]
            await stop.wait()
            log.info("stopping in_memory=%d", self.health.in_memory())
            await _cancelled(hearing)
            pipeline.cancel()
            self.pipeline.work(self.pipeline.waiting())
            await self.delivery.settle_rest()
            await delivery
            unkept = await self._close_store()
            if unkept is None:
                log.info("stopped clean in_backlog=%d", self.health.in_backlog())
                await self.uplink.farewell()
            else:
                self.uplink.drop("the store was not closed")  # the will says that, a farewell not
            uplink.cancel()
        if unkept is not None:
            raise UncleanEndError(*unkept)

    async def _close_store(self) -> tuple[str, str] | None:
        """Record a clean end, or return why not; then the next birth says what is lost."""
        try:
            await self.delivery.finish()
        except BacklogError as error:
            lost = self.health.in_memory()
            log.critical("store not closed lost=%d cause=%r", lost, str(error))
            return f"{lost} observations could not be kept: {error}", error.remedy
        return None


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end, within a bound."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=HEARING_ENDS_S)


# ----------------------------------------------------------------------------------------- process
async def serve(
    settings: Settings,
    registry: Registry,
    stop: asyncio.Event,
    attend: Callable[[Agent], None] | None = None,
) -> None:
    """Open the store, run an agent on it until `stop`; `attend` sees the agent before it runs.

    Raises BacklogError when the store cannot be opened.
    """
    streams = assembly.mint_streams()
    backlog = SqliteBacklog(settings.store.path, max_bytes=settings.store.max_size_bytes)
    recovery = await backlog.open(streams)
    agent = Agent(settings, registry, backlog=backlog, streams=streams, recovery=recovery)
    _log_start(agent)
    if attend is not None:
        attend(agent)
    await agent.run(stop)


def run(settings: Settings, registry: Registry) -> None:
    """Run the agent until SIGTERM or SIGINT; a second signal does not wait for the orderly end."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_crash_on_own)

        def end() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        await serve(settings, registry, stop)

    asyncio.run(main())


def _log_start(agent: Agent) -> None:
    recovery = agent.recovery
    if recovery.quarantined:
        log.error("store was damaged, set aside path=%s", recovery.quarantined)
    log.info(
        "started version=%s devices=%d recovered=%d unclean=%s clock=%s",
        __version__,
        len(agent.devices),
        recovery.observations,
        recovery.unclean,
        agent.clock.reading().state.value,
    )


def _crash_on_own(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End the process for a bug in a callback of ours: with its books broken it cannot go on.

    What only concerns a library is logged and left to the supervisors.
    """
    loop.default_exception_handler(context)
    trace = getattr(context.get("exception"), "__traceback__", None)
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("gateway."):
            log.critical("a bug in the agent: ending, so that the supervisor starts it anew")
            loop.stop()
            return
        trace = trace.tb_next
