"""A board that starts without the time tells none until a server does, and then the right one."""

import time
from collections.abc import Callable

import pytest

from tests.esp32.test_scenarios import RECONNECT_GUARD_S
from tests.esp32.test_scenarios import board as board  # noqa: PLC0414 - a fixture
from tests.scenarios.conftest import play as play  # noqa: PLC0414 - a fixture
from tests.scenarios.stage import Setting, Stage
from tests.scenarios.test_time import judge_undated, observations, told

Play = Callable[..., None]

CAUSE = "sessions are numbered by the time"


@pytest.mark.long
def test_what_was_heard_before_a_time_server_answered_is_dated_afterwards(
    play: Play, board: Setting
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.board.times.silent = True
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            assert len(observations(stage, "unknown")) == len(observations(stage))
            first = stage.read().last
            assert first["clock"] == {"state": "unsynced", "source": "sntp"}
            assert "sentTime" not in first
            stage.broker.stop()
            await stage.sent(40)
            stage.board.times.silent = False
            await stage.logged("time is known")
            stage.broker.start()
            status = await told(stage, "synced")
            await stage.until(
                lambda: observations(stage, "exact") != [], guard_s=RECONNECT_GUARD_S
            )
            await stage.all_arrived(guard_s=RECONNECT_GUARD_S)
            assert len(observations(stage, "reconstructed")) > 20
            judge_undated(stage, status)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, board._replace(every_s=1.0))


def test_a_board_that_lost_count_numbers_sessions_above_those_before_once_it_knows_the_time(
    play: Play, board: Setting
) -> None:
    """Its flash is new, or the same files were written once more: it begins with 0.

    A platform takes a status of a lower session for a late one: it would ignore them all.
    """

    async def scenario(stage: Stage) -> None:
        stage.board.times.silent = True
        await stage.start_agent()
        await stage.until(lambda: stage.read().statuses != [])
        assert stage.read().last["session"] < 10
        stage.kill_agent()
        await stage.start_board()
        known_ms = time.time_ns() // 1_000_000
        stage.board.times.silent = False
        await stage.logged("time is known")
        await told(stage, "synced")
        raised = stage.read().last["session"]
        assert known_ms <= raised < known_ms + 1_000_000
        assert stage.agent.log.count("broker connected") == 2
        assert stage.agent.log.count(CAUSE) == 1
        for block in (100, 200):
            stage.kill_agent()
            await stage.start_board()
            await told(stage, "synced")
            async with stage.sending():
                await stage.arrived(10)
            await stage.all_arrived()
            assert stage.agent.log.count("broker connected") == 1, "raised once, and never again"
            assert raised + block - 1 <= stage.read().last["session"] <= raised + block
        await stage.end_agent()

    play(scenario, board)


def test_a_new_board_asks_for_the_time_first_and_connects_once(play: Play, board: Setting) -> None:
    async def scenario(stage: Stage) -> None:
        before_ms = time.time_ns() // 1_000_000
        await stage.start_agent()
        await told(stage, "synced")
        assert {one["session"] // 1_000_000 for one in stage.read().statuses} <= {
            before_ms // 1_000_000,
            before_ms // 1_000_000 + 1,
        }
        assert stage.agent.log.count("broker connected") == 1
        await stage.end_agent()

    play(scenario, board)
