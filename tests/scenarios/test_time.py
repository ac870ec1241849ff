"""A gateway that starts in 1970, and one that was away for longer than its certificates hold."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.authorities import expired, in_days
from tests.scenarios.clocks import OtherClock, another_boot
from tests.scenarios.stage import Setting, Stage
from tests.scenarios.test_tls import Site, said
from tests.schema.published import Json

Play = Callable[..., None]

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
FEW_WAITING = 4
KERNEL = Setting(
    plain=3, encrypted=2, ruuvi=1, lora=1, every_s=0.3, clock="clock: {source: kernel}"
)
ANOTHER_BOOT = "b0075eed-0000-4000-8000-000000000002"


def observations(stage: Stage, quality: str = "", since: int = 0) -> list[Json]:
    """Return what has arrived, from the `since`th message on."""
    return [
        one
        for arrival in stage.read().arrivals[since:]
        for one in arrival.observations
        if quality in {"", one["timeQuality"]}
    ]


async def told(stage: Stage, state: str) -> Json:
    """Return the first status that says this of the clock from now on."""
    await stage.until(lambda: stage.read().last["clock"]["state"] == state)
    return stage.read().last


def steps_s(stage: Stage) -> list[int]:
    """Return the steps of the clock that events have told of."""
    events = (event for event in stage.read().events if event["kind"] == "clock.step")
    return [round(event["byMs"] / 1_000) for event in events]


def judge_undated(stage: Stage, status: Json) -> None:
    """See that a boot's status dates what its observations could not."""
    undated = [one for one in observations(stage, "unknown") if one["boot"] == status["boot"]]
    assert undated
    for one in undated:
        stage.spoken.check_time(one, (status["clock"]["bootTimeMs"] + one["uptimeMs"]) / 1_000)


def test_started_in_1970_it_tells_no_time_until_it_is_known_and_then_the_right_one(
    play: Play, tmp_path: Path
) -> None:
    clock = OtherClock(tmp_path)

    async def scenario(stage: Stage) -> None:
        clock.begin_at_1970()
        stage.environment = clock.environment
        made = [round(-clock.ahead_s), -HOUR_S, HOUR_S]
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            assert len(observations(stage, "unknown")) == len(observations(stage))
            first = stage.read().last
            assert first["clock"] == {"state": "unsynced", "source": "kernel"}
            assert "sentTime" not in first

            stage.broker.stop()
            await stage.sent(40)
            clock.show(0, synced=True)
            await stage.logged("clock is synced")
            stage.broker.start()
            status = await told(stage, "synced")
            assert status["clock"]["maxErrorMs"] == 20
            await stage.until(lambda: observations(stage, "exact") != [])
            await stage.all_arrived()
            assert len(observations(stage, "reconstructed")) > 20
            judge_undated(stage, status)

            clock.show(-HOUR_S, synced=False)  # somebody sets it by hand, and wrong
            late = len(stage.read().arrivals)
            holding = await told(stage, "holdover")
            await stage.until(lambda: observations(stage, "holdover") != [])
            judge_undated(stage, holding)
            await stage.arrived(20)
            clock.show(0, synced=True)
            await told(stage, "synced")
            await stage.arrived(20)
            assert not observations(stage, "unknown", late)
            # What waited through one of the two changes of state claims no more than that.
            assert len(observations(stage, "reconstructed", late)) <= FEW_WAITING
        await stage.all_arrived()
        await stage.until(lambda: len(steps_s(stage)) >= len(made))
        assert steps_s(stage) == made
        await stage.end_agent()

    play(scenario, KERNEL)


def test_what_another_boot_could_not_date_stays_undated_and_keeps_its_order(
    play: Play, tmp_path: Path
) -> None:
    clock = OtherClock(tmp_path)
    within = another_boot(tmp_path, ANOTHER_BOOT, uptime_s=40)

    async def scenario(stage: Stage) -> None:
        clock.begin_at_1970()
        stage.environment = clock.environment
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(10)
            before = stage.read().last["boot"]
            stage.broker.stop()
            await stage.sent(40)
            kept = sum(len(row.entries) for row in stage.kill_agent())
            assert kept > 20

            stage.within = within
            clock.begin_at_1970()
            await stage.start_agent()
            await stage.sent(30)
            clock.show(0, synced=True)
            await stage.logged("clock is synced")
            stage.broker.start()
            status = await told(stage, "synced")
            assert status["boot"] == ANOTHER_BOOT != before
            assert 40_000 < status["uptimeMs"] < 1_000_000
            await stage.until(lambda: observations(stage, "exact") != [])
            await stage.all_arrived()
        await stage.end_agent()
        assert {one["boot"] for one in observations(stage, "unknown")} == {before}
        assert len(observations(stage, "reconstructed")) > 10
        _judge_order(stage, kept)

    play(scenario, KERNEL)


def _judge_order(stage: Stage, kept: int) -> None:
    """See that what is undated keeps order and spacing: a sensor's uptime counts with its numbers.

    Between sensors a busy gateway may number what came within moments the other way round.
    """
    stream = stage.read().arrivals[0].stream
    undated: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for arrival in stage.read().arrivals:
        for one in arrival.observations:
            if arrival.stream == stream and one["timeQuality"] == "unknown":
                undated[one["device"]][one["seq"]] = one["uptimeMs"]
    assert sum(map(len, undated.values())) > kept
    for heard in undated.values():
        uptimes = [heard[seq] for seq in sorted(heard)]
        assert uptimes == sorted(uptimes)


@pytest.mark.slow
def test_away_for_longer_than_certificates_hold_it_collects_and_is_back_when_they_are_renewed(
    play: Play, tmp_path: Path
) -> None:
    """400 days later by the clock that TLS goes by: first the broker's has expired, then ours."""
    clock, site = OtherClock(tmp_path), Site(tmp_path)
    issue = site.authority.issue
    site.give_broker(issue("127.0.0.1", not_after=in_days(90)))

    async def scenario(stage: Stage) -> None:
        clock.show(0, synced=True)
        stage.environment = {**site.environment, **clock.environment}
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(10)
            stage.broker.stop()
            clock.show(400 * DAY_S, synced=False)
            site.give_gateway(issue("gw", **expired()))
            await stage.sent(10)
            stage.broker.start()
            site.touch_ca()
            await stage.until(said(stage.agent, "its certificate has expired", "renew it"))
            await stage.sent(10)
            stage.broker.stop()
            site.give_broker(issue("127.0.0.1", not_after=in_days(500)))
            stage.broker.start()
            site.touch_ca()
            await stage.until(said(stage.agent, "our certificate has expired", "renew"))
            await stage.sent(10)
            site.give_gateway(issue("gw", not_after=in_days(500)))
            await stage.arrived(30)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, KERNEL._replace(tls=site.listener, every_s=1.0))
