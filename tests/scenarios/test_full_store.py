"""A store that fills up while the broker is away: what goes, in which order, and who is told."""

import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

import pytest

from gateway.sim.proxy import Line
from tests.scenarios.stage import Setting, Stage
from tests.scenarios.stores import STORE_BYTES, fill

Play = Callable[..., None]

LEVEL: Final = re.compile(r"backlog level=(\w+) used=(\d+) of=(\d+)")
FILLING: Final = Setting(
    plain=24,
    encrypted=0,
    ruuvi=4,
    lora=2,
    every_s=0.3,
    events=4,
    sheds=True,
    delivery="delivery: {commit_after: 20ms}",  # small rows take more room
)
DEVICES: Final = 30
# So slow that the fill is seen between a level's entrance and its exit.
DRAINING: Final = Line(up_bytes_per_s=1_500_000)
ROOM: Final = 20_000  # bytes that are left for the agent to fill
SMALL: Final = {"UGW__STORE__MAX_SIZE": f"{STORE_BYTES}B"}


def levels(log: str) -> list[tuple[str, float]]:
    """Return the levels that were entered, and how full the store was then."""
    return [(name, int(used) / int(cap)) for name, used, cap in LEVEL.findall(log)]


def heard(stage: Stage, since_s: float, until_s: float, *, late: int = 0) -> Counter[str]:
    """Return how often each device was heard then (Unix time), of the `late`th bundle on."""
    found = Counter[str]()
    for arrival in stage.read().arrivals[late:]:
        for one in arrival.observations:
            if since_s < datetime.fromisoformat(one["phenomenonTime"]).timestamp() < until_s:
                found[one["device"]] += 1
    return found


@pytest.mark.slow
def test_as_the_store_fills_routine_is_thinned_out_then_the_oldest_goes_and_no_event(
    play: Play,
) -> None:
    """Killed while it is full, so that the platform hears of the losses from another run."""

    async def scenario(stage: Stage) -> None:
        stage.environment = SMALL
        stage.broker.stop()
        oldest = await fill(stage.store, STORE_BYTES // 2 - ROOM)
        await stage.start_agent()
        async with stage.sending():
            await stage.logged("backlog level=elevated")
            elevated_s = time.time() + 1
            await stage.sent(300)
            thinned_s = time.time()
            stage.kill_agent()

            await fill(stage.store, STORE_BYTES - ROOM)
            await stage.start_agent()
            await stage.logged("backlog level=full")
            await stage.sent(300)
            stage.kill_agent()

            await stage.start_agent()
            stage.link.line = DRAINING
            stage.broker.start()
            await stage.logged("backlog level=normal")
            stage.link.line = Line()
            normal_s, late = time.time(), len(stage.read().arrivals)
            await stage.until(
                lambda: len(heard(stage, normal_s, time.time(), late=late)) == DEVICES
            )
        await stage.all_arrived()
        await stage.until(lambda: stage.read().last["level"] == "normal")
        assert any(one["counters"]["thinned"] for one in stage.read().statuses)
        await stage.end_agent()

        often = Counter(heard(stage, elevated_s, thinned_s).values())
        assert sum(often.values()) - often[1] == FILLING.events, "all others once a minute at most"
        judge = stage.read()
        lost = judge.lost.numbers[oldest.id]
        assert lost == set(range(len(lost))), "the oldest first"
        assert judge.lost.count == len(lost) > 0
        assert not lost & judge.numbers[oldest.id]
        _judge_levels(*(levels(run.log) for run in stage.runs))

    play(scenario, FILLING._replace(line=Line()))


def _judge_levels(*runs: list[tuple[str, float]]) -> None:
    """See the way up and, with hysteresis, the way down."""
    assert [[name for name, _ in run] for run in runs] == [
        ["elevated"],
        ["critical", "full"],
        ["critical", "elevated", "normal"],
    ]
    assert runs[0][0][1] >= 0.5
    assert runs[2][1][1] < 0.85
    assert runs[2][2][1] < 0.45


@pytest.mark.slow
def test_where_events_alone_fill_the_store_the_oldest_of_them_goes_after_all_routine(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.environment = SMALL
        stage.broker.stop()
        oldest = await fill(stage.store, STORE_BYTES - ROOM, "event")
        await stage.start_agent()
        async with stage.sending():
            await stage.logged("backlog level=full")
            await stage.sent(300)
            stage.broker.start()
            await stage.until(lambda: oldest.id in stage.read().lost.numbers)
        await stage.all_arrived()
        await stage.end_agent()
        judge = stage.read()
        assert [judge.classes[one.stream] for one in judge.lost.told[:2]] == ["routine", "event"]
        lost = judge.lost.numbers[oldest.id]
        assert lost == set(range(len(lost))), "the oldest first"

    play(scenario, FILLING)
