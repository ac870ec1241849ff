"""What virtual time costs: a turn of the loop, and a month of a gateway with twenty sensors.

The month is the agent's own work: its timers, and what it renders, sends and has acknowledged;
the note says how much there was of it. Everything heard has arrived, or the measurement fails.
"""

import asyncio
import time
from typing import Final

from gateway.sim.bench import BenchOptions
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.loop import run
from gateway.sim.sensors import SensorOptions
from tests.benchmarks.rows import Row, at_least, at_most

LEAST_TURNS_PER_S: Final = 300_000
MOST_CPU_S: Final = 60.0
DAYS: Final = 30
SENSORS: Final = 20
EVERY_S: Final = 900.0

_DAY_S: Final = 86_400.0
_TURNS: Final = 500_000


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    days = 3 if quick else DAYS
    return [_turns_row(), run(_month_row(days))]


def _turns_row() -> Row:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        done, left = loop.create_future(), _TURNS

        def tick() -> None:
            nonlocal left
            left -= 1
            if left:
                loop.call_later(1.0, tick)
            else:
                done.set_result(None)

        before_s = time.process_time()
        loop.call_soon(tick)
        await done
        return time.process_time() - before_s

    per_s = _TURNS / run(main())
    return at_least("empty timer turns of virtual time", LEAST_TURNS_PER_S, per_s, "/s of CPU")


async def _month_row(days: int) -> Row:
    sensors = [
        SensorOptions(model="bthome-v2", address=f"C0:FF:EE:00:00:{n:02X}", every_s=EVERY_S)
        for n in range(SENSORS)
    ]
    async with InsideBench(BenchOptions(sensors=sensors)) as bench:
        await bench.gateway.start()
        before_s = time.process_time()
        await bench.run(days * _DAY_S)
        cpu_s = time.process_time() - before_s
        await bench.gateway.stop()
        for message in bench.messages:
            if "/obs/" in message.topic:
                bench.air.ledger.received(message.payload)
        ledger = bench.air.ledger
        assert not ledger.missing()
        assert ledger.sent_count == ledger.arrived_count > days * SENSORS * 90
        note = (
            f"{ledger.sent_count:,} observations, {len(bench.messages):,} messages;"
            f" {days * _DAY_S / cpu_s:,.0f} times as fast as life"
        )
    name = f"{DAYS} days of {SENSORS} sensors every {EVERY_S / 60:.0f} min, in memory"
    return at_most(name, MOST_CPU_S, cpu_s * DAYS / days, "s of CPU", note)
