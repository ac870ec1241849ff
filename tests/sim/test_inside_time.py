"""Whatever the clocks do, nothing but the times depends on them: the whole agent, virtual time.

A step of ten years, a machine that was asleep, a boot in 1970: no storm, no mass expiry, no
connection made anew, nothing committed early, nothing lost, and the order of what has no time.
"""

from collections import Counter, defaultdict
from functools import cache, partial
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from gateway.model import Stream
from gateway.sim.bench import BenchOptions
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.loop import run
from gateway.sim.sensors import SensorOptions
from tests.sim.insides import (
    HOUR_S,
    events,
    nodes,
    observations,
    on_bench,
    options,
    promises_hold,
    statuses,
    tags,
)

Json = Any  # of a message

YEAR_S = 365 * 24 * HOUR_S
DAY_S = 24 * HOUR_S


def gateway(**changes: object) -> BenchOptions:
    """Return one with three Bluetooth sensors and a LoRa one, each heard twice a minute."""
    sensors = [*tags(3), *nodes(1, every_s=30)]
    return options(sensors=sensors, modems={"usb-lora": "reyax-rylr998"}, **changes)


@cache
def lived_through(step_s: float, *, with_broker: bool) -> tuple[Counter[str], InsideBench]:
    """Return what a gateway has said whose clock steps, by topic: step and return cost nothing."""
    benches: list[InsideBench] = []

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(300)
        if not with_broker:
            await bench.broker.stop()
            await bench.run(300)
        if step_s:
            bench.clock.step(step_s)
        await bench.run(900)
        if not with_broker:
            await bench.broker.start()
            await bench.run(300)
        await promises_hold(bench, judge, "schema_valid")
        assert (await check_expectation(judge, "times_true")).ok
        assert (await check_expectation(judge, "nothing_lost")).ok
        assert len(observations(bench)) == bench.air.ledger.sent_count > 100
        assert bench.disk.medium.rows == {}
        benches.append(bench)

    on_bench(act, gateway())
    return Counter(message.topic.rpartition("/")[2] for message in benches[0].messages), benches[0]


@pytest.mark.parametrize("years", [10, -10])
@pytest.mark.parametrize("with_broker", [True, False], ids=["broker", "outage"])
def test_a_step_of_ten_years_changes_nothing_but_the_times(
    years: int, *, with_broker: bool
) -> None:
    calm, before = lived_through(0, with_broker=with_broker)
    stepped, after = lived_through(years * YEAR_S, with_broker=with_broker)
    assert [round(one["byMs"] / 1000) for one in events(after, "clock.step")] == [years * YEAR_S]
    more = stepped - calm
    assert more.pop("event") == 1
    assert more.total() <= 1, "a bundle more at most: two offsets never share one"
    assert len(after.broker.connects) == len(before.broker.connects)
    assert after.disk.medium.next_row - before.disk.medium.next_row in {0, 1}
    assert (before.disk.medium.next_row == 1) is with_broker


@pytest.mark.parametrize("hours", [8.0, 500 * 24.0])
def test_a_machine_that_was_asleep_accuses_nobody_and_loses_nothing(hours: float) -> None:
    """A night, and more milliseconds of uptime than 32 bits hold; the broker has hung up."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        bench.config.write_text(
            bench.config.read_text().replace('00:01"}', '00:01", expected_interval: 1min}')
        )
        await bench.gateway.start()
        await bench.run(400)
        early = len(bench.messages)
        await bench.run(300)
        said = len(bench.messages)
        bench.broker.hang_up()
        bench.clock.suspend(hours * HOUR_S)
        await bench.run(300)
        kinds = {one["kind"] for name in ("sensor.silent", "loss") for one in events(bench, name)}
        assert kinds == set()
        assert len(bench.broker.connects) == 2
        assert len(bench.messages) - said < said - early + 10, "no more than in any five minutes"
        await promises_hold(bench, judge, "schema_valid")
        assert (await check_expectation(judge, "nothing_lost")).ok
        assert (await check_expectation(judge, "times_true")).ok
        assert statuses(bench)[-1]["uptimeMs"] > hours * HOUR_S * 1000

    on_bench(act, gateway())


def test_what_two_boots_in_1970_heard_keeps_its_order_and_the_third_is_dated() -> None:
    """Neither ever knew the time; the broker is away until the third one does."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.broker.stop()
        bench.clock.synced(is_synced=False)
        for _ in range(2):
            bench.clock.show(0)
            await bench.gateway.start()
            await bench.run(300)
            bench.gateway.kill()
        await bench.gateway.start()
        await bench.run(300)
        bench.clock.heal()
        await bench.run(60)
        await bench.broker.start()
        await bench.run(300)
        await promises_hold(bench, judge, "schema_valid")
        assert (await check_expectation(judge, "times_true")).ok
        _judge_qualities(bench)

    on_bench(act, gateway())


def _judge_qualities(bench: InsideBench) -> None:
    """See that two boots stayed without time, in order, and of the third everything has one."""
    bundles = [msgspec.json.decode(m.payload) for m in bench.messages if "/obs/" in m.topic]
    by_run: defaultdict[str, list[Json]] = defaultdict(list)
    for bundle in bundles:
        by_run[bundle["stream"]] += bundle["observations"]
    *undated, last = by_run.values()
    assert len(undated) == 2
    for heard in undated:
        assert {one["timeQuality"] for one in heard} == {"unknown"}
        assert [one["seq"] for one in heard] == list(range(len(heard)))
        assert all(a["uptimeMs"] <= b["uptimeMs"] for a, b in pairwise(heard))
        assert heard[-1]["uptimeMs"] - heard[0]["uptimeMs"] > 200_000
        assert len({one["boot"] for one in heard}) == 1
    assert undated[0][0]["boot"] != undated[1][0]["boot"]
    qualities = [one["timeQuality"] for one in last]
    assert set(qualities) == {"reconstructed", "exact"}
    assert qualities.count("reconstructed") > 30


@pytest.mark.parametrize("step_s", [-1.0, 1.0])
def test_a_leap_second_is_no_event_and_dates_what_comes_after(step_s: float) -> None:
    """Stepped, it is as large as a step may be that nobody is told of; smeared, it is a drift."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(300)
        bench.clock.step(step_s)
        await bench.run(300)
        bench.clock.drift(step_s * 1e6 / DAY_S)
        await bench.run(300)
        assert events(bench, "clock.step") == []
        assert len(bench.broker.connects) == 1
        await promises_hold(bench, judge, "schema_valid")
        assert (await check_expectation(judge, "times_true")).ok

    on_bench(act, gateway())


def test_a_store_made_in_1970_numbers_sessions_above_those_of_a_gateway_it_replaces() -> None:
    """A platform takes a status of a lower session for a late one: it would ignore them all."""

    async def act(bench: InsideBench) -> None:
        bench.clock.show(0)
        bench.clock.synced(is_synced=False)
        await bench.gateway.start()
        await bench.run(300)
        assert max(one["session"] for one in statuses(bench)) < 10
        bench.gateway.kill()
        await bench.gateway.start()
        await bench.run(100)
        bench.clock.heal()
        known_ms = bench.clock.wall_ns() // 1_000_000
        await bench.run(100)
        assert statuses(bench)[-1]["session"] >= known_ms
        assert len(bench.broker.connects) == 3
        for number in range(2):
            bench.gateway.kill()
            await bench.gateway.start()
            await bench.run(100)
            assert len(bench.broker.connects) == 4 + number, "raised once, and never again"
        told = [one["session"] for one in statuses(bench)]
        assert told == sorted(told)

    on_bench(act, gateway())


def test_a_new_store_whose_clock_is_right_keeps_its_connection() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(100)
        bench.clock.synced(is_synced=False)
        await bench.run(100)
        bench.clock.heal()
        await bench.run(100)
        assert len(bench.broker.connects) == 1

    on_bench(act, gateway())


@pytest.mark.parametrize("bits", [16, 31, 32, 53])
def test_numbers_go_on_beyond_any_number_of_bits(
    bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty observations a second for 70 years are fewer than 2 to the power of 37."""
    first = 2**bits - 20
    monkeypatch.setattr("gateway.sim.inside.agent.Stream", partial(Stream, next_seq=first))

    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(120)
        await bench.broker.stop()
        await bench.run(300)
        await bench.broker.start()
        await bench.run(60)
        assert await bench.gateway.stop() == 0
        numbers = [one["seq"] for one in observations(bench)]
        assert numbers == list(range(first, first + len(numbers)))
        assert numbers[-1] > 2**bits
        assert numbers[-1] + 1 in {one["nextSeq"] for one in statuses(bench)[-1]["streams"]}

    on_bench(act, options(sensors=tags(2, every_s=15.0)))


@pytest.mark.parametrize("bits", [24, 25])
def test_an_agent_lives_on_where_its_clocks_have_run_for_half_a_year_or_a_year(bits: int) -> None:
    async def main() -> None:
        async with InsideBench(gateway()) as bench:
            judge = Judge(bench)
            await bench.gateway.start()
            await bench.run(900)
            await promises_hold(bench, judge, "schema_valid")
            assert len(observations(bench)) == bench.air.ledger.sent_count > 100

    run(main(), start_s=2.0**bits - 300)


def test_counters_of_sensors_that_begin_anew_lose_nothing() -> None:
    """Eight bits of a packet number, sixteen of a measurement's: each passes its last value."""
    sensors = [
        SensorOptions(model=model, address=f"C0:FF:EE:00:02:{n:02X}", every_s=30, first_serial=at)
        for n, (model, at) in enumerate(
            (("bthome-v2", 250), ("ruuvi-rawv2", 65_530), ("atc", 250)), start=1
        )
    ]

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(900)
        await promises_hold(bench, judge, "schema_valid")
        assert len(observations(bench)) == bench.air.ledger.sent_count >= 3 * 29

    on_bench(act, options(sensors=sensors))
