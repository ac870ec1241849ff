"""The real agent and a broker that misbehaves for hours and days, on virtual time.

Each ends as every bench does: all that was heard has arrived or is counted, and both laws hold.
"""

import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, Final

import msgspec
import pytest

from gateway.sim.broker import Answer, Offer
from gateway.sim.broker_script import Rule
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.inside.bench import InsideBench
from gateway.sim.proxy import Line
from tests.sim.insides import (
    HOUR_S,
    events,
    observations,
    on_bench,
    options,
    promises_hold,
    statuses,
    tags,
)

DAY_S: Final = 24 * HOUR_S
OBSERVATIONS: Final = "+/+/+/+/obs/+"
FAILURES: Final = range(0x80, 0xA3)  # every failure MQTT 5 names (2.4)
ASIDE: Final = (0x90, 0x99)  # what is never taken
TOO_LARGE: Final = 0x95


def came(bench: InsideBench, lane: str) -> list[tuple[float, dict[str, Any]]]:
    """Return what came on a lane, with when it came."""
    pairs = zip(bench.messages_at_s, bench.messages, strict=True)
    found = [(at_s, m) for at_s, m in pairs if m.topic.endswith(f"/obs/{lane}")]
    return [
        (at_s, one)
        for at_s, message in found
        for one in msgspec.json.decode(message.payload)["observations"]
    ]


async def run_until(
    bench: InsideBench, condition: Callable[[], bool], *, within_s: float, step_s: float = 1.0
) -> None:
    """Let the sensors send until it holds."""
    end_s = bench.at_s + within_s
    while not condition():
        assert bench.at_s < end_s, bench.gateway.log
        await bench.run(step_s)


def backlog(bench: InsideBench, *, after_s: float) -> int:
    """Return what the newest status tells of the backlog; 1 where none has come since."""
    told = [
        m for m, at_s in zip(bench.messages, bench.messages_at_s, strict=True) if at_s > after_s
    ]
    bodies = [msgspec.json.decode(m.payload) for m in told if m.topic.endswith("/status")]
    return int(bodies[-1]["backlog"]["observations"]) if bodies else 1


def is_used(rule: Rule) -> bool:
    """Whether it has held as often as it was to."""
    return rule.left == 0


# -------------------------------------------------------------------------------------------- away
@pytest.mark.parametrize("days", [1, pytest.param(14, marks=pytest.mark.long)])
def test_days_without_a_broker_are_made_up_for_and_it_was_asked_for_about_twice_a_minute(
    days: int,
) -> None:
    """Back-off up to a minute with full jitter is thirty seconds on average."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(600)
        before = statuses(bench)[-1]["session"]
        await bench.broker.stop()
        await bench.run(days * DAY_S)
        await bench.broker.start()
        await bench.run(600)
        await promises_hold(bench, judge)
        assert len(observations(bench)) == bench.air.ledger.sent_count > days * 190
        assert statuses(bench)[-1]["backlog"]["observations"] == 0
        attempts = statuses(bench)[-1]["session"] - before
        assert days * DAY_S / 45 < attempts < days * DAY_S / 22
        said = [line for line in bench.gateway.log.splitlines() if "uplink down" in line]
        assert len(said) <= 3, "one cause is one line, however long it lasts"

    on_bench(act, options(sensors=tags(2, every_s=900)))


def test_what_is_heard_while_hours_of_backlog_drain_over_a_slow_line_is_not_late() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        await bench.broker.stop()
        await bench.run(1.5 * HOUR_S)
        bench.way.line = Line(up_bytes_per_s=1000, down_bytes_per_s=1000, latency_s=0.3)
        await bench.broker.start()
        back_s = bench.at_s
        await run_until(
            bench, lambda: not backlog(bench, after_s=back_s), within_s=2 * HOUR_S, step_s=60
        )
        late = [at_s for at_s, _ in came(bench, "replay")]
        assert late[-1] - late[0] > 120, "the drain was over too soon to tell"
        live = [at_s for at_s, _ in came(bench, "live") if late[0] < at_s < late[-1]]
        assert len(live) > 15
        gaps = [after - before for before, after in pairwise(live)]
        assert statistics.median(gaps) < 20, "four sensors speak every thirty seconds"
        assert max(gaps) < 90
        await promises_hold(bench, judge)

    on_bench(act, options(sensors=tags(4, every_s=30)))


# ---------------------------------------------------------------------------------------- silence
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(times=0), id="lost"),
        pytest.param(Answer(times=0, strays=(1, 60_000)), id="of another message"),
        pytest.param(Answer(hang_up=True), id="the end instead"),
        pytest.param(Answer(hang_up=True, hands_out=True), id="the end instead, though taken"),
    ],
)
def test_every_tenth_message_without_its_acknowledgement_costs_nothing(answer: Answer) -> None:
    """It is sent again on the next connection, and the platform may see it twice."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        bench.broker.script.on(OBSERVATIONS, answer, where=lambda one: one.packet_id % 10 == 9)
        await bench.run(HOUR_S / 4)
        bench.broker.script.clear()
        await bench.run(300)
        await promises_hold(bench, judge)
        assert len(bench.broker.connects) > 3
        assert statuses(bench)[-1]["counters"]["setAside"] == 0

    on_bench(act, options(sensors=tags(4, every_s=30)))


@pytest.mark.parametrize("kind", ["status", "meta/+", "state/+"])
def test_an_acknowledgement_of_anything_else_that_is_lost_silences_nothing(kind: str) -> None:
    """Each kind sends one message at a time: a connection may last for months."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        lost = bench.broker.script.on(f"+/+/+/+/{kind}", Answer(times=0), times=1)
        bench.broker.hang_up()
        await run_until(bench, partial(is_used, lost), within_s=300)
        before = len(statuses(bench)), len(bench.broker.received)
        await bench.run(HOUR_S / 4)
        assert len(statuses(bench)) - before[0] > 12
        assert len(bench.broker.received) > before[1]
        await promises_hold(bench, judge)
        assert "not acknowledged in time" in bench.gateway.log

    on_bench(act, options(sensors=tags(2, every_s=30)))


@pytest.mark.parametrize("how", ["frozen", "swallowed"])
def test_a_connection_that_is_half_open_is_noticed_within_its_deadline_and_loses_nothing(
    how: str,
) -> None:
    """10 s and what is outstanding at 500 B/s: within half a minute of what was sent last."""

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(120)
        if how == "frozen":
            bench.broker.freeze()
        else:
            bench.way.line = Line(swallows=True)
        await run_until(
            bench, lambda: "not acknowledged in time" in bench.gateway.log, within_s=45
        )
        bench.broker.thaw()
        bench.way.line = Line()
        await bench.run(180)
        await promises_hold(bench, judge)
        assert came(bench, "replay")

    # A keepalive of ten minutes: it is the deadline of the acknowledgement that tells.
    on_bench(act, options(sensors=tags(2, every_s=10), offer=Offer(server_keep_alive_s=600)))


def test_a_quiet_connection_with_a_keepalive_of_hours_is_missed_by_its_status() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(60)
        bench.way.line = Line(swallows=True)
        noticed = "messages not acknowledged in time"
        await run_until(bench, lambda: noticed in bench.gateway.log, within_s=300)

    on_bench(act, options(sensors=tags(1, every_s=3600), offer=Offer(server_keep_alive_s=36_000)))


# ------------------------------------------------------------------------------------ reason codes
def test_a_broker_that_ends_the_connection_with_every_code_there_is_loses_nothing() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        for code in (0x00, 0x04, *(each for each in FAILURES if each != TOO_LARGE)):
            rule = bench.broker.script.on(OBSERVATIONS, Answer(disconnect=code), times=1)
            await run_until(bench, partial(is_used, rule), within_s=300)
            await bench.run(30)
        await bench.run(300)
        await promises_hold(bench, judge)
        assert statuses(bench)[-1]["counters"]["setAside"] == 0

    on_bench(act, options(sensors=tags(2, every_s=20)))


def test_every_refusal_there_is_holds_up_nothing_and_only_what_is_hopeless_is_set_aside() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(60)
        for code in FAILURES:
            rule = bench.broker.script.on(OBSERVATIONS, Answer(reason_code=code), times=1)
            await run_until(bench, partial(is_used, rule), within_s=300)
            await bench.run(60)
        await bench.run(300)
        assert (await check_expectation(judge, "declared_losses_only")).ok
        await promises_hold(bench, judge, "every_accepted_observation_delivered")
        told = statuses(bench)[-1]
        # One observation each: what is too large and single is set aside too.
        assert told["counters"]["setAside"] == len((*ASIDE, TOO_LARGE))
        assert told["counters"]["inMemory"] == told["counters"]["inBacklog"] == 0
        alarms = {one["reasonCode"] for one in events(bench, "uplink.refused")}
        assert len(alarms) > len(FAILURES) / 2, "one a minute at most"

    on_bench(act, options(sensors=tags(1, every_s=20)))
