"""What is set aside, and what times say: held against what was on the air and the clock.

The runs are real ones inside, tampered with afterwards.
"""

import json
from collections.abc import Callable
from typing import cast

import pytest

from gateway.sim.bench import Bench
from gateway.sim.benches import open_bench
from gateway.sim.expectations import Judge, Verdict, check_expectation
from gateway.sim.inside.loop import run
from gateway.sim.scenario import read_scenario
from gateway.sim.theatre import perform
from tests.sim.test_expectations import SCENARIO, Json, Seen, judge_of


def set_a_bundle_aside(seen: Seen) -> None:
    at = seen.index("obs/live")
    count = len(json.loads(seen.messages[at].payload)["observations"])
    del seen.messages[at], seen.messages_at_s[at]

    def alter(body: Json) -> None:
        body["counters"]["delivered"] -= count
        body["counters"]["setAside"] += count

    seen.change("status", alter, last=True)


def test_what_was_set_aside_is_neither_lost_without_a_word_nor_delivered() -> None:
    assert judge_of("declared_losses_only", set_a_bundle_aside).ok
    assert judge_of("laws_hold", set_a_bundle_aside).ok
    assert not judge_of("every_accepted_observation_delivered", set_a_bundle_aside).ok


def leave_without_a_word(seen: Seen) -> None:
    at = seen.index("status", last=True)
    del seen.messages[at], seen.messages_at_s[at]


def test_a_farewell_that_is_not_said_is_missed() -> None:
    assert "online" in judge_of("farewell_said", leave_without_a_word).why


def tell_another_time(seen: Seen) -> None:
    def alter(body: Json) -> None:
        body["observations"][0]["phenomenonTime"] = "2026-01-01T01:00:10.000Z"

    seen.change("obs/live", alter)


def test_a_time_that_is_called_exact_is_held_against_the_clock() -> None:
    verdict = judge_of("times_true", tell_another_time)
    assert verdict.why.startswith("1 of ")
    assert " s off" in verdict.why


async def judged_by_a_clock(
    change: Callable[[Bench], None], alter: Callable[[Seen], None] | None = None
) -> Verdict:
    scenario = read_scenario(SCENARIO)
    async with open_bench("inside", scenario.benches()[0]) as bench:
        scenario.furnish(bench)
        judge = Judge(bench)
        await bench.gateway.start()
        for _ in range(3):
            await bench.run(30)
            change(bench)
        await bench.run(30)
        if alter is not None:
            seen = Seen(bench)
            alter(seen)
            judge.bench = cast("Bench", seen)
        return await check_expectation(judge, "times_true")


def test_times_follow_a_clock_that_steps_there_and_back() -> None:
    steps = iter((3600.0, -3600.0, 60.0))
    verdict = run(judged_by_a_clock(lambda bench: bench.clock.step(next(steps))))
    assert verdict.ok, verdict.why


def call_all_exact(seen: Seen) -> None:
    for at, message in enumerate(seen.messages):
        payload = message.payload.replace(b'"holdover","results"', b'"exact","results"')
        seen.messages[at] = message._replace(payload=payload)


def test_nothing_is_exact_while_nothing_vouches_for_the_clock() -> None:
    def doubt(bench: Bench) -> None:
        bench.clock.synced(is_synced=False)

    assert run(judged_by_a_clock(doubt)).ok
    assert "that nothing vouched for" in run(judged_by_a_clock(doubt, call_all_exact)).why


@pytest.mark.parametrize("trouble", ["disk.slow, by: 8s, for: 1min", "disk.eio, for: 1min"])
@pytest.mark.parametrize("end", ["power.cut, for: 5s", "proc.sigterm, for: 1min"])
def test_what_only_memory_held_was_not_accepted(trouble: str, end: str) -> None:
    text = f"""
seed: 4
duration: 5min
sensors: [{{model: bthome-v2, address: "C0:FF:EE:00:00:01", count: 3, every: 2s}}]
faults:
  - {{at: 1min, do: broker.down, for: 90s}}
  - {{at: 70s, do: {trouble}}}
  - {{at: 100s, do: {end}}}
expect: [declared_losses_only]
"""
    verdict = perform(read_scenario(text), "inside").verdicts[0]
    assert verdict.ok, verdict.why
