"""The loop on virtual time: time, order, refusals, what breaks a run, and how it is suspended."""

import asyncio
import contextlib
import contextvars
import signal
import socket
import threading

import pytest

from gateway.errors import SimulatorError
from gateway.sim.inside.loop import VirtualLoop, run, running

MONTH_S = 30 * 86_400.0
WHOSE: contextvars.ContextVar[str] = contextvars.ContextVar("WHOSE", default="")


def test_a_month_of_sleep_is_over_at_once_and_exact() -> None:
    async def main() -> tuple[float, int]:
        await asyncio.sleep(MONTH_S)
        return asyncio.get_running_loop().time(), running().now_ns

    assert run(main()) == (MONTH_S, int(MONTH_S) * 1_000_000_000)


def test_time_begins_where_it_is_told_to() -> None:
    async def main() -> float:
        return asyncio.get_running_loop().time()

    assert run(main(), start_s=7.5) == 7.5


@pytest.mark.parametrize("start_s", [0.0, 20.123456, 90 * 86_400.0])
def test_no_timer_fires_early_or_more_than_a_microsecond_late(start_s: float) -> None:
    """Also where binary fractions are no decimal ones, and for waits of nanoseconds."""

    async def main() -> None:
        loop = running()
        for wait_ns in (1, 999, 1_000, 1_001, 333_333, 700_000_000, 86_400_000_000_001):
            due_ns = loop.now_ns + wait_ns
            await asyncio.sleep(wait_ns / 1e9)
            assert due_ns <= loop.now_ns < due_ns + 1_001

    run(main(), start_s=start_s)


@pytest.mark.parametrize("bits", [23, 24, 25, 30])
def test_after_months_and_years_a_timer_that_is_due_at_this_moment_fires(bits: int) -> None:
    """2**24 s are 194 days: asyncio's resolution of 1 ns is lost in such a time."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(10):
            due = asyncio.Event()
            loop.call_at(loop.time(), due.set)
            await due.wait()
            await asyncio.sleep(0.1)

    run(main(), start_s=2.0**bits + 5.24)


@pytest.mark.parametrize("bits", [23, 24, 25, 30])
def test_after_months_and_years_a_time_some_nanoseconds_away_is_reached(bits: int) -> None:
    """Such a wait ends at once, for added to the time it is nothing; who asks again is let on."""

    async def main() -> None:
        loop = running()
        due_ns = loop.now_ns + 3
        while (left_ns := due_ns - loop.now_ns) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_ns / 1e9):
                    await asyncio.Event().wait()
        assert loop.now_ns < due_ns + 1_001

    run(main(), start_s=2.0**bits + 5.24)


def test_timers_fire_in_the_order_of_their_times() -> None:
    async def main() -> list[float]:
        fired: list[float] = []
        loop = asyncio.get_running_loop()
        for delay_s in (3.0, 1.0, 2.0, 0.5):
            loop.call_later(delay_s, fired.append, delay_s)
        await asyncio.sleep(4)
        return fired

    assert run(main()) == [0.5, 1.0, 2.0, 3.0]


# ---------------------------------------------------------------------------------------- refusals
def test_a_wait_that_nothing_can_end_is_told_with_the_names_of_those_who_wait() -> None:
    async def main() -> None:
        never = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(asyncio.Event().wait(), name="platform")
        await asyncio.wait([never, waiting])

    with pytest.raises(SimulatorError, match=r"nothing can happen any more at 0\.0.*platform"):
        run(main())


def test_turning_round_instead_of_waiting_is_told() -> None:
    async def turn() -> None:
        while True:  # noqa: ASYNC110 - the very thing that is found out
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.create_task(turn(), name="restless")

    with pytest.raises(SimulatorError, match=r"time stands still at 0.*for ever: restless$"):
        run(main())


def test_sockets_names_and_programs_are_refused() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(SimulatorError, match=r"create_server.*outside"):
            await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
        with pytest.raises(SimulatorError, match="create_connection"):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(SimulatorError, match="subprocess_exec"):
            await asyncio.create_subprocess_exec("true")
        with pytest.raises(SimulatorError, match="getaddrinfo"):
            await loop.getaddrinfo("localhost", 1)
        with socket.socket() as unused, pytest.raises(SimulatorError, match="add_reader"):
            loop.add_reader(unused, print)

    run(main())


def test_a_thread_that_calls_back_breaks_the_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(print,))
        thread.start()
        thread.join()
        await asyncio.sleep(1)

    with pytest.raises(SimulatorError, match="thread"):
        run(main())


def test_what_is_meant_for_a_thread_is_done_at_once_and_raises_where_it_is_awaited() -> None:
    async def main() -> None:
        assert await asyncio.to_thread(threading.get_ident) == threading.get_ident()
        with pytest.raises(ValueError, match="invalid literal"):
            await asyncio.to_thread(int, "x")
        assert asyncio.get_running_loop().time() == 0

    run(main())


# -------------------------------------------------------------------------------------- strictness
def test_what_a_callback_raises_ends_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(1, int, "x")
        await asyncio.sleep(60)

    with pytest.raises(ValueError, match="invalid literal"):
        run(main())


def test_what_a_forgotten_task_raises_ends_the_run() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(2)
        del task
        await asyncio.sleep(60)

    with pytest.raises(ZeroDivisionError):
        run(main())


def test_an_interrupt_cancels_what_runs_and_is_raised() -> None:
    cleaned: list[str] = []

    async def main() -> None:
        try:
            for second in range(10_000):
                await asyncio.sleep(1)
                if second == 3:
                    signal.raise_signal(signal.SIGINT)
        finally:
            cleaned.append("in order")

    with pytest.raises(KeyboardInterrupt):
        run(main())
    assert cleaned == ["in order"]


def test_a_loop_runs_again_and_time_stands_still_between_two_runs() -> None:
    async def wait(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(wait(5)) == 5
        assert runner.run(wait(5)) == 10


def test_another_loop_than_this_is_told_apart() -> None:
    async def main() -> None:
        running()

    with pytest.raises(SimulatorError, match="virtual time"):
        asyncio.run(main())


# -------------------------------------------------------------------------------------- suspending
def test_what_is_suspended_does_nothing_and_makes_up_for_it_when_it_is_resumed() -> None:
    async def tick(told: list[float]) -> None:
        while True:
            await asyncio.sleep(1)
            told.append(asyncio.get_running_loop().time())

    async def main() -> tuple[list[float], list[float]]:
        loop = running()
        ours: list[float] = []
        others: list[float] = []
        context = contextvars.copy_context()
        context.run(WHOSE.set, "ours")
        tasks = (loop.create_task(tick(ours), context=context), loop.create_task(tick(others)))
        await asyncio.sleep(2.5)
        loop.suspend(lambda context: context.get(WHOSE) == "ours")
        await asyncio.sleep(3)
        assert ours == [1, 2]
        loop.resume()
        await asyncio.sleep(2)
        for task in tasks:
            task.cancel()
        return ours, others

    ours, others = run(main())
    assert ours == [1, 2, 5.5, 6.5]
    assert others == [1, 2, 3, 4, 5, 6, 7]


def test_what_is_ready_in_the_very_turn_is_held_back_and_nothing_else() -> None:
    async def main() -> list[str]:
        loop = running()
        done: list[str] = []
        context = contextvars.copy_context()
        context.run(WHOSE.set, "ours")
        loop.call_soon(loop.suspend, lambda each: each.get(WHOSE) == "ours")
        for _ in range(2):
            loop.call_soon(done.append, "ours", context=context)
        loop.call_soon(done.append, "others")
        await asyncio.sleep(1)
        assert done == ["others"]
        loop.resume()
        await asyncio.sleep(1)
        return done

    assert run(main()) == ["others", "ours", "ours"]
