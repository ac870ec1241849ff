"""Faults of the machine that the agent runs on: its disk, its clock, its power, its processes.

Whoever ends the agent starts it again at the end. A real process cannot be given another boot id,
so on the level process a power cut ends the agent alone, though as abruptly.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from gateway.config import Duration
from gateway.config.section import Number, refuse
from gateway.sim.bench import Bench, DiskTrouble
from gateway.sim.verbs.verb import SHORT_S, Nothing, Verb, verb

_NS_PER_S: Final = 1e9

Span = Annotated[int, Duration("1ms", "90d")]


class SlowDisk(Nothing):
    """A medium at its end."""

    by_ns: Annotated[int, Duration("1ms", "5min")] = Field(default=2_000_000_000, alias="by")
    """How long each write takes."""


class Step(Nothing):
    """A jump of the wall clock."""

    forward_ns: Span | None = Field(default=None, alias="forward")
    """How far forward; this or `back`."""
    back_ns: Span | None = Field(default=None, alias="back")
    """How far back; this or `forward`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.forward_ns is None) == (self.back_ns is None):
            refuse([((), "either forward or back is needed: forward: 1h")])
        return self


class Drift(Nothing):
    """A clock that runs too fast or too slow."""

    ppm: Number = Field(default=100.0, ge=-500, le=500)
    """Parts per million; negative: too slow."""


# ------------------------------------------------------------------------------------------- disk
Begin = Callable[[Bench, Nothing], AbstractAsyncContextManager[None]]


def _trouble(kind: DiskTrouble, doc: str) -> Begin:
    @asynccontextmanager
    async def begin(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
        bench.disk.trouble(kind)
        try:
            yield
        finally:
            bench.disk.heal()

    begin.__doc__ = doc
    return begin


@asynccontextmanager
async def _slow_disk(bench: Bench, arguments: SlowDisk) -> AsyncGenerator[None]:
    """Let each write take long."""
    bench.disk.trouble("slow", seconds=arguments.by_ns / _NS_PER_S)
    try:
        yield
    finally:
        bench.disk.heal()


@asynccontextmanager
async def _damage(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Damage what lies in the store, as a bad cell would: one row that was committed."""
    bench.disk.damage()
    yield


# ------------------------------------------------------------------------------------------ clock
@asynccontextmanager
async def _step(bench: Bench, arguments: Step) -> AsyncGenerator[None]:
    """Let the wall clock jump; it stays there."""
    bench.clock.step(((arguments.forward_ns or 0) - (arguments.back_ns or 0)) / _NS_PER_S)
    yield


@asynccontextmanager
async def _to_1970(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Show 1970, as a board without a battery does; the time comes back at the end."""
    bench.clock.synced(is_synced=False)
    bench.clock.show(0)
    try:
        yield
    finally:
        bench.clock.heal()


@asynccontextmanager
async def _drift(bench: Bench, arguments: Drift) -> AsyncGenerator[None]:
    """Let the wall clock run too fast or too slow."""
    bench.clock.drift(arguments.ppm)
    try:
        yield
    finally:
        bench.clock.drift(0)


@asynccontextmanager
async def _unsynced(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Let nothing vouch for the wall clock."""
    bench.clock.synced(is_synced=False)
    try:
        yield
    finally:
        bench.clock.synced(is_synced=True)


# ---------------------------------------------------------------------------- power and processes
@asynccontextmanager
async def _power_cut(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Take the power away; it comes back at the end, and the agent starts."""
    bench.gateway.kill()
    try:
        yield
    finally:
        await bench.gateway.start()


@asynccontextmanager
async def _sigkill(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Kill the agent; it is started again at the end."""
    bench.gateway.kill(power=False)
    try:
        yield
    finally:
        await bench.gateway.start()


@asynccontextmanager
async def _sigterm(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """End the agent in order; it is started again at the end."""
    await bench.gateway.stop()
    try:
        yield
    finally:
        await bench.gateway.start()


@asynccontextmanager
async def _restart(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """End the agent in order and start it again at once."""
    await bench.gateway.stop()
    await bench.gateway.start()
    yield


@asynccontextmanager
async def _stall(bench: Bench, _: Nothing) -> AsyncGenerator[None]:
    """Keep the agent from running at all; it goes on at the end."""
    since_ns = bench.air.now_ns()
    bench.gateway.stall(is_stalled=True)
    try:
        yield
    finally:
        bench.gateway.stall(is_stalled=False)
        bench.air.ledger.away(since_ns, bench.air.now_ns())  # what no buffer held


VERBS: Final[tuple[Verb, ...]] = (
    verb(
        "disk.full",
        Nothing,
        _trouble("full", "Have no room on the medium for anything more."),
        part="disk",
    ),
    verb(
        "disk.eio",
        Nothing,
        _trouble("eio", "Fail each read and write with an I/O error."),
        part="disk",
    ),
    verb(
        "disk.fsync_eio",
        Nothing,
        _trouble("fsync_eio", "Take writes, and fail to make them durable."),
        part="disk",
    ),
    verb(
        "disk.readonly",
        Nothing,
        _trouble("readonly", "Let nothing be written, as a card at its end does."),
        part="disk",
    ),
    verb("disk.slow", SlowDisk, _slow_disk, part="disk"),
    verb(
        "disk.hang",
        Nothing,
        _trouble("hang", "Let no operation come to an end."),
        part="disk",
    ),
    verb("disk.damage", Nothing, _damage, lasting=False),
    verb("clock.step", Step, _step, lasting=False),
    verb("clock.to_1970", Nothing, _to_1970, part="clock"),
    verb("clock.drift", Drift, _drift, part="clock.drift"),
    verb("clock.unsynced", Nothing, _unsynced, part="clock"),
    verb("power.cut", Nothing, _power_cut, part="agent", usual_s=SHORT_S),
    verb("proc.sigkill", Nothing, _sigkill, part="agent", usual_s=SHORT_S),
    verb("proc.sigterm", Nothing, _sigterm, part="agent", usual_s=SHORT_S),
    verb("proc.restart", Nothing, _restart, part="agent", lasting=False),
    verb("proc.stall", Nothing, _stall, part="agent", usual_s=SHORT_S),
)
