"""The watchdog is fed while every task gives signs of life, and not one moment longer."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.service_manager import ServiceManager
from gateway.vitals import STUCK_AFTER_S, Pulse, Vitals, Watch
from tests.brokers import HANG_S, strict_run
from tests.fakes import FakeClock
from tests.managers import Manager, manager_on_a_path

FED = "WATCHDOG=1"
WATCHDOG_S = 0.12  # asked every 20 ms


@asynccontextmanager
async def watched(vitals: Vitals, manager: Manager, line: str = "") -> AsyncGenerator[None]:
    """Watch meanwhile, with a watchdog that bites after WATCHDOG_S."""
    environ = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    watch = Watch(vitals, ServiceManager(environ), lambda: line)
    task = asyncio.create_task(watch.run(), name="watch")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Task:
    """A task that waits for work, which it may never get, and comes round when it is woken."""

    def __init__(self, vitals: Vitals, name: str) -> None:
        self.wake = asyncio.Event()
        self.hangs = asyncio.Event()  # set: it waits for ever for something else
        self.hung = asyncio.Event()
        self.hung_at = 0.0
        self.pulse = vitals.pulse(name, self.wake.set)

    async def run(self) -> None:
        while True:
            self.pulse.beat()
            self.wake.clear()
            await self.wake.wait()
            if self.hangs.is_set():
                self.hung_at = time.monotonic()
                self.hung.set()
                await asyncio.Event().wait()


@asynccontextmanager
async def running(*tasks: Task) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as group:
        made = [group.create_task(task.run()) for task in tasks]
        yield
        for each in made:
            each.cancel()


def test_idle_tasks_are_woken_for_a_sign_of_life_and_the_watchdog_is_fed() -> None:
    async def scene(manager: Manager) -> None:
        vitals = Vitals(time.monotonic_ns)
        async with running(Task(vitals, "one"), Task(vitals, "two")), watched(vitals, manager):
            await manager.hears(FED, times=5)

    with manager_on_a_path() as manager:
        strict_run(scene(manager))


def test_one_task_that_hangs_stops_the_feeding_although_all_others_answer() -> None:
    async def scene(manager: Manager) -> None:
        vitals = Vitals(time.monotonic_ns)
        good, bad = Task(vitals, "good"), Task(vitals, "bad")
        async with running(good, bad), watched(vitals, manager):
            await manager.hears(FED)
            bad.hangs.set()
            async with asyncio.timeout(HANG_S):
                await bad.hung.wait()
            before = manager.count(FED)
            async with asyncio.timeout(HANG_S):
                while time.monotonic() < bad.hung_at + 4 * WATCHDOG_S:  # noqa: ASYNC110 - it has bitten by then
                    await asyncio.sleep(0.01)
            assert manager.count(FED) == before
            assert vitals.ask_again() == ["bad"]

    with manager_on_a_path() as manager:
        strict_run(scene(manager))


def test_an_event_loop_that_stands_still_feeds_nobody() -> None:
    async def scene(manager: Manager) -> None:
        vitals = Vitals(time.monotonic_ns)
        async with running(Task(vitals, "one")), watched(vitals, manager):
            await manager.hears(FED)
            before = manager.count(FED)
            stands_still_until = time.monotonic() + 4 * WATCHDOG_S
            while time.monotonic() < stands_still_until:
                pass
            assert manager.count(FED) == before
            await manager.hears(FED, times=before + 1)

    with manager_on_a_path() as manager:
        strict_run(scene(manager))


def test_a_task_that_has_ended_in_order_is_not_waited_for() -> None:
    vitals = Vitals(time.monotonic_ns)
    vitals.pulse("radio")
    vitals.ask_all()
    vitals.end("radio")
    vitals.end("one that never was")
    assert vitals.ask_again() == []
    assert vitals.names == []


def test_a_pause_answers_at_once_when_asked() -> None:
    async def scene() -> None:
        vitals = Vitals(time.monotonic_ns)
        pulse = vitals.pulse("uplink")
        pausing = asyncio.create_task(pulse.pause(10 * HANG_S))
        await asyncio.sleep(0)
        for _ in range(3):
            vitals.ask_all()
            async with asyncio.timeout(HANG_S):
                while not pulse.answered:  # noqa: ASYNC110 - that it comes is what is tested
                    await asyncio.sleep(0)
        pausing.cancel()
        with suppress(asyncio.CancelledError):
            await pausing

    asyncio.run(scene())


def test_a_pause_lasts_as_long_however_often_it_is_asked() -> None:
    async def scene() -> None:
        vitals = Vitals(time.monotonic_ns)
        pulse = vitals.pulse("uplink")
        since_s = time.monotonic()
        pausing = asyncio.create_task(pulse.pause(0.1))
        while not pausing.done():
            vitals.ask_all()
            await asyncio.sleep(0.01)
        assert time.monotonic() - since_s >= 0.1

    strict_run(scene())


def test_who_is_silent_for_longer_than_any_wait_in_order_is_named() -> None:
    clock = FakeClock()
    vitals = Vitals(clock.boot_ns)
    pulses: list[Pulse] = [vitals.pulse("keep"), vitals.pulse("uplink")]
    clock.pass_s(STUCK_AFTER_S - 1)
    pulses[1].beat()
    assert vitals.stuck() == []
    clock.pass_s(2)
    assert vitals.stuck() == ["keep"]
    pulses[0].beat()
    assert vitals.stuck() == []


def test_the_line_for_people_is_told_when_it_is_news() -> None:
    lines = ["broker away"]

    def line() -> str:
        return lines[-1]

    with manager_on_a_path() as manager:
        watch = Watch(
            Vitals(time.monotonic_ns), ServiceManager({"NOTIFY_SOCKET": manager.address}), line
        )
        watch.tell()
        watch.tell()
        lines.append("broker connected")
        watch.tell()
        assert manager.heard == ["STATUS=broker away", "STATUS=broker connected"]


@pytest.mark.parametrize("watchdog", ["", "WATCHDOG_USEC=30000000"])
def test_an_agent_without_a_watchdog_asks_all_the_same_for_healthz(watchdog: str) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    async def scene() -> None:
        environ = dict([watchdog.split("=")]) if watchdog else {}
        vitals = Vitals(time.monotonic_ns)
        pulse = vitals.pulse("keep")
        watch = Watch(vitals, ServiceManager(environ), lambda: "", sleep=sleep)
        with suppress(asyncio.CancelledError):
            await watch.run()
        assert not pulse.answered

    asyncio.run(scene())
    assert slept == ([5.0, 5.0] if watchdog else [10.0, 10.0])
