"""What the agent holds while little happens: `ugw run` with Bluetooth and a serial modem.

Resident memory counts every page, shared ones too; the note says what it is by share (PSS).
"""

import asyncio
from typing import Final

from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.surroundings import site, thermometers

LIMIT_MB: Final = 64.0
AIM_MB: Final = 52
_SENSORS: Final = 20
_AFTER_S: Final = 20.0


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    return [asyncio.run(_measure(5.0 if quick else _AFTER_S))]


async def _measure(after_s: float) -> Row:
    async with site(thermometers(_SENSORS, every_s=1.0)) as place, place.agent() as agent:
        await place.hears()
        await place.world.run(after_s)
        memory = agent.memory()
    note = f"PSS {memory.pss_mb:.1f} MB; the aim is {AIM_MB}"
    return at_most("resident memory, idle", LIMIT_MB, memory.rss_mb, "MB", note)
