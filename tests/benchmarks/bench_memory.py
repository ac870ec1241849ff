"""What the agent holds while little happens: `ugw run` with Bluetooth, a modem, its page.

Twice: with sensors in clear, and with sensors that have keys, for which the cryptography library
is loaded. Resident memory counts every page, shared ones too; the note says what it is by share
(PSS), and what it is once somebody has looked at the status page and at the metrics.
"""

import asyncio
from typing import Final
from urllib.request import urlopen

from tests.benchmarks.agents import Memory
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.surroundings import site, thermometers

LIMIT_MB: Final = 64.0
AIM_MB: Final = 52
_SENSORS: Final = 20
_AFTER_S: Final = 20.0
_SHOWN_S: Final = 2.0


def measure(*, quick: bool) -> list[Row]:
    """Measure both."""
    after_s = 5.0 if quick else _AFTER_S
    title = "resident memory, idle"
    return [
        _row(title, *asyncio.run(_measure(after_s, sealed=False))),
        _row(f"{title}, sensors with keys", *asyncio.run(_measure(after_s, sealed=True))),
    ]


async def _measure(after_s: float, *, sealed: bool) -> tuple[Memory, Memory]:
    """Return what it holds, and what after somebody has looked."""
    sensors = thermometers(_SENSORS, every_s=1.0, sealed=sealed)
    async with site(sensors) as place, place.agent() as agent:
        await place.hears()
        await place.world.run(after_s)
        alone = agent.memory()
        for path in ("/", "/metrics"):
            await asyncio.to_thread(_look, place.page + path)
        await place.world.run(_SHOWN_S)
        return alone, agent.memory()


def _look(url: str) -> None:
    with urlopen(url) as answer:  # noqa: S310 - the agent's own page
        assert answer.read()


def _row(title: str, alone: Memory, shown: Memory) -> Row:
    note = (
        f"PSS {alone.pss_mb:.1f} MB; the aim is {AIM_MB}; the page and the metrics looked at:"
        f" {shown.rss_mb:.1f} MB"
    )
    return at_most(title, LIMIT_MB, alone.rss_mb, "MB", note)
