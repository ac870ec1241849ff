"""SIGKILL, at the worst of times: what had been accepted arrives, what had not is declared."""

import random
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from gateway.model import Bundle
from gateway.sim.broker import Answer, Offer
from gateway.sim.proxy import Line
from tests.scenarios.stage import ROOT, Setting, Stage

Play = Callable[..., None]

KILLS: Final = 3
ENCRYPTED = re.compile(r"urn:dev:mac:a4c138fffe0001..")


def _streams(status: Any) -> set[str]:  # noqa: ANN401 - an object of a message
    return {one["stream"] for one in status["streams"]}


def _ends(rows: list[Bundle]) -> dict[str, int]:
    """Return one past the highest number kept of each stream."""
    ends: dict[str, int] = {}
    for row in rows:
        ends[row.stream] = max(ends.get(row.stream, 0), row.first_seq + len(row.entries))
    return ends


def test_killed_twice_with_a_backlog_the_agent_loses_nothing_it_had_accepted(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.stop()
            await stage.sent(120)
            kept = stage.kill_agent()
            assert sum(len(row.entries) for row in kept) > 50

            await stage.start_agent()
            await stage.sent(60)
            stage.broker.start()
            late = len(stage.read().arrivals)
            await stage.until(lambda: len(stage.read().arrivals) > late + 2)
            more = stage.kill_agent()
            assert more, "killed in the midst of the late data"

            await stage.start_agent()
            await stage.all_arrived()
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()

        assert "unclean=False" in first.log
        assert all("unclean=True" in run.log for run in stage.runs[1:])
        _judge_declarations(stage, kept, more)
        _judge_replay_flags(stage)
        for status in stage.read().statuses:
            assert not [name for name in status["counters"] if name.startswith("refused.")]

    play(
        scenario,
        Setting(
            encrypted=4, delivery="delivery: {in_flight_window: 1}", line=Line(latency_s=0.05)
        ),
    )


def _judge_declarations(stage: Stage, kept: list[Bundle], more: list[Bundle]) -> None:
    """Each birth declares the runs before it, as far as no birth before has."""
    one, two, three = (status for status in stage.read().last_of_each_run())
    births = {
        run: next(s for s in stage.read().statuses if s["streams"][0]["stream"] in run)
        for run in (frozenset(_streams(two)), frozenset(_streams(three)))
    }
    for status, before, rows in ((two, one, kept), (three, two, more)):
        declared = {p["stream"]: p for p in births[frozenset(_streams(status))]["previous"]}
        assert _streams(before) <= set(declared)
        for stream in _streams(before):
            assert declared[stream]["end"] == "unclean"
            if stream in _ends(rows):
                assert declared[stream]["nextSeq"] == _ends(rows)[stream]
    assert births[frozenset(_streams(two))]["counters"]["recovered"] > 50


def _judge_replay_flags(stage: Stage) -> None:
    """See the first frame flagged that passes a counter from the store, which may be old."""
    for run, status in enumerate(stage.read().last_of_each_run()):
        heard: set[str] = set()
        for one in _in_order(stage, _streams(status)):
            flagged = {"replay_possible" in r.get("flags", []) for r in one["results"]}
            if ENCRYPTED.fullmatch(one["device"]) and run > 0:
                assert flagged == {one["device"] not in heard}, one
                heard.add(one["device"])
            else:
                assert flagged == {False}, one


def _in_order(stage: Stage, streams: set[str]) -> list[Any]:
    """Return the observations of some streams by their numbers, each once."""
    found = {
        (arrival.stream, one["seq"]): one
        for arrival in stage.read().arrivals
        for one in arrival.observations
        if arrival.stream in streams
    }
    return [found[key] for key in sorted(found)]


def _numbers(rows: list[Bundle]) -> dict[str, set[int]]:
    found = defaultdict[str, set[int]](set)
    for row in rows:
        found[row.stream].update(range(row.first_seq, row.first_seq + len(row.entries)))
    return found


def test_strict_publishes_nothing_that_a_kill_at_any_moment_could_take_back(play: Play) -> None:
    """The broker hands everything out and acknowledges nothing, so no row is deleted.

    What the platform has of a run that was killed is then exactly what that run had committed.
    """
    chance = random.Random(8)  # noqa: S311 - repeatable, not secret

    async def scenario(stage: Stage) -> None:
        stage.scripted.script.on(f"{ROOT}/obs/+", Answer(times=0))
        kept: dict[str, set[int]] = {}
        late = 0
        await stage.start_agent()
        async with stage.sending():
            for kills in range(1, KILLS + 1):
                await stage.until(lambda: len(stage.read().arrivals) > late)  # noqa: B023 - at once
                await stage.sent(chance.randrange(1, 60))
                kept |= _numbers(stage.kill_agent())
                late = len(stage.read().arrivals)
                if kills == KILLS:
                    stage.scripted.script.clear()
                await stage.start_agent()
            await stage.until(lambda: all(stage.read().numbers[one] >= kept[one] for one in kept))
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        numbers, living = stage.read().numbers, _streams(stage.read().last)
        assert {one: seen for one, seen in numbers.items() if seen and one not in living} == kept
        assert {one.lane for one in stage.read().arrivals} == {"obs/live", "obs/replay"}

    strict = "delivery: {durability: strict, ack_timeout: 1min}"
    play(scenario, Setting(every_s=0.1, delivery=strict, offer=Offer()))
