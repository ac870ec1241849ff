"""The watch over the clock: steps are told as events, changes of its worth as a status."""

import asyncio

import pytest

from gateway.clock import SystemClock
from gateway.clock_watch import ClockWatch
from gateway.health import Health, Notice
from tests.fakes import NS
from tests.hosts import FakeHost

HANG_GUARD_S = 30


class Post:
    """A watch and what it has told."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.clock = SystemClock(host=self.host)
        self.health = Health(self.clock)
        self.notices: list[Notice] = []
        self.changes = 0
        self.health.on_notice = self.notices.append
        self.health.on_change = self._change
        self.watch = ClockWatch(self.clock, self.health)

    def _change(self) -> None:
        self.changes += 1

    def look(self) -> None:
        """Look a second later."""
        self.host.pass_s(1)
        self.watch.look()

    @property
    def steps_ms(self) -> list[object]:
        """What events say."""
        assert {notice.kind for notice in self.notices} <= {"clock.step"}
        return [dict(notice.fields)["byMs"] for notice in self.notices]


@pytest.mark.parametrize("by_ms", [3_600_000, -3_600_000, 1_001, -1_001])
@pytest.mark.parametrize("synced", [True, False])
def test_a_step_is_told_once_with_its_direction(by_ms: int, *, synced: bool) -> None:
    post = Post()
    post.look()
    post.host.step(by_ms * 1_000_000)
    post.host.synced = synced
    for _ in range(3):
        post.look()
    assert post.steps_ms == [by_ms]
    assert post.notices[0].at_ns == 1_002 * NS


def test_steps_are_told_one_by_one() -> None:
    post = Post()
    for by_ms in (5_000, -7_000):
        post.host.step(by_ms * 1_000_000)
        post.look()
    assert post.steps_ms == [5_000, -7_000]


def test_time_that_passes_a_small_step_and_a_suspend_are_no_step() -> None:
    post = Post()
    for _ in range(5):
        post.host.step(900_000_000)
        post.look()
    post.host.pass_s(8 * 3_600)
    post.look()
    assert post.notices == []


def test_a_change_of_what_the_clock_is_worth_is_worth_a_status() -> None:
    post = Post()
    post.look()
    assert post.changes == 0
    post.host.set_right()
    post.look()
    post.look()
    assert post.changes == 1
    post.host.step(1)
    post.look()
    assert post.changes == 2


def test_it_looks_again_and_again_and_shows_that_it_lives() -> None:
    async def scene() -> None:
        post = Post()
        pulse = post.health.vitals.pulse("clock")
        told = asyncio.Event()
        post.health.on_change = told.set
        pulse.answered = False
        task = asyncio.create_task(post.watch.run(pulse))
        post.host.set_right()
        post.host.pass_s(1)
        async with asyncio.timeout(HANG_GUARD_S):
            await told.wait()
        assert pulse.answered
        task.cancel()

    asyncio.run(scene())
