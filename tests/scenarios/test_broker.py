"""The broker goes away, freezes, refuses: nothing heard is lost, and live data stays live."""

from collections.abc import Callable

import pytest

from gateway.sim.proxy import Line
from tests.scenarios.agents import kept_rows
from tests.scenarios.stage import ROOT, Setting, Stage
from tests.schema.published import Json

Play = Callable[..., None]

OUTAGE_S = 60.0
# The agent's back-off after an outage of a minute has grown to a minute, with full jitter.
RECONNECT_GUARD_S = 150.0

ALL = "topic readwrite #\n"
NO_LIVE = f"topic read #\ntopic write {ROOT}/status\ntopic write {ROOT}/obs/replay\n"
NO_OBSERVATIONS = f"topic read #\ntopic write {ROOT}/status\n"


@pytest.mark.slow
def test_a_broker_away_for_a_minute_costs_nothing_and_live_data_does_not_wait_for_late_data(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.stop()
            await stage.passed(OUTAGE_S)
            before, told = len(stage.read().lanes), len(stage.read().statuses)

            def births() -> list[Json]:
                return [one for one in stage.read().statuses[told:] if one["state"] == "online"]

            stage.broker.start()
            await stage.until(
                lambda: "r" in stage.read().lanes and bool(births()), guard_s=RECONNECT_GUARD_S
            )
            assert births()[0]["counters"]["inBacklog"] > 0
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            await stage.arrived(20)
        await stage.all_arrived()
        drain = stage.read().lanes[before:].rstrip("l")
        assert drain.count("r") > 20
        # One slot in flight: the lanes take turns, as long as live data waits.
        assert drain.count("l") >= drain.count("r") / 4, drain
        assert drain.count("r") >= drain.count("l") / 4, drain
        await stage.end_agent()

    link = "delivery: {in_flight_window: 1}"
    play(scenario, Setting(delivery=link, line=Line(latency_s=0.025)))


def test_a_frozen_broker_is_noticed_and_costs_nothing(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.freeze()
            await stage.logged("not acknowledged in time")
            await stage.sent(40)
            stage.broker.thaw()
            await stage.all_arrived()
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        assert "obs/replay" in {arrival.lane for arrival in stage.read().arrivals}

    play(scenario, Setting(delivery="delivery: {ack_timeout: 2s, min_rate: 1MB}"))


def test_a_denied_lane_is_left_to_the_other_and_taken_up_again(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.permit(NO_LIVE)
            await stage.logged("lane refused lane=live reason_code=0x87")
            await stage.until(lambda: "r" in stage.read().lanes)
            await stage.sent(40)
            await stage.all_arrived()
            stage.permit(ALL)
            await stage.logged("lane accepted again lane=live")
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        assert stage.read().last["counters"]["delivered"] == stage.ledger.sent_count
        assert not stage.read().repeated, "what is refused was not taken"

    play(scenario, Setting(acl=ALL))


def test_denied_on_both_lanes_everything_waits_in_the_store(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.permit(NO_OBSERVATIONS)
            await stage.logged(
                "lane refused lane=live reason_code=0x87",
                "lane refused lane=replay reason_code=0x87",
            )
            before = len(stage.read().arrivals)
            await stage.sent(100)
            assert len(stage.read().arrivals) == before
            stage.permit(ALL)
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
        await stage.all_arrived()
        await stage.end_agent()
        assert stage.read().last["counters"]["delivered"] == stage.ledger.sent_count
        assert not kept_rows(stage.store)

    play(scenario, Setting(acl=ALL))
