"""A board that starts without the time tells none until a server does, and then the right one."""

from collections.abc import Callable

import pytest

from tests.esp32.test_scenarios import RECONNECT_GUARD_S
from tests.esp32.test_scenarios import board as board  # noqa: PLC0414 - a fixture
from tests.scenarios.conftest import play as play  # noqa: PLC0414 - a fixture
from tests.scenarios.stage import Setting, Stage
from tests.scenarios.test_time import judge_undated, observations, told

Play = Callable[..., None]

STEP_S = 7_200


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
