"""A delivery with both ends in the test's hands: a fake broker, a store that can fail."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.backlog.memory import Medium, MemoryBacklog
from gateway.bundle import Identity, Renderer
from gateway.delivery import Delivery, Limits
from gateway.errors import BacklogError
from gateway.health import Health, Notice
from gateway.keeper import KeepLimits
from gateway.model import (
    Aside,
    Bundle,
    Kept,
    Loss,
    Moment,
    ObservationClass,
    Row,
    Stream,
)
from gateway.rim import Rim
from gateway.sender import SendLimits
from tests.fakes import FakeClock, FakeUplink, observe, streams

HANG_GUARD_S = 10
BUSY = 20_000  # questions for the time in one turn; a few thousand are asked at most
SOON = Limits(pace_ns=1_000_000, keep=KeepLimits(commit_after_ns=20_000_000))


class WatchedClock(FakeClock):
    """Time that stands still until a test lets it pass: who waits for it in a loop is caught."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0  # since the test had its turn

    def boot_ns(self) -> int:
        self.asked += 1
        assert self.asked < BUSY, "a busy loop"
        return super().boot_ns()


class TrialBacklog(MemoryBacklog):
    """A memory store whose next operations can be held up or made to fail.

    `failing` names operations that fail, `gates` those that wait before they begin; `calls` counts
    all that were begun.
    """

    def __init__(
        self, *, max_bytes: int = DEFAULT_MAX_BYTES, medium: Medium | None = None
    ) -> None:
        self.medium = medium or Medium()
        super().__init__(max_bytes=max_bytes, medium=self.medium)
        self.failing: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.calls = Counter[str]()
        self.commits = 0
        self.broken = False
        self.held_up = False
        self.dropped: list[Row] = []
        self.aside: list[Aside] = []
        self.gate: asyncio.Event | None = None

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        if self.gate is not None:
            self.held_up = True
            await self.gate.wait()
        if self.broken:
            message = "no space left on device"
            raise BacklogError(message)
        await self._begin("append")
        rows = await super().append(bundles, counters)
        self.commits += 1
        return rows

    async def _begin(self, operation: str) -> None:
        self.calls[operation] += 1
        if operation in self.gates:
            await self.gates[operation].wait()
        if operation in self.failing:
            message = f"{operation}: input/output error"
            raise BacklogError(message)

    async def lease(self, limit: int) -> Sequence[Kept]:
        await self._begin("lease")
        return await super().lease(limit)

    async def settle(self, rows: Sequence[int]) -> None:
        await self._begin("settle")
        await super().settle(rows)

    async def drop_oldest(
        self, klass: ObservationClass, min_bytes: int, at: Moment
    ) -> Sequence[Row]:
        await self._begin("drop_oldest")
        rows = await super().drop_oldest(klass, min_bytes, at)
        self.dropped += rows
        return rows

    async def losses(self) -> Sequence[Loss]:
        await self._begin("losses")
        return await super().losses()

    async def remember(self, key: str, value: str) -> None:
        await self._begin("remember")
        await super().remember(key, value)

    async def declare(self, losses: Sequence[Loss]) -> None:
        await self._begin("declare")
        await super().declare(losses)

    async def forget_losses(self, losses: Sequence[Loss]) -> None:
        await self._begin("forget_losses")
        await super().forget_losses(losses)

    async def set_aside(self, asides: Sequence[Aside], at: Moment) -> Sequence[Loss]:
        await self._begin("set_aside")
        self.aside += asides
        return await super().set_aside(asides, at)

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        await self._begin("save_counters")
        await super().save_counters(counters)

    async def reserve_sessions(self, least: int = 0) -> int:
        await self._begin("reserve_sessions")
        return await super().reserve_sessions(least)

    async def oldest(self) -> Bundle | None:
        await self._begin("oldest")
        return await super().oldest()

    async def first_unsettled(self, stream: str) -> int | None:
        await self._begin("first_unsettled")
        return await super().first_unsettled(stream)


class Desk:
    """One delivery and its surroundings."""

    def __init__(
        self,
        limits: Limits = SOON,
        *,
        connected: bool = True,
        backlog: TrialBacklog | None = None,
        probing: bool = False,
    ) -> None:
        if not probing:  # the link counts as fast, or most scenes would begin with one bundle
            send = msgspec.structs.replace(limits.send, probe_bytes=1 << 30)
            limits = msgspec.structs.replace(limits, send=send)
        self.clock = WatchedClock()
        self.health = Health(self.clock)
        self.notices: list[Notice] = []
        self.health.on_notice = self.notices.append
        self.uplink = FakeUplink(connected=connected)
        self.backlog = backlog or TrialBacklog()
        self.counters: dict[str, int] = {}
        self.streams = streams()
        self.routine, self.event = self.streams
        self.delivery = Delivery(
            limits,
            rim=Rim(
                clock=self.clock,
                backlog=self.backlog,
                uplink=self.uplink,
                chance=lambda: 0.5,
                counters=self.counters.copy,
            ),
            health=self.health,
            renderer=Renderer(Identity("kiel", "gw-1"), self.clock),
            streams=self.streams,
        )

    def offer(self, stream: Stream, count: int = 1, text: str = "") -> None:
        """Offer observations heard now; the law is checked after each."""
        for _ in range(count):
            self.health.observations.observed += 1
            self.delivery.offer(observe(stream, self.clock, text=text))
            self.delivery.flush()
            assert self.health.observations_law() == 0

    def acknowledge(self, reason_code: int = 0) -> int:
        """Acknowledge what is outstanding."""
        settled = self.uplink.acknowledge(reason_code)
        assert self.health.observations_law() == 0
        return settled

    def lose(self, ended_with: int | None = None) -> None:
        """End the connection."""
        self.uplink.lose(ended_with)
        self.delivery.on_down()
        assert self.health.observations_law() == 0

    def connect(self) -> None:
        """Start another connection."""
        self.uplink.connected = True
        self.delivery.on_up()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition while time passes; the law holds meanwhile."""
        async with asyncio.timeout(HANG_GUARD_S):
            while not condition():
                self.clock.asked = 0
                self.clock.pass_s(0.002)
                await asyncio.sleep(0.001)
                assert self.health.observations_law() == 0


@asynccontextmanager
async def desk(
    limits: Limits = SOON,
    *,
    connected: bool = True,
    backlog: TrialBacklog | None = None,
    probing: bool = False,
) -> AsyncGenerator[Desk, None]:
    """Run a delivery's tasks around a test."""
    made = Desk(limits, connected=connected, backlog=backlog, probing=probing)
    made.delivery.recover(await made.backlog.open(made.streams))
    tasks = asyncio.create_task(made.delivery.run(), name="delivery")
    if connected:
        made.delivery.on_up()
    try:
        yield made
    finally:
        if made.backlog.gate is not None:
            made.backlog.gate.set()
        for gate in made.backlog.gates.values():
            gate.set()
        made.delivery.keeper.stop()
        await tasks
        made.delivery.sender.close()


def play(
    scene: Callable[[Desk], Awaitable[None]], limits: Limits = SOON, *, probing: bool = False
) -> None:
    """Play a scene in a fresh delivery."""

    async def main() -> None:
        async with desk(limits, probing=probing) as made:
            await scene(made)

    asyncio.run(main())


def window(size: int, *, memory_bytes: int = 4_000_000) -> Limits:
    """Limits with another window or memory."""
    return Limits(
        pace_ns=1_000_000,
        send=SendLimits(window=size),
        keep=KeepLimits(commit_after_ns=20_000_000, memory_bytes=memory_bytes),
    )
