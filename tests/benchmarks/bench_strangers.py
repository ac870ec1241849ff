"""What 100,000 strange addresses leave behind: phones that pass, each with a new random address.

Twice, for watching costs memory itself: once our own objects by tracemalloc, by the file that
allocated them; once the whole process, against what a process with bleak alone takes for as many.
They come a thousand a second, so a day of a busy street passes within two minutes; BlueZ forgets a
device after its 30 s, and the transport, above 5,000 listed, sooner. And once they say five things
each, five thousand advertisements a second: how late the event loop gets to whatever else is due.
"""

import asyncio
import gc
import multiprocessing
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from gateway import assembly
from gateway.admission import Device
from gateway.clock import SystemClock
from gateway.health import Health
from gateway.pipeline import Pipeline
from gateway.registry import discover
from gateway.transport.ble import BleSettings, BleTransport
from tests.benchmarks import traffic
from tests.benchmarks.air import SAYINGS, Air, Order, simulated_air
from tests.benchmarks.bench_admission import NoSink, Switch, scanner
from tests.benchmarks.machine import resident_mb
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.waiting import HANG_S, until

OWN_MB: Final = 2.0
BLEAK_KB: Final = 2.5  # per device that BlueZ lists
_STRANGERS: Final = 100_000
_QUICK: Final = 10_000
_WARM_UP: Final = 100
_STEP: Final = 1000
_ALONE: Final = 5000
_PER_SECOND: Final = 1000.0
_STORM_PER_SECOND: Final = 5000.0
LATE_MS: Final = 20.0  # 99 of 100 times
MOST_LATE_MS: Final = 100.0
_DUE_EVERY_S: Final = 0.005
_BURST: Final = 10
_BLUEZ_FORGETS_S: Final = 30.0
_LISTED: Final = 20
_POLL_S: Final = 0.02
_OURS: Final = tracemalloc.Filter(
    inclusive=True, filename_pattern=str(Path(assembly.__file__).parent / "*")
)


class Passage(NamedTuple):
    """What was seen while they passed."""

    growth_mb: float
    most_devices: int  # that BlueZ listed, more than before
    heard: int


def measure_own(*, quick: bool) -> list[Row]:
    """Measure our own objects."""
    tracemalloc.start()
    count = _QUICK if quick else _STRANGERS
    seen = asyncio.run(_pass(count, _own_mb, step=count // 10))
    tracemalloc.stop()
    title = f"{seen.heard:,} strange addresses, our own objects"
    return [at_most(title, OWN_MB, seen.growth_mb, "MB")]


def measure_process(*, quick: bool) -> list[Row]:
    """Measure the process."""
    seen = asyncio.run(_pass(_QUICK if quick else _STRANGERS, resident_mb, step=_STEP))
    # In a process of its own, for memory once taken is not given back.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        alone_kb = pool.apply(bleak_alone_kb)
    allowed_mb = seen.most_devices * alone_kb / 1000
    note = f"grew by {seen.growth_mb:.1f} MB with at most {seen.most_devices:,} listed"
    title = f"{seen.heard:,} strange addresses, the process beyond bleak alone"
    return [
        at_most(title, OWN_MB, seen.growth_mb - allowed_mb, "MB", note),
        at_most("bleak alone, per device that BlueZ lists", BLEAK_KB, alone_kb, "kB"),
    ]


def measure_lag(*, quick: bool) -> list[Row]:
    """Measure how late the event loop is while they come five thousand a second."""
    late_ms = sorted(asyncio.run(_storm((_QUICK if quick else _STRANGERS) * SAYINGS)))
    title = "event loop late, at 5,000 advertisements a second, 1,000 new addresses"
    return [
        at_most(f"{title}, p99", LATE_MS, late_ms[int(0.99 * len(late_ms))], "ms"),
        at_most(f"{title}, at most", MOST_LATE_MS, late_ms[-1], "ms"),
    ]


async def _storm(count: int) -> list[float]:
    """Let them pass in a hurry; how late each of many wakings was, in milliseconds."""
    health, late_ms = Health(SystemClock("system")), list[float]()
    async with simulated_air(temporary_timeout_s=_BLUEZ_FORGETS_S) as air, _hearing(health):
        await _first_heard(air, health)
        await _send(air, health, 1, _WARM_UP)
        watching = asyncio.create_task(_watch(late_ms), name="lag")
        heard = health.frames.heard + count
        first = (1 + _WARM_UP) * SAYINGS
        order = Order(
            kind="passing", first=first, count=count, per_second=_STORM_PER_SECOND, burst=_BURST
        )
        await air.send(order)
        await until(lambda: health.frames.heard >= heard)
        watching.cancel()
        await asyncio.wait([watching])
    return late_ms


async def _watch(late_ms: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _DUE_EVERY_S
        await asyncio.sleep(_DUE_EVERY_S)
        late_ms.append(1000 * (loop.time() - due_s))


async def _pass(count: int, memory_mb: Callable[[], float], *, step: int) -> Passage:
    """Let them pass; the most that memory grew, looked at after each step."""
    health = Health(SystemClock("system"))
    async with simulated_air(temporary_timeout_s=_BLUEZ_FORGETS_S) as air, _hearing(health):
        await _first_heard(air, health)
        devices_before = await _send(air, health, 1, _WARM_UP)
        before_mb, heard = memory_mb(), health.frames.heard
        growths_mb: list[float] = []
        most_devices = 0
        for first in range(_WARM_UP + 1, _WARM_UP + 1 + count, step):
            devices = await _send(air, health, first, step) - devices_before
            most_devices = max(most_devices, devices)
            growths_mb.append(memory_mb() - before_mb)
    assert health.frames.unlisted == health.frames.heard
    return Passage(max(growths_mb), most_devices, health.frames.heard - heard)


def bleak_alone_kb() -> float:
    """Return what a process with nothing but bleak takes per device that BlueZ lists."""
    return asyncio.run(_bleak_alone_kb())


async def _bleak_alone_kb() -> float:
    switch = Switch()
    async with simulated_air() as air, scanner(switch):
        before_mb = 0.0
        for first, count in ((0, _WARM_UP), (_WARM_UP, _ALONE)):
            before_mb = resident_mb()
            switch.expect(count)
            await air.send(_order(first, count))
            await switch.complete()
        return 1000 * (resident_mb() - before_mb) / _ALONE


@asynccontextmanager
async def _hearing(health: Health) -> AsyncGenerator[None]:
    """Hear as the agent does, into a pipeline that lists others."""
    pipeline = Pipeline(
        [Device(address=traffic.address(n), urn=f"ugw:kiel:{n}") for n in range(_LISTED)],
        registry=discover(),
        streams={stream.klass: stream for stream in assembly.mint_streams()},
        sink=NoSink(),
        health=health,
    )
    transport = BleTransport(BleSettings(scan="active"), pipeline, health)
    running = asyncio.create_task(transport.run(), name="transport")
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _first_heard(air: Air, health: Health) -> None:
    async with asyncio.timeout(HANG_S):
        while not health.frames.heard:
            await air.send(_order(0, 1))
            await asyncio.sleep(_POLL_S)


async def _send(air: Air, health: Health, first: int, count: int) -> int:
    """Send so many and return when they are heard; the devices BlueZ then lists."""
    heard = health.frames.heard + count
    done = await air.send(_order(first, count))
    await until(lambda: health.frames.heard >= heard)
    return done.devices


def _order(first: int, count: int) -> Order:
    return Order(kind="strange", first=first, count=count, per_second=_PER_SECOND, burst=_BURST)


def _own_mb() -> float:
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([_OURS])
    return sum(trace.size for trace in snapshot.traces) / 1e6
