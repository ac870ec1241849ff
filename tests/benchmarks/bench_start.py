"""How long from the start of the process to the first observation at a subscriber.

A listed sensor sends 50 times a second all the while. Files are in the page cache and compiled, as
after a crash; a cold boot reads them from the card first.
"""

import asyncio
from statistics import median
from typing import Final

from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.surroundings import boot_ns, site, thermometers

LIMIT_S: Final = 1.5
_EVERY_S: Final = 0.02


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    times_s = asyncio.run(_measure(starts=1 if quick else 9))
    note = f"{len(times_s)} starts, {min(times_s):.2f} to {max(times_s):.2f} s"
    title = "start to first observation published"
    return [at_most(title, LIMIT_S, median(times_s), "s", note)]


async def _measure(starts: int) -> list[float]:
    times_s: list[float] = []
    async with site(thermometers(1, every_s=_EVERY_S)) as place:
        while len(times_s) <= starts:
            started_ns = boot_ns()
            async with place.agent():
                times_s.append((await place.hears() - started_ns) / 1e9)
    return times_s[1:]  # the first compiled what nobody had run before
