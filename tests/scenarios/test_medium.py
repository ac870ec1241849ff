"""The store's medium fills up, refuses writes, is taken away: what can be kept is kept."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from gateway.sim.proxy import Line
from tests.scenarios.media import SmallMedium, taken_away, unwritable
from tests.scenarios.stage import ROOT, Setting, Stage
from tests.scenarios.stores import fill

Play = Callable[..., None]
Trouble = Callable[[Path], AbstractContextManager[None]]

ALL: Final = "topic readwrite #\n"
# What the agent says of itself gets through; observations do not, so they have to be kept.
NO_OBSERVATIONS: Final = f"topic read #\ntopic write {ROOT}/status\ntopic write {ROOT}/event\n"
IN_THE_STORE_S: Final = 2.0  # all that was heard is, after so long
MEDIUM_BYTES: Final = 16_000_000
FLOOR_BYTES: Final = 4_000_000
ON_IT: Final = {"UGW__STORE__KEEP_FREE": f"{FLOOR_BYTES}B", "UGW__STORE__BALLAST": "2MB"}
MANY: Final = Setting(
    plain=24, every_s=0.1, events=12, acl=ALL, sheds=True, troubles=("memory-only",), line=Line()
)


async def refuse(stage: Stage) -> None:
    """Let the broker take no observations from now on."""
    stage.permit(NO_OBSERVATIONS)
    await stage.logged("lane refused lane=live", "lane refused lane=replay")


def accept(stage: Stage) -> None:
    """Let it take all; on a new connection what was refused is tried at once."""
    stage.permit(ALL)
    stage.link.cut()


def small_medium(stage: Stage) -> SmallMedium:
    """Have the store of all agents to come on a medium of its own."""
    medium = SmallMedium(stage.store, MEDIUM_BYTES)
    stage.live_on(medium)
    stage.environment = ON_IT
    return medium


async def store_state(stage: Stage, state: str) -> None:
    """Return when the agent says this of its store."""
    await stage.until(lambda: stage.read().last["storeState"] == state)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [unwritable, taken_away])
def test_what_cannot_be_written_waits_in_memory_until_it_can(play: Play, trouble: Trouble) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await refuse(stage)
            await stage.sent(60)
            with trouble(stage.store):
                await store_state(stage, "memory-only")
                assert stage.read().last["level"] == "normal"
                await stage.sent(60)
            await store_state(stage, "ok")
            accept(stage)
            await stage.all_arrived()
        await stage.all_arrived()
        await stage.end_agent()
        told = [one["state"] for one in stage.read().events if one["kind"] == "store"]
        assert told == ["memory-only", "ok"]

    play(scenario, Setting(acl=ALL, line=Line(), troubles=("memory-only",)))


async def first_loss(stage: Stage) -> None:
    """Let all send until the platform is told of a loss, and no longer."""
    async with stage.sending():
        await stage.until(lambda: stage.read().lost.count > 0)


async def all_goes_on(stage: Stage) -> None:
    """See all arrive that is still to come, and what is heard from now on."""
    accept(stage)
    await stage.all_arrived()
    async with stage.sending():
        await stage.arrived(40)
    await stage.all_arrived()
    await stage.end_agent()


def test_what_memory_cannot_hold_either_goes_routine_first_and_is_declared(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await refuse(stage)
        with taken_away(stage.store):
            await first_loss(stage)
            assert stage.read().last["storeState"] == "memory-only"
        await store_state(stage, "ok")
        await all_goes_on(stage)
        judge = stage.read()
        assert {(judge.classes[one.stream], one.reason) for one in judge.lost.told} == {
            ("routine", "store")
        }

    play(scenario, MANY._replace(delivery="delivery: {memory: 256kB}"))


def test_below_the_floor_of_free_space_the_store_does_not_grow_and_routine_makes_room(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        medium = small_medium(stage)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await refuse(stage)
            await stage.passed(IN_THE_STORE_S)
        medium.somebody_fills(leaving=FLOOR_BYTES - 500_000)
        await first_loss(stage)
        assert stage.read().last["level"] == "full"
        medium.somebody_cleans_up()
        await all_goes_on(stage)
        judge = stage.read()
        assert {(judge.classes[one.stream], one.reason) for one in judge.lost.told} == {
            ("routine", "full")
        }

    play(scenario, MANY)


def test_on_a_medium_without_a_byte_left_the_ballast_lets_it_start_and_drain(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(stage: Stage) -> None:
        medium = small_medium(stage)
        kept = await fill(tmp_path / "filled", 2_000_000)
        shutil.copy(tmp_path / "filled" / "backlog.db", stage.store)
        ballast = stage.store / "ballast"
        stage.broker.stop()
        await stage.start_agent()
        stage.agent.terminate()
        await stage.until(lambda: stage.agent.code == 0)
        assert ballast.exists()
        medium.somebody_fills(leaving=0)

        stage.broker.start()
        await stage.start_agent()
        await stage.logged("ballast given up")
        await stage.until(lambda: len(stage.read().numbers[kept.id]) == kept.next_seq)
        assert not ballast.exists()
        medium.somebody_cleans_up()
        stage.broker.stop()
        async with stage.sending():
            await stage.sent(40)
            stage.broker.start()
            await stage.all_arrived()
        await stage.until(ballast.exists)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario)
