"""A fleet's run from its first connection to the verdict.

Gateways start one by one, sensors speak, sensors fall silent, what waits is sent, gateways end.
All the while a subscriber of its own counts what arrives, where the broker lets it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from gateway import assembly
from gateway.errors import SimulatorError, UgwError
from gateway.sim.fleet.crews import Crew, crews_of
from gateway.sim.fleet.group import Snapshot, total
from gateway.sim.fleet.histogram import Histogram
from gateway.sim.fleet.listener import Listener, RefusedError
from gateway.sim.fleet.plan import Plan, check, gateway_id, listener_settings
from gateway.sim.fleet.tally import Tally

_LOOK_S: Final = 1.0
_SUBSCRIBES_S: Final = 20.0
_ARRIVES_S: Final = 15.0  # what the broker has taken, after the last gateway has ended
_FORGETS_S: Final = 5.0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A second of a run. Counts are since the start, percentiles of that second alone."""

    at_s: float
    phase: str  # "ramp", "steady", "drain"
    started: int
    connected: int
    connects: int
    attempts: int
    sent: int
    delivered: int
    owed: int
    arrived: int
    late: int  # of these, on the replay lane
    live_p50_ms: float | None
    live_p99_ms: float | None
    causes: dict[str, int]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds, rounded up; None where nothing was measured."""

    p50_ms: float | None
    p99_ms: float | None
    most_ms: float | None

    @classmethod
    def of(cls, seen: Histogram) -> "Latency":
        """Return those of a histogram."""
        return cls(
            p50_ms=seen.percentile_ms(50),
            p99_ms=seen.percentile_ms(99),
            most_ms=seen.percentile_ms(100),
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. Counts are observations, but for frames, gateways and connections."""

    gateways: int
    sensors: int  # of each gateway
    lasted_s: float
    sent: int  # frames
    observed: int
    delivered: int  # acknowledged by the broker
    owed: int  # still in memory or in the backlog
    given_up: int
    arrived: int | None  # None: the broker did not let us listen
    missing: int | None
    invented: int | None
    late: int
    repeated: int
    strangers: int  # messages of other gateways in the same topics
    unbalanced: int  # gateways whose books did not balance
    live: Latency  # heard to arrived
    replay: Latency
    acknowledged: Latency  # PUBLISH to PUBACK, of all messages
    connects: int
    reconnects: int
    failed_attempts: int
    most_connects_per_s: int
    versions: dict[str, int]  # connects by version of MQTT
    unchecked: str  # why nobody listened
    sessions_forgotten: int
    left_retained: int
    memory_per_gateway_mb: float

    @property
    def is_whole(self) -> bool:
        """Whether everything that was accepted was delivered, once under one number."""
        wrong = (self.owed, self.given_up, self.missing, self.invented, self.unbalanced)
        return self.observed > 0 and not any(wrong)


Tell = Callable[[Sample], None]


class Fleet:
    """One run of a plan; `rest` and `stop` end it early, both in order."""

    def __init__(self, plan: Plan, tell: Tell) -> None:
        check(plan)
        self._plan = plan
        self._tell = tell
        self._tally = Tally([gateway_id(n) for n in range(1, plan.gateways + 1)])
        settings = assembly.mqtt_settings(listener_settings(plan))
        self._listener = Listener(settings, plan.brokers, plan.filter, self._tally.take)
        self._crews: list[Crew] = crews_of(plan)
        self._enough = asyncio.Event()
        self._stop = asyncio.Event()
        self._phase = "ramp"
        self._unchecked = ""
        self._began_s = 0.0
        self._live_before = Histogram()
        self._connects = 0
        self._most_connects = 0

    def rest(self) -> None:
        """Silence the sensors now; what waits is waited for as planned."""
        self._enough.set()

    def stop(self) -> None:
        """Silence them, wait for nothing more, end the gateways in order."""
        self._enough.set()
        self._stop.set()

    async def run(self) -> Report:
        """Run it all. Raises SimulatorError when the broker cannot be reached at all."""
        failed: BaseException | None = None
        try:
            return await self._run()
        except* UgwError as group:
            failed = group
        while isinstance(
            failed, BaseExceptionGroup
        ):  # out of the tasks that run beside each other
            failed = failed.exceptions[0]
        raise failed

    async def _run(self) -> Report:
        self._began_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(), name="fleet.listener")
            await self._listens(listening)
            crews = [group.create_task(crew.run(), name="fleet.crew") for crew in self._crews]
            looking = group.create_task(self._look(), name="fleet.look")
            await self._send()
            await self._drain()
            for crew in self._crews:
                crew.end()
            await asyncio.wait(crews)
            await self._arrive()
            looking.cancel()
            listening.cancel()
        await self._forget()
        return self._report()

    # -------------------------------------------------------------------------------- listening
    async def _listen(self) -> None:
        try:
            await self._listener.run()
        except RefusedError as error:
            self._unchecked = str(error)

    async def _listens(self, listening: asyncio.Task[None]) -> None:
        """Wait until somebody listens, or must not. Raises SimulatorError."""
        subscribed = asyncio.ensure_future(self._listener.subscribed.wait())
        done, _ = await asyncio.wait(
            (subscribed, listening),
            timeout=_SUBSCRIBES_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        subscribed.cancel()
        if not done:
            where = ", ".join(f"{host}:{port}" for host, port in self._plan.brokers)
            cause = f"no broker answers at {where}: {self._listener.cause}"
            raise SimulatorError(cause, "is it running, and does that port speak MQTT?")

    async def _forget(self) -> None:
        with contextlib.suppress(OSError, EOFError, UgwError, ValueError):
            async with asyncio.timeout(_FORGETS_S):
                await self._listener.forget()

    # ----------------------------------------------------------------------------------- phases
    async def _send(self) -> None:
        for crew in self._crews:
            await crew.up.wait()
        await _passed(self._enough, min(self._plan.ramp_s, self._plan.lasts_s))
        self._phase = "steady"
        await _passed(self._enough, self._plan.lasts_s - self._plan.ramp_s)
        for crew in self._crews:
            crew.rest()

    async def _drain(self) -> None:
        """Wait until nothing is owed, in two looks: a worker's word may be a second old."""
        self._phase = "drain"
        clear = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._plan.drain_s):
                while clear < 2 and not self._stop.is_set():  # noqa: PLR2004 - two looks
                    await _passed(self._stop, _LOOK_S)
                    clear = 0 if self._seen().owed else clear + 1

    async def _arrive(self) -> None:
        """Give the broker some time to hand over what it has acknowledged."""
        streams = self._last().streams
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ARRIVES_S):
                while not self._unchecked and self._tally.judge(streams).missing:
                    await self._tally.took(_LOOK_S)

    # ---------------------------------------------------------------------------------- looking
    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._tell(self._sample())

    def _seen(self) -> Snapshot:
        return total([crew.snapshot() for crew in self._crews])

    def _sample(self) -> Sample:
        seen, tally = self._seen(), self._tally
        live = tally.live.since(self._live_before)
        self._live_before = tally.live.copy()
        self._most_connects = max(self._most_connects, seen.connects - self._connects)
        self._connects = seen.connects
        return Sample(
            at_s=round(asyncio.get_running_loop().time() - self._began_s, 2),
            phase=self._phase,
            started=seen.started,
            connected=seen.connected,
            connects=seen.connects,
            attempts=seen.attempts,
            sent=seen.sent,
            delivered=seen.delivered,
            owed=seen.owed,
            arrived=tally.arrived,
            late=tally.late,
            live_p50_ms=live.percentile_ms(50),
            live_p99_ms=live.percentile_ms(99),
            causes=seen.causes,
        )

    # ---------------------------------------------------------------------------------- verdict
    def _last(self) -> Snapshot:
        return total([crew.final() for crew in self._crews])

    def _report(self) -> Report:
        seen, tally = self._last(), self._tally
        verdict = None if self._unchecked else tally.judge(seen.streams)
        return Report(
            gateways=seen.started,
            sensors=self._plan.sensors,
            lasted_s=round(asyncio.get_running_loop().time() - self._began_s, 1),
            sent=seen.sent,
            observed=seen.observed,
            delivered=seen.delivered,
            owed=seen.owed,
            given_up=seen.given_up,
            arrived=None if verdict is None else tally.arrived,
            missing=None if verdict is None else verdict.missing,
            invented=None if verdict is None else verdict.invented,
            late=tally.late,
            repeated=tally.repeated,
            strangers=tally.strangers,
            unbalanced=seen.unbalanced,
            live=Latency.of(tally.live),
            replay=Latency.of(tally.replay),
            acknowledged=Latency.of(seen.acknowledged),
            connects=seen.connects,
            reconnects=max(0, seen.connects - seen.started),
            failed_attempts=seen.attempts - seen.connects,
            most_connects_per_s=self._most_connects,
            versions=seen.versions,
            unchecked=self._unchecked,
            sessions_forgotten=self._listener.forgotten,
            left_retained=seen.left_retained,
            memory_per_gateway_mb=round(seen.memory_bytes / 1e6 / max(1, seen.started), 2),
        )


async def _passed(event: asyncio.Event, seconds: float) -> None:
    """Return after so long, or when the event comes before."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
