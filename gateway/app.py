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
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Final, NamedTuple

from gateway import assembly
from gateway.backlog.contract import Backlog
from gateway.bulletin import (
    Announcements,
    Bulletin,
    Memory,
    Notices,
    States,
    Surroundings,
    Vigil,
)
from gateway.bundle import Identity, Renderer
from gateway.clock import SystemClock
from gateway.clock_watch import ClockWatch
from gateway.codecs.workshop import Workshop
from gateway.config import Settings
from gateway.config.changes import concern
from gateway.delivery import Delivery
from gateway.errors import BacklogError, UncleanEndError
from gateway.hardware import Hardware
from gateway.health import Health
from gateway.hearing import Hearing, Source
from gateway.model import Recovery, Result, Stream
from gateway.patience import store_in_time
from gateway.pipeline import Pipeline, Sink
from gateway.registry import Registry
from gateway.report import Reporter
from gateway.rim import Rim
from gateway.roster import Listing
from gateway.sessions import Sessions
from gateway.uplink import event
from gateway.uplink.mqtt import Chances, MqttUplink, Past, Speaker
from gateway.uplink.status import Identity as Software
from gateway.uplink.status import StatusReport
from gateway.uplink.topics import Topics
from gateway.version import __version__

log = logging.getLogger(__name__)

MQTT_5: Final = "mqtt5"  # remembered: where version 5 has worked
LAST_WORDS_S: Final = 0.5  # for events that wait when the agent ends

Wrap = Callable[[Sink], Sink]


class OpenStore(NamedTuple):
    """A store that was opened for the streams of a run, and what it still held."""

    backlog: Backlog
    streams: list[Stream]
    recovery: Recovery


def _nothing() -> None:
    """Nobody has hung in yet."""


class Agent:
    """One run of the gateway, from a store just opened to its orderly end."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: OpenStore,
        hardware: Hardware | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.backlog, self.streams, self.recovery = store
        self.hardware = hardware or Hardware()
        self.clock = SystemClock(settings.clock.source, self.hardware.host)
        self.health = Health(self.clock)
        self.workshop = Workshop(
            self.clock,
            chance=self.hardware.chance,
            pulse=self.health.vitals.pulse,
            hire=self.hardware.hire,
        )
        self.devices = list(assembly.devices(settings, registry, self.workshop))
        self.identity = Software(
            org=settings.gateway.org, gateway=settings.gateway.id, software=f"ugw {__version__}"
        )
        self.uplink = self._make_uplink()
        self.sessions = Sessions(self.backlog, self.recovery, self.clock, self._order)
        self.memory = Memory(self.backlog, self._order, self.recovery.memories)
        self.bulletin = self._make_bulletin()
        self.delivery = self._make_delivery()
        self.uplink.patience_ns = self.delivery.sender.patience_ns
        self.pipeline = self._make_pipeline(self.delivery)
        self.vigil = Vigil(self.health, self.memory, self._last_heard)
        self._begin_speaking()
        self.on_running: Callable[[], None] = _nothing  # the store is open, the transports run
        self.hearing: Hearing
        self._reported = False

    # -------------------------------------------------------------------------------------- wiring
    def _make_uplink(self) -> MqttUplink:
        uplink = MqttUplink(
            assembly.mqtt_settings(self.settings),
            self._speaker(self.settings),
            past=Past(self.recovery.session, self.recovery.memories.get(MQTT_5, "")),
            chances=Chances(
                self.clock,
                self.hardware.chance,
                self.health.vitals.pulse("uplink").pause,
                self.hardware.look,
                self.hardware.connect,
            ),
            health=self.health,
        )
        uplink.on_up = self._on_up
        uplink.on_down = self._on_down
        uplink.on_told = self._on_told
        uplink.on_five = self._on_five
        uplink.may_use = self._may_use
        self.health.on_change = uplink.tell
        return uplink

    def _speaker(self, settings: Settings) -> Speaker:
        return Speaker(self.identity, self.report, Topics(settings.topic_root))

    def _make_bulletin(self) -> Bulletin:
        topics = Topics(self.settings.topic_root)
        notices = Notices(topics.event, self.identity, self.clock)
        self.health.on_notice = notices.take
        return Bulletin(
            Surroundings(self.uplink, self.clock, self.hardware.chance, self.health.vitals),
            notices=notices,
            announcements=Announcements(
                self.identity.software, memory=self.memory, congested=self._congested
            ),
            states=States(topics, self.health, self._congested),
        )

    def _congested(self) -> bool:
        """Whether the window is full: what people look on at stands back then."""
        return self.delivery.sender.in_flight >= self.delivery.sender.window

    def _order(self, errand: Callable[[], Awaitable[object]]) -> None:
        self.delivery.keeper.order(errand)

    def _last_heard(self, address: str) -> int | None:
        return self.pipeline.last_heard(address)

    def _begin_speaking(self) -> None:
        """Take up what earlier runs have said, and say that this one begins."""
        self.bulletin.notices.attend(self.delivery.loss_desk)
        memories = self.recovery.memories
        self.bulletin.announcements.begin(self.settings, memories)
        self.vigil.begin(self.settings, memories)
        self.health.notify("agent.start", ("previous", event.previous(self.recovery.previous)))

    def _make_delivery(self) -> Delivery:
        given = self.settings.gateway
        rim = Rim(
            clock=self.clock,
            backlog=self.backlog,
            uplink=self.uplink,
            chance=self.hardware.chance,
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
        pipeline.on_observation = self.bulletin.states.note
        return pipeline

    def tap(self, wrap: Wrap) -> None:
        """Put somebody between pipeline and delivery who looks on; before `run`."""
        self.pipeline = self._make_pipeline(wrap(self.delivery))

    # -------------------------------------------------------------------------------------- uplink
    def _on_up(self) -> None:
        self.delivery.on_up()
        self.bulletin.opened()

    def _may_use(self, session: int) -> bool:
        """Whether no run to come can get this number too: its block is durable.

        While the store cannot be used it may: a gateway whose card has died is not to fall silent
        for the sake of a number that only tells late wills apart.
        """
        is_reserved = self.sessions.are_reserved(session)
        return is_reserved or self.delivery.keeper.state == "memory-only"

    def _on_five(self, where: str) -> None:
        self.delivery.keeper.order(partial(self.backlog.remember, MQTT_5, where))

    def _on_down(self, _cause: str) -> None:
        self.delivery.on_down()

    def _on_told(self, _report: StatusReport) -> None:
        """Once the platform knows how earlier runs ended, the store need not."""
        if not self._reported:
            self._reported = True
            self.delivery.keeper.order(self.backlog.forget_previous)

    def _counters(self) -> dict[str, int]:
        return self.pipeline.to_keep()

    def report(self) -> StatusReport:
        """Return what status tells of now."""
        return Reporter(
            self.delivery,
            health=self.health,
            backlog=self.backlog,
            streams=self.streams,
            recovery=self.recovery,
        )()

    def newest(self, listing: Listing) -> Sequence[Result]:
        """Return the newest value of each property a device has shown."""
        return self.bulletin.states.newest(listing.urn)

    def silent(self) -> Collection[str]:
        """Return the names of the devices that should have been heard long ago."""
        return self.vigil.silent

    # ------------------------------------------------------------------------------------- running
    def _sources(self) -> list[Source]:
        return self._sources_of(self.settings)

    def _sources_of(self, settings: Settings) -> list[Source]:
        known = self.registry, self.pipeline, self.health, self.memory
        return list(self.hardware.sources(settings, *known))

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end orderly.

        Raises UncleanEndError when what was left could not be kept.
        """
        async with asyncio.TaskGroup() as group:
            uplink = group.create_task(self.uplink.run(), name="uplink")
            delivery = group.create_task(self.delivery.run(), name="delivery")
            pipeline = group.create_task(self.pipeline.run(), name="pipeline")
            codecs = group.create_task(self.workshop.run(), name="codecs")
            bulletin = group.create_task(self.bulletin.run(), name="bulletin")
            vigil = group.create_task(self.vigil.run(), name="vigil")
            watch = group.create_task(self._watch_clock(), name="clock")
            self.hearing = Hearing(group, self.health)
            await self.hearing.become(self._sources())
            self.on_running()
            await stop.wait()
            log.info("stopping in_memory=%d", self.health.in_memory())
            await self.hearing.end()
            vigil.cancel()
            watch.cancel()
            pipeline.cancel()
            await self.pipeline.finish()
            codecs.cancel()
            await self.delivery.settle_rest()
            await self.bulletin.flush(LAST_WORDS_S)
            bulletin.cancel()
            unkept = await self._close_store(delivery)
            delivery.cancel()  # of a store that hangs it would wait for ever
            if unkept is None:
                log.info("stopped clean in_backlog=%d", self.health.in_backlog())
                await self.uplink.farewell()
            else:
                self.uplink.drop("the store was not closed")  # the will says that, a farewell not
            uplink.cancel()
        if unkept is not None:
            raise UncleanEndError(*unkept)

    async def _watch_clock(self) -> None:
        pulse = self.health.vitals.pulse("clock")
        watch = ClockWatch(self.clock, self.health)
        watch.on_word = partial(self.sessions.look, self.uplink)
        await watch.run(pulse, self.hardware.clock_news)

    async def become(self, settings: Settings, keys: Sequence[str]) -> None:
        """Go on with other settings; `keys` are those that differ.

        Raises ConfigError for what cannot be used, and then nothing has changed.
        """
        devices = list(assembly.devices(settings, self.registry, self.workshop))
        sources = self._sources_of(settings)
        self.settings, self.devices = settings, devices
        if concern(keys, "devices", "intake"):
            self.pipeline.relist(devices)
        if concern(keys, "mqtt"):
            self.uplink.reconfigure(assembly.mqtt_settings(settings), self._speaker(settings))
            self.delivery.retune(assembly.delivery_limits(settings))
        if concern(keys, "devices", "transports"):
            self.vigil.configure(settings)
        self.bulletin.configure(settings)
        await self.hearing.become(sources)

    async def _close_store(self, delivery: asyncio.Task[None]) -> tuple[str, str] | None:
        """Record a clean end, or return why not; then the next birth says what is lost."""
        self.bulletin.announcements.finish()
        try:
            async with store_in_time():
                await asyncio.wait([delivery])
                await self.memory.flush()
            await self.delivery.finish()
        except BacklogError as error:
            lost = self.health.in_memory()
            log.critical("store not closed lost=%d cause=%r", lost, str(error))
            return f"{lost} observations could not be kept: {error}", error.remedy
        return None


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
    agent = await open_agent(settings, registry)
    if attend is not None:
        attend(agent)
    await agent.run(stop)


async def open_agent(
    settings: Settings, registry: Registry, hardware: Hardware | None = None
) -> Agent:
    """Open the store and put an agent on it. Raises BacklogError when it cannot be opened."""
    hardware = hardware or Hardware()
    streams = hardware.streams()
    backlog = hardware.store(settings.store)
    recovery = await backlog.open(streams)
    agent = Agent(settings, registry, OpenStore(backlog, streams, recovery), hardware)
    _log_start(agent)
    return agent


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
