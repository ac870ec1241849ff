"""A link of 1 kB/s: a backlog drains over it, and what is heard meanwhile does not wait."""

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

from gateway.sim.proxy import Line
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]

SLOW: Final = Line(up_bytes_per_s=1000, down_bytes_per_s=1000, latency_s=0.1)
# Few, for all of them are announced over this link first.
FEW: Final = Setting(plain=2, encrypted=1, ruuvi=0, lora=1, every_s=0.1, line=Line())
DRAIN_GUARD_S: Final = 180.0


async def backlog(stage: Stage, frames: int) -> None:
    """Let so much go to the store, over no link at all; then the link is slow."""
    stage.broker.stop()
    async with stage.sending():
        await stage.sent(frames)
    stage.link.line = SLOW
    stage.broker.start()


async def one_live(stage: Stage) -> int:
    """Let a sensor speak; how many late bundles came before that arrived."""
    device, sensor = "urn:dev:mac:a4c138fffe000001", stage.world.sensors[0]
    before = stage.read().lanes.count("r")
    emission = sensor.emit()
    assert stage.world.transmit(emission)

    def arrived() -> bool:
        missing = {(one.device, one.serial) for one in stage.missing()}
        return (device, emission.serial) not in missing

    await stage.until(arrived, guard_s=DRAIN_GUARD_S)
    return stage.read().lanes.count("r") - before


@pytest.mark.slow
def test_what_is_heard_while_a_backlog_drains_waits_for_one_late_bundle_at_most(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
        await stage.all_arrived()
        await backlog(stage, 90)
        await stage.until(lambda: "r" in stage.read().lanes, guard_s=DRAIN_GUARD_S)
        waited = list[int]()
        while stage.missing():
            waited.append(await one_live(stage))
            await asyncio.sleep(0.5)  # a sensor speaks now and then
        assert len(waited) > 2, "the backlog was gone too soon to tell"
        # The one in flight, and one whose acknowledgement crossed it.
        assert max(waited) <= 2, waited
        stage.link.line = Line()
        await stage.end_agent()

    play(scenario, FEW._replace(delivery="delivery: {in_flight_window: 1}"))


@pytest.mark.slow
def test_a_link_too_slow_for_large_bundles_makes_progress_with_small_ones(play: Play) -> None:
    """Each bundle of the backlog takes longer than its acknowledgement is given time for."""

    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
        await stage.all_arrived()
        await backlog(stage, 20)
        await stage.all_arrived(guard_s=DRAIN_GUARD_S)
        assert "not acknowledged in time" in stage.agent.log
        stage.link.line = Line()
        await stage.end_agent()

    play(
        scenario,
        FEW._replace(delivery="delivery: {in_flight_window: 2, ack_timeout: 6s, min_rate: 10kB}"),
    )
