"""The scenarios of the Pi's agent, played by an ESP32 and judged the same.

Two kinds of it: one with PSRAM loads the agent from files, one without has 56 kB of heap for all,
and the agent in its firmware.

A board that has no memory left, or that hangs, starts anew: here it stays off then, and the
scenario fails with what its console said.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from gateway.sim import esp32_wire
from gateway.sim.proxy import Line
from tests.scenarios.agents import kept_numbers
from tests.scenarios.conftest import play as play  # noqa: PLC0414 - a fixture
from tests.scenarios.stage import LORA_STRANGER, Setting, Stage
from tests.scenarios.test_normal_run import end_and_start_again, strangers

Play = Callable[..., None]

BOARD = Setting(agent="files", plain=3, encrypted=3, ruuvi=2, lora=2, every_s=0.5)
BOARDS = {
    "files": BOARD,
    # So many sensors have room in 56 kB, of every kind; a sensor takes 0.3 to 1 kB.
    "frozen": BOARD._replace(agent="frozen", plain=2, encrypted=2, ruuvi=1, lora=1, every_s=0.4),
}
RECONNECT_GUARD_S = 100.0  # the pauses between its attempts grow to a minute


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Setting:
    """Return the board that is played on."""
    return BOARDS[request.param]


@pytest.mark.parametrize("scan", ["passive", "active"])
def test_all_that_listed_sensors_say_arrives_to_the_last_digit_and_nobody_elses(
    play: Play, board: Setting, scan: str
) -> None:
    async def scenario(stage: Stage) -> None:
        strangers(stage)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(60)
            stage.board.lora(LORA_STRANGER, b"01670110")
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["heard"] == stage.board.audible
        assert counters["unlisted"] > 10
        assert counters["decoded"] == stage.ledger.sent_count
        assert counters["delivered"] == counters["observed"] == stage.ledger.sent_count
        # Three large ones at once fill three quarters of what it has for them: then it writes.
        lanes = Counter(arrival.lane for arrival in stage.read().arrivals)
        assert lanes["obs/live"] > 9 * lanes["obs/replay"]
        assert not stage.read().repeated

    play(scenario, board._replace(scan=scan))


def test_a_clean_end_is_told_and_the_next_run_says_so(play: Play, board: Setting) -> None:
    play(end_and_start_again, board)


def test_a_broker_that_was_away_costs_nothing(play: Play, board: Setting) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.stop()
            await stage.sent(80)
            stage.broker.start()
            await stage.until(lambda: "r" in stage.read().lanes, guard_s=RECONNECT_GUARD_S)
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, board)


@pytest.mark.long
def test_a_frozen_broker_is_noticed_and_costs_nothing(play: Play, board: Setting) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.freeze()
            await stage.sent(100)
            stage.broker.thaw()
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        assert "obs/replay" in {arrival.lane for arrival in stage.read().arrivals}

    play(scenario, board._replace(delivery="delivery: {ack_timeout: 2s, min_rate: 1MB}"))


@pytest.mark.long
def test_wifi_that_goes_and_comes_back_costs_nothing(play: Play, board: Setting) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.link.line = Line(swallows=True)
            stage.board.board.set_wifi(esp32_wire.AWAY)
            await stage.sent(80)
            stage.board.board.set_wifi(esp32_wire.THERE)
            stage.link.line = Line()
            stage.link.cut()
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, board._replace(line=Line()))


def test_without_power_with_a_backlog_it_loses_nothing_it_had_accepted(
    play: Play, board: Setting
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.broker.stop()
            await stage.sent(80)
            stage.kill_agent()
            assert sum(len(each) for each in kept_numbers(stage.store).values()) > 30
            await stage.start_board(connected=False)
            await stage.sent(30)
            stage.broker.start()
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()
        births = [s for s in stage.read().statuses if s["previous"]]
        assert {one["end"] for one in births[0]["previous"]} == {"unclean"}
        assert births[0]["counters"]["recovered"] > 30

    play(scenario, board)
