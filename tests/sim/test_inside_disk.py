"""A medium in memory that fails: what the agent says of it, and that nothing is lost for it."""

import pytest

from gateway.config import StoreSettings
from gateway.errors import BacklogError, SimulatorError
from gateway.model import Stream
from gateway.sim.bench import DiskTrouble
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.disk import InsideBacklog
from tests.sim.insides import events, on_bench, options, promises_hold, statuses, tags

BUSY = options(sensors=tags(2, every_s=4))


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("eio", "the store /var/lib/ugw failed: disk I/O error"),
        ("fsync_eio", "the store /var/lib/ugw failed: disk I/O error"),
        ("readonly", "the store /var/lib/ugw failed: attempt to write a readonly database"),
        ("hang", ""),
        ("slow", ""),
        ("full", ""),
    ],
)
def test_while_the_medium_fails_memory_holds_what_is_heard(kind: DiskTrouble, cause: str) -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(20)
        bench.disk.trouble(kind, seconds=0.5)
        await bench.broker.stop()
        await bench.run(40)
        await bench.broker.start()
        await bench.run(60)
        said = {one["storeState"] for one in statuses(bench) if "storeState" in one}
        assert said == ({"ok", "memory-only"} if cause else {"ok"})
        assert cause in bench.gateway.log
        bench.disk.heal()
        await bench.run(120)
        await promises_hold(bench, judge)
        assert statuses(bench)[-1]["storeState"] == "ok"
        assert await bench.gateway.stop() == 0

    on_bench(act, BUSY)


def test_a_full_medium_takes_what_the_oldest_make_room_for_and_says_what_was_given_up() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.broker.stop()
        await bench.run(600)
        held = len(bench.disk.medium.rows)
        bench.disk.trouble("full")
        await bench.run(600)
        assert held / 2 < len(bench.disk.medium.rows) <= held
        bench.disk.heal()
        await bench.broker.start()
        await bench.run(120)
        await promises_hold(bench, judge, "every_accepted_observation_delivered")
        verdict = await check_expectation(judge, "declared_losses_only")
        assert verdict.ok, verdict.why
        assert {one["reason"] for one in events(bench, "loss")} == {"full"}

    on_bench(act, BUSY)


def test_a_row_that_is_damaged_is_lost_and_told_and_the_others_arrive() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        with pytest.raises(SimulatorError, match="no observation lies in the store"):
            bench.disk.damage()
        await bench.broker.stop()
        await bench.run(60)
        bench.disk.damage()
        bench.gateway.kill()
        await bench.gateway.start()
        await bench.broker.start()
        await bench.run(60)
        await promises_hold(bench, judge, "every_accepted_observation_delivered")
        verdict = await check_expectation(judge, "declared_losses_only")
        assert verdict.ok, verdict.why
        assert [one["reason"] for one in events(bench, "loss")] == ["damaged"]

    on_bench(act, BUSY)


def test_nothing_of_a_killed_run_reaches_the_medium() -> None:
    async def act(bench: InsideBench) -> None:
        store = InsideBacklog(bench.disk, StoreSettings())
        await store.open([Stream(id="A", klass="routine")])
        before = bench.gateway.files()
        store.abandon()
        with pytest.raises(BacklogError, match="killed"):
            await store.remember("word", "after the kill")
        assert bench.gateway.files() == before

    on_bench(act, BUSY)


def test_what_lies_on_the_medium_can_be_searched() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.broker.stop()
        await bench.run(60)
        assert b"c0ffee" in bench.gateway.files()["backlog"]

    on_bench(act, BUSY)
