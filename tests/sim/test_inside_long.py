"""The long runs on virtual time: a day without a broker, and a month with faults."""

import pytest

from gateway.sim.expectations import Judge
from gateway.sim.inside.bench import InsideBench
from gateway.sim.verbs import begin_fault
from tests.sim.insides import (
    HOUR_S,
    broker_away,
    observations,
    on_bench,
    options,
    promises_hold,
    tags,
)

DAY_S = 24 * HOUR_S
pytestmark = pytest.mark.long


def test_a_day_without_a_broker_is_made_up_for_in_full() -> None:
    on_bench(lambda bench: broker_away(bench, DAY_S), options(sensors=tags(20, every_s=900)))


def test_a_month_with_faults_of_every_part_loses_nothing() -> None:
    faults = (
        ("broker.down", 12 * HOUR_S),
        ("power.cut", 600.0),
        ("ble.crash", 60.0),
        ("disk.eio", 300.0),
        ("net.slow", HOUR_S),
        ("clock.unsynced", DAY_S),
        ("proc.sigkill", 60.0),
        ("net.down", 6 * HOUR_S),
        ("broker.receive_maximum", DAY_S),
    )

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        for name, lasts_s in faults:
            await bench.run(2 * DAY_S)
            async with begin_fault(bench, name):
                await bench.run(lasts_s)
        await bench.run(30 * DAY_S - bench.at_s)
        await promises_hold(bench, judge)
        assert len(observations(bench)) >= bench.air.ledger.sent_count > 20 * 96 * 29

    on_bench(act, options(sensors=tags(20, every_s=900)))
