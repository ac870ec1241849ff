"""A district of gateways loses its broker at once, and does not come back at once.

Three hundred waits as `uplink.patience` waits them, each with its own chance, on virtual time; the
whole of it, with real connections, is `make fleet`.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import pytest

from gateway.sim.inside.loop import run
from gateway.uplink.patience import Patience

GATEWAYS: Final = 300
AWAY_S: Final = 600.0
MOST_S: Final = 60.0  # DESIGN.md: back-off 1 to 60 s
GROWN_S: Final = 180.0  # after so long the waits of all have grown to that
# On average a wait is half of the longest: so many attempts a second, if they are spread well.
MEAN: Final = GATEWAYS / (MOST_S / 2)


async def attempts(seed: int) -> list[float]:
    """Return when one gateway tries, until the broker is back."""
    loop, tried = asyncio.get_running_loop(), list[float]()
    patience = Patience(random.Random(seed).random, asyncio.sleep)  # noqa: S311 - spreads, guards nothing
    while not tried or tried[-1] < AWAY_S:
        patience.begin()
        await patience.wait(steady=not tried)
        tried.append(loop.time())
    return tried


@pytest.fixture(scope="module")
def herd() -> Sequence[Sequence[float]]:
    async def main() -> list[list[float]]:
        begun_s = asyncio.get_running_loop().time()
        each = await asyncio.gather(*map(attempts, range(GATEWAYS)))
        return [[at_s - begun_s for at_s in tried] for tried in each]

    return run(main())


def busiest(moments: Sequence[float], slot_s: float) -> int:
    """Return the most attempts within one slot of time."""
    return max(Counter(int(at_s / slot_s) for at_s in moments).values())


def test_they_are_spread_over_the_first_second_and_thin_out_from_then_on(
    herd: Sequence[Sequence[float]],
) -> None:
    first = [tried[0] for tried in herd]
    assert max(first) <= 1.0
    assert busiest(first, 0.1) < 2 * GATEWAYS / 10
    moments = [at_s for tried in herd for at_s in tried]
    grown = [at_s for at_s in moments if at_s > GROWN_S]
    assert busiest(grown, 1.0) < 3 * MEAN


def test_none_waits_for_longer_than_a_minute_and_none_asks_all_the_time(
    herd: Sequence[Sequence[float]],
) -> None:
    waits = [after - before for tried in herd for before, after in pairwise(tried)]
    assert max(waits) <= MOST_S
    grown = [len([at_s for at_s in tried if at_s > GROWN_S]) for tried in herd]
    assert max(grown) < 3 * (AWAY_S - GROWN_S) / (MOST_S / 2)


def test_when_the_broker_is_back_they_return_within_a_minute_and_never_many_in_one_second(
    herd: Sequence[Sequence[float]],
) -> None:
    back = [tried[-1] - AWAY_S for tried in herd]
    assert all(0 <= at_s <= MOST_S for at_s in back)
    assert busiest(back, 1.0) < 3 * MEAN
