"""What the agent takes of a core while 20 sensors send once a minute."""

import asyncio
import time
from typing import Final

from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.surroundings import site, thermometers

LIMIT_PERCENT: Final = 0.5
_SENSORS: Final = 20
_EVERY_S: Final = 60.0


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    return [asyncio.run(_measure(15.0 if quick else _EVERY_S))]


async def _measure(duration_s: float) -> Row:
    sensors = thermometers(_SENSORS, every_s=_EVERY_S)
    async with site(sensors) as place, place.agent() as agent:
        await place.hears()
        before, since_s = agent.cpu_ns(), time.monotonic()
        await place.world.run(duration_s)
        cpu_s, lasted_s = (agent.cpu_ns() - before) / 1e9, time.monotonic() - since_s
    note = f"{1000 * cpu_s:.0f} ms of CPU in {lasted_s:.0f} s"
    title = "idle CPU, 20 sensors at 1/min"
    return at_most(title, LIMIT_PERCENT, 100 * cpu_s / lasted_s, "% of a core", note)
