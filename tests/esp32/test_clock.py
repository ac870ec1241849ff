"""The clock of an ESP32: uptime never goes back, wall time is as good as it says."""

import re
from types import SimpleNamespace

import pytest

from gateway.esp32 import clock as module
from gateway.esp32.clock import Clock

PERIOD = 1 << 30  # of the chip's ticks
NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000


class Ticks:
    """The chip's time module, as far as the clock asks it."""

    def __init__(self) -> None:
        self.passed_ms = PERIOD - 5_000  # it wraps in the fifth second

    def ticks_ms(self) -> int:
        return self.passed_ms % PERIOD

    @staticmethod
    def ticks_diff(end: int, start: int) -> int:
        return (end - start + PERIOD // 2) % PERIOD - PERIOD // 2


@pytest.fixture(name="ticks")
def _ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks()
    monkeypatch.setattr(module, "time", ticks)
    return ticks


def test_uptime_goes_on_where_the_ticks_wrap(ticks: Ticks) -> None:
    clock = Clock()
    before = ticks.passed_ms
    for _ in range(120):  # 300 days, the chip's ticks wrap every 12
        ticks.passed_ms += 5 * DAY_MS // 2
        assert clock.now() == ticks.passed_ms - before


def test_uptime_that_is_asked_for_within_an_asking_is_right(ticks: Ticks) -> None:
    clock = Clock()
    before = ticks.passed_ms
    real = ticks.ticks_ms

    def interrupted() -> int:
        value = real()
        ticks.ticks_ms = real  # type: ignore[method-assign]
        ticks.passed_ms += 7
        clock.now()
        return value

    ticks.passed_ms += 4 * DAY_MS
    ticks.ticks_ms = interrupted  # type: ignore[method-assign]
    assert clock.now() == ticks.passed_ms - before - 7
    assert clock.now() == ticks.passed_ms - before


@pytest.mark.usefixtures("ticks")
def test_each_boot_has_a_name_of_its_own() -> None:
    names = {Clock().boot for _ in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_a_clock_that_nobody_set_says_so(ticks: Ticks) -> None:
    clock = Clock()
    ticks.passed_ms += DAY_MS
    known = SimpleNamespace(state=clock.state(), error=clock.max_error_ms(), since=clock.since_ms)
    assert known == SimpleNamespace(state="unsynced", error=None, since=0)
    assert clock.offset_ms is None


def test_the_error_grows_as_the_crystal_drifts_and_a_second_of_it_is_holdover(
    ticks: Ticks,
) -> None:
    clock = Clock()
    ticks.passed_ms += 3_000
    assert clock.set(NOW_MS, 200) == 0
    assert (clock.state(), clock.max_error_ms(), clock.since_ms) == ("synced", 200, 3_000)
    ticks.passed_ms += 4_000_000
    assert (clock.state(), clock.max_error_ms()) == ("synced", 600)
    ticks.passed_ms += 3_999_999
    assert clock.state() == "synced"
    ticks.passed_ms += 1
    assert (clock.state(), clock.max_error_ms()) == ("holdover", 1_000)
    ticks.passed_ms += 1_000_000
    assert (clock.state(), clock.max_error_ms(), clock.since_ms) == ("holdover", 1_100, 8_003_000)
    assert clock.offset_ms == NOW_MS


def test_a_better_crystal_holds_longer(ticks: Ticks) -> None:
    clock = Clock(drift_ppm=10)
    clock.set(NOW_MS, 200)
    ticks.passed_ms += 79_000_000
    assert clock.state() == "synced"


def test_setting_it_again_tells_the_step_and_keeps_since_when_it_is_synchronised(
    ticks: Ticks,
) -> None:
    clock = Clock()
    ticks.passed_ms += 1_000
    clock.set(NOW_MS, 50)
    ticks.passed_ms += 1_000
    assert clock.set(NOW_MS - 1_500, 20) == -1_500
    assert (clock.offset_ms, clock.since_ms, clock.max_error_ms()) == (NOW_MS - 1_500, 1_000, 20)


def test_what_was_heard_in_holdover_is_before_the_synchronisation_that_ends_it(
    ticks: Ticks,
) -> None:
    clock = Clock()
    clock.set(NOW_MS, 50)
    ticks.passed_ms += 20_000_000
    assert clock.set(NOW_MS + 30, 50) == 30  # nobody had asked for its state meanwhile
    assert (clock.state(), clock.since_ms) == ("synced", 20_000_000)
