"""What the simulated BlueZ costs beside bleak that listens to it, and how fast a world is there.

The simulator, its D-Bus daemon and bleak are a process each and share the machine's cores, so a
rate alone would say little: what each takes for one advertisement is measured in the same run and
set against bleak's share. Nothing may be lost on the way, or the measurement fails.
"""

import asyncio
import time
from statistics import median
from typing import Final

import msgspec

from gateway.sim.world import World
from tests.benchmarks.air import Air, Order, simulated_air
from tests.benchmarks.bench_admission import Switch, scanner
from tests.benchmarks.rows import Row, at_least, at_most

LEAST_PER_S: Final = 20_000
MOST_OF_BLEAK: Final = 1.5
START_S: Final = 0.1
_ROUND: Final = 20_000  # advertisements; as many as a simulator may be ahead of its listener
_FLAT_OUT: Final = 1e9
_WARM_UP: Final = 2_000
_BURST: Final = 100
_STARTS: Final = 20


class Round(msgspec.Struct, frozen=True):
    """What one advertisement took, in us: on the wall, and of each process's CPU."""

    wall: float
    simulator: float
    daemon: float
    bleak: float


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    rounds = asyncio.run(_rounds(3 if quick else 15))
    starts_s = [asyncio.run(_start_s()) for _ in range(_STARTS)]
    return [*_rows(rounds), _start_row(starts_s)]


async def _rounds(count: int) -> list[Round]:
    switch = Switch()
    async with simulated_air() as air, scanner(switch):
        await _round(air, switch, _WARM_UP)
        return [await _round(air, switch, _ROUND) for _ in range(count)]


async def _round(air: Air, switch: Switch, count: int) -> Round:
    """Send so many as fast as the simulator can; return once bleak has handed over each."""
    before = await air.send(_order(0))
    switch.expect(count)
    wall_s, cpu_s = time.monotonic(), time.process_time()
    await air.send(_order(count))
    await switch.complete()
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    after = await air.send(_order(0))
    assert after.signalled - before.signalled == count
    simulator_s = after.simulator_cpu_s - before.simulator_cpu_s
    daemon_s = after.daemon_cpu_s - before.daemon_cpu_s
    return Round(*(1e6 * s / count for s in (wall_s, simulator_s, daemon_s, cpu_s)))


def _order(count: int) -> Order:
    return Order(kind="fresh", count=count, per_second=_FLAT_OUT, burst=_BURST)


def _rows(rounds: list[Round]) -> list[Row]:
    wall, simulator, daemon, bleak = (
        median(getattr(one, name) for one in rounds) for name in Round.__struct_fields__
    )
    slowest = max(("simulator", simulator), ("D-Bus daemon", daemon), ("bleak", bleak), key=_cost)
    note = (
        f"us of CPU for one: simulator {simulator:.1f}, D-Bus daemon {daemon:.1f}, bleak"
        f" {bleak:.1f}; {slowest[0]} is the slowest, so {1e6 / slowest[1]:,.0f} /s where each has"
        f" a core of its own; medians of {len(rounds)} rounds of {_ROUND:,}"
    )
    share = median(one.simulator / one.bleak for one in rounds)
    return [
        at_least("advertisements from simulator to bleak", LEAST_PER_S, 1e6 / wall, "/s", note),
        at_most("simulator's CPU for one, to bleak's", MOST_OF_BLEAK, share, "of bleak's"),
    ]


def _cost(who: tuple[str, float]) -> float:
    return who[1]


async def _start_s() -> float:
    """Return how long a world takes until its bluetoothd answers on its bus."""
    before_s = time.monotonic()
    async with World(modems=("usb-lora",)):
        return time.monotonic() - before_s


def _start_row(starts_s: list[float]) -> Row:
    note = f"{len(starts_s)} starts, {min(starts_s):.3f} to {max(starts_s):.3f} s"
    return at_most("start of a simulated world", START_S, median(starts_s), "s", note)
