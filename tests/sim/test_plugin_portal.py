"""The portals of the plugin: plain functions on a loop, in virtual time or in a thread."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import SimulatorError
from gateway.sim.fixtures.portal import Portal, SteppedPortal, ThreadedPortal
from gateway.sim.fixtures.stage import until

_HOUR_S = 3600.0
_HANG_GUARD_S = 60.0


class WrongError(Exception):
    """What a callback, a task or a context raises."""


@pytest.fixture(params=[SteppedPortal, ThreadedPortal], ids=["stepped", "threaded"])
def portal(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """Open a portal of each kind."""
    make: Callable[[], Portal] = request.param
    opened = make()
    yield opened
    opened.close()


@pytest.fixture
def stepped() -> Iterator[SteppedPortal]:
    """Open one on virtual time."""
    opened = SteppedPortal()
    yield opened
    opened.close()


@asynccontextmanager
async def grouped(seen: list[object]) -> AsyncGenerator[str]:
    """Hold what only the task that entered it may leave."""
    async with asyncio.TaskGroup() as group:
        busy = group.create_task(asyncio.Event().wait())
        seen.append(asyncio.current_task())
        yield "value"
        seen.append(asyncio.current_task())
        busy.cancel()


async def returned(value: int) -> int:
    """Wait a turn of the loop, and return it."""
    await asyncio.sleep(0)
    return value


async def fails() -> None:
    """Raise after a turn of the loop."""
    await asyncio.sleep(0)
    raise WrongError


def test_a_call_returns_what_the_loop_returns_and_raises_what_it_raises(portal: Portal) -> None:
    assert portal.wait(returned(3)) == 3
    with pytest.raises(WrongError):
        portal.wait(fails())


def test_a_context_is_entered_and_left_by_one_task(portal: Portal) -> None:
    seen: list[object] = []
    held = portal.hold(grouped(seen))
    assert held.value == "value"
    held.leave()
    held.leave()
    assert len(seen) == 2
    assert seen[0] is seen[1]


def test_a_context_that_cannot_be_entered_says_why(portal: Portal) -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None]:
        await fails()
        yield

    with pytest.raises(WrongError):
        portal.hold(broken())


def test_a_context_that_failed_while_it_was_held_is_told_when_it_is_left(portal: Portal) -> None:
    @asynccontextmanager
    async def fragile() -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            yield

    held = portal.hold(fragile())
    with pytest.raises(ExceptionGroup):
        held.leave()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be heard, also where pytest's own process has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_what_ctrl_c_left_half_entered_is_left_at_the_end(portal: Portal) -> None:
    left: list[str] = []

    @asynccontextmanager
    async def slow() -> AsyncGenerator[None]:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
            yield
        finally:
            left.append("left")

    with pytest.raises(KeyboardInterrupt):
        portal.hold(slow())
    portal.close()
    assert left == ["left"]


def test_what_a_callback_raised_is_not_lost(portal: Portal) -> None:
    called: list[str] = []

    def wrong() -> None:
        called.append("wrong")
        raise WrongError

    with pytest.raises(WrongError):  # noqa: PT012 - this call, or the next
        portal.do(lambda: portal.loop.call_soon(wrong))
        portal.wait(until(lambda: called == ["wrong"], within_s=_HANG_GUARD_S))


def test_what_a_forgotten_task_raised_is_told_at_the_latest_at_the_end() -> None:
    portal = ThreadedPortal()

    async def forget() -> None:
        task = asyncio.create_task(fails(), name="forgotten")
        await asyncio.wait((task,))
        del task
        gc.collect()

    with pytest.raises(WrongError):  # noqa: PT012 - the call, or the end
        portal.wait(forget())
        portal.close()
    portal.close()


def test_a_call_from_its_own_loop_is_refused_but_an_act_is_done(portal: Portal) -> None:
    done: list[int] = []

    async def inside() -> None:
        portal.do(lambda: done.append(1))
        portal.wait(asyncio.sleep(0))

    with pytest.raises(SimulatorError, match="loop that it is made on"):
        portal.wait(inside())
    assert done == [1]


def test_a_call_from_another_loop_is_done(portal: Portal) -> None:
    async def theirs() -> int:  # a test that another plugin runs
        return portal.wait(returned(4))

    assert asyncio.run(theirs()) == 4


def test_between_two_calls_virtual_time_stands_still(stepped: SteppedPortal) -> None:
    turned: list[float] = []

    async def later() -> None:
        asyncio.get_running_loop().call_later(_HOUR_S, turned.append, 1)

    async def two_hours() -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(2 * _HOUR_S, over.set)
        await over.wait()

    stepped.wait(later())
    assert stepped.loop.time() == 0
    assert not turned
    stepped.wait(two_hours())
    assert stepped.loop.time() == 2 * _HOUR_S
    assert turned


def test_a_thread_goes_on_between_two_calls() -> None:
    portal = ThreadedPortal()
    turned = threading.Event()

    async def later() -> None:
        asyncio.get_running_loop().call_later(0.01, turned.set)

    portal.wait(later())
    assert turned.wait(30)  # while nobody calls
    portal.close()


def test_a_closed_portal_has_cancelled_what_still_ran(portal: Portal) -> None:
    ended: list[str] = []

    async def lasts() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def begin() -> asyncio.Task[None]:
        task = asyncio.create_task(lasts(), name="lasting")
        await asyncio.sleep(0)
        return task

    task = portal.wait(begin())
    portal.close()
    assert ended == ["cancelled"]
    assert task.cancelled()
