"""The clock: what is believed, since when, and that no step comes between word and offset."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.clock import ClockReading, ClockState, SystemClock, Word
from tests.fakes import EPOCH_NS, NS
from tests.hosts import SINCE_1970_NS, FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable

SYNCED, HOLDOVER, UNSYNCED = ClockState.SYNCED, ClockState.HOLDOVER, ClockState.UNSYNCED
HOUR_NS = 3_600 * NS


def after(host: FakeHost, clock: SystemClock, seconds: float = 1) -> ClockReading:
    """Let time pass; what is known then."""
    host.pass_s(seconds)
    return clock.reading()


def test_a_machine_that_has_just_started_knows_no_time() -> None:
    host = FakeHost()
    reading = SystemClock(host=host).reading()
    assert (reading.state, reading.offset_ns) == (UNSYNCED, None)
    assert reading.shown_ns == SINCE_1970_NS


def test_wall_time_is_believed_while_something_synchronises_it() -> None:
    host = FakeHost()
    clock = SystemClock(host=host)
    assert clock.wall_ns() == host.wall_ns()
    host.set_right()
    host.max_error_ms = 18
    reading = after(host, clock)
    assert (reading.state, reading.max_error_ms, reading.offset_ns) == (SYNCED, 18, EPOCH_NS)
    assert reading.since_ns == host.now_ns
    assert clock.wall_ns() == EPOCH_NS + host.now_ns
    assert after(host, clock, 100).since_ns == 1_001 * NS


def test_the_host_is_asked_once_a_second_at_most() -> None:
    host = FakeHost()
    clock = SystemClock(host=host)
    for _ in range(100):
        clock.reading()
        host.pass_s(0.1)
    assert host.asked == 10


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS, 2_500_000_000])
def test_within_the_second_a_step_changes_neither_word_nor_time(by_ns: int) -> None:
    host = FakeHost()
    host.set_right()
    clock = SystemClock(host=host)
    clock.reading()
    host.pass_s(0.5)
    host.step(by_ns)
    assert (clock.reading().state, clock.reading().offset_ns) == (SYNCED, EPOCH_NS)
    assert clock.wall_ns() == EPOCH_NS + host.now_ns


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS])
def test_in_holdover_boot_time_goes_on_counting_whoever_sets_the_clock(by_ns: int) -> None:
    host = FakeHost()
    host.set_right()
    clock = SystemClock(host=host)
    clock.reading()
    host.step(by_ns)
    reading = after(host, clock, 5)
    assert (reading.state, reading.offset_ns) == (HOLDOVER, EPOCH_NS)
    assert reading.shown_ns == EPOCH_NS + by_ns
    assert clock.wall_ns() == EPOCH_NS + host.now_ns
    host.set_right()
    assert after(host, clock).state is SYNCED


def test_a_step_by_the_one_who_synchronises_is_followed() -> None:
    host = FakeHost()
    host.set_right(error_ns=-HOUR_NS)
    clock = SystemClock(host=host)
    assert clock.reading().offset_ns == EPOCH_NS - HOUR_NS
    host.set_right()
    assert after(host, clock).offset_ns == EPOCH_NS


def test_the_error_grows_in_holdover_as_fast_as_the_kernel_would_let_it() -> None:
    host = FakeHost()
    host.set_right()
    host.max_error_ms = 20
    clock = SystemClock(host=host)
    clock.reading()
    host.synced = False
    assert [after(host, clock, wait_s).max_error_ms for wait_s in (2, 2, 3_596)] == [21, 22, 1820]
    host.set_right()
    assert after(host, clock).max_error_ms == 20


def test_suspend_moves_both_clocks_and_nothing_else() -> None:
    host = FakeHost()
    host.set_right()
    clock = SystemClock(host=host)
    before = clock.reading()
    assert after(host, clock, 8 * 3_600) == before


def test_a_host_that_is_set_otherwise_is_believed_unasked() -> None:
    host = FakeHost()
    reading = SystemClock("system", host=host).reading()
    assert (reading.state, reading.offset_ns, host.asked) == (SYNCED, SINCE_1970_NS, 0)


# ------------------------------------------------------------------------- between word and offset
class Interrupted(FakeHost):
    """A host on which something happens just before or after the kernel gave its word."""

    def __init__(self) -> None:
        super().__init__()
        self.before: list[Callable[[], None]] = []
        self.after: list[Callable[[], None]] = []

    def word(self) -> Word:
        if self.before:
            self.before.pop(0)()
        word = super().word()
        if self.after:
            self.after.pop(0)()
        return word


@pytest.mark.parametrize("by_ns", [HOUR_NS, -HOUR_NS])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_step_just_when_the_kernel_is_asked_is_never_vouched_for(by_ns: int, when: str) -> None:
    host = Interrupted()
    host.set_right()
    getattr(host, when).append(lambda: host.step(by_ns))
    reading = SystemClock(host=host).reading()
    assert (reading.state, reading.offset_ns) == (UNSYNCED, None)


@pytest.mark.parametrize("when", ["before", "after"])
def test_being_set_right_just_then_is_noticed(when: str) -> None:
    host = Interrupted()
    getattr(host, when).append(host.set_right)
    reading = SystemClock(host=host).reading()
    assert (reading.state, reading.offset_ns) == (SYNCED, EPOCH_NS)


def test_a_clock_that_never_stands_still_is_no_news() -> None:
    host = Interrupted()
    host.set_right()
    clock = SystemClock(host=host)
    before = clock.reading()
    host.after += [lambda: host.set_right(HOUR_NS), host.set_right] * 50
    assert after(host, clock) is before


class Preempted(FakeHost):
    """A host on which we are interrupted between two looks at its clocks."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def wall_ns(self) -> int:
        shown_ns = super().wall_ns()
        if self.times:
            self.times -= 1
            self.pass_s(3)
        return shown_ns


def test_being_interrupted_between_the_two_clocks_is_no_step() -> None:
    host = Preempted(times=3)
    host.set_right()
    assert SystemClock(host=host).reading().offset_ns == EPOCH_NS


# ------------------------------------------------------------------------------------ this machine
def test_this_machines_clocks_are_read() -> None:
    clock = SystemClock("system")
    before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    told_ns = clock.boot_ns(), clock.wall_ns()
    after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns()
    assert before_ns[0] <= told_ns[0] <= after_ns[0]
    assert before_ns[1] - 5_000_000 <= told_ns[1] <= after_ns[1] + 5_000_000
    assert clock.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_this_machines_kernel_is_asked_and_answers() -> None:
    reading = SystemClock().reading()
    assert (reading.offset_ns is None) == (reading.state is UNSYNCED)
    assert (reading.max_error_ms is None) == (reading.state is UNSYNCED)
