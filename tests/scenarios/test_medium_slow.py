"""A medium whose every sync takes long: what is promised of it, by how long that is.

On virtual time. A commit falls due 0.7 s after the oldest observation in it was heard; one that
is under way then is waited for. So below 0.3 s the promise of one second holds, and above it does
not: then an observation is safe after 0.7 s and two syncs, and still none is lost.
"""

import pytest

from gateway.sim.expectations import Judge
from gateway.sim.inside.bench import InsideBench
from tests.sim.insides import on_bench, options, promises_hold, tags

NS = 1_000_000_000
DUE_S = 0.7
LOOK_S = 0.05
SPARE_S = 0.15  # what the medium takes anyhow, and the time between two looks


async def oldest_at_commit_s(bench: InsideBench, seconds: float) -> float:
    """Watch the store fill up: the longest that an observation had waited for its commit."""
    longest_ns, first = 0, max(bench.disk.medium.rows, default=0)
    seen = first
    for _ in range(int(seconds / LOOK_S)):
        await bench.run(LOOK_S)
        rows = bench.disk.medium.rows
        for row in rows:
            if row > seen:
                heard_ns = rows[row].entries[0].heard_at_ns
                longest_ns = max(longest_ns, bench.clock.boot_ns() - heard_ns)
        seen = max(rows, default=seen)
    assert seen > first + seconds / 10
    return longest_ns / NS


@pytest.mark.parametrize("sync_s", [0.1, 0.5, 2.0])
def test_an_observation_is_safe_after_its_deadline_and_two_syncs_and_none_is_lost(
    sync_s: float,
) -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(30)
        await bench.broker.stop()
        bench.disk.trouble("slow", seconds=sync_s)
        await bench.run(10)
        waited_s = await oldest_at_commit_s(bench, 60)
        assert waited_s < DUE_S + 2 * sync_s + SPARE_S
        assert waited_s < 1 or sync_s > 0.3
        await bench.broker.start()
        await bench.run(60)
        bench.disk.heal()
        await bench.run(30)
        await bench.gateway.stop()
        await promises_hold(bench, judge)

    on_bench(act, options(sensors=tags(6, every_s=2.0)))
