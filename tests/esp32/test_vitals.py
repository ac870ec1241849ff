"""Signs of life: who stands still is found out, noted, and the board starts anew."""

import asyncio
import sys
from collections.abc import Callable  # noqa: TC003
from types import ModuleType

import pytest

from gateway.esp32 import console, overlay
from gateway.esp32.vitals import Vitals

PATIENCE_S = 90
CAUSES = {"PWRON_RESET": 1, "HARD_RESET": 2, "WDT_RESET": 3, "DEEPSLEEP_RESET": 4, "SOFT_RESET": 5}


class Chip:
    """A board's watchdog, LED and the memory that outlives a reset; time passes in sleeps."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.until_ms = 0
        self.fed: list[int] = []
        self.light: list[bool] = []
        self.memory = b""
        self.cause = 1
        self.timeout_ms = 0
        self.each_sleep: Callable[[], object] = int

    def machine(self) -> ModuleType:
        chip = self

        class Wdt:
            def __init__(self, timeout: int) -> None:
                chip.timeout_ms = timeout

            def feed(self) -> None:
                chip.fed.append(chip.now_ms)

        class Pin:
            OUT = 3

            def __init__(self, number: int, mode: int) -> None:
                assert (number, mode) == (2, 3)

            def __call__(self, level: bool) -> None:  # noqa: FBT001 - as the chip's
                chip.light.append(bool(level))

        class Rtc:
            def memory(self, *data: bytes) -> bytes:
                chip.memory = data[0] if data else chip.memory
                return chip.memory

        module = ModuleType("machine")
        module.__dict__.update(WDT=Wdt, Pin=Pin, RTC=Rtc, reset_cause=lambda: chip.cause, **CAUSES)
        return module

    async def sleep_ms(self, ms: int) -> None:
        self.now_ms += ms
        self.each_sleep()
        if self.now_ms > self.until_ms:
            raise TimeoutError


@pytest.fixture(name="chip")
def _chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    chip = Chip()
    monkeypatch.setitem(sys.modules, "machine", chip.machine())
    monkeypatch.setattr(asyncio, "sleep_ms", chip.sleep_ms, raising=False)
    monkeypatch.setattr(console, "say", lambda *_, **__: None)
    return chip


def live(chip: Chip, vitals: Vitals, seconds: int) -> None:
    chip.until_ms = chip.now_ms + seconds * 1000
    with pytest.raises(TimeoutError):
        asyncio.run(vitals.run())


def test_the_watchdog_is_fed_every_second_while_every_task_gives_signs_of_life(
    chip: Chip,
) -> None:
    vitals = Vitals(("uplink", "radio"), 60_000)

    def both() -> None:
        vitals.beat(0)
        vitals.beat(1)

    chip.each_sleep = both
    live(chip, vitals, 1_000)
    assert chip.timeout_ms == 60_000
    assert chip.fed == list(range(1_000, 1_000_001, 1_000))


def test_it_is_not_fed_any_more_when_one_of_them_stands_still(chip: Chip) -> None:
    vitals = Vitals(("uplink", "radio", "clock"), 60_000)

    def some() -> None:
        vitals.beat(0)
        vitals.beat(2)

    chip.each_sleep = some
    live(chip, vitals, 1_000)
    assert chip.fed[-1] == (PATIENCE_S - 1) * 1_000
    assert chip.memory == b"ugw:radio stands still"


def test_one_that_comes_back_in_time_is_forgiven(chip: Chip) -> None:
    vitals = Vitals(("uplink",), 60_000)

    def late() -> None:
        if chip.now_ms == PATIENCE_S * 1_000 - 1_200:
            vitals.beat(0)

    chip.each_sleep = late
    live(chip, vitals, PATIENCE_S + 60)
    assert len(chip.fed) == PATIENCE_S + 60
    assert chip.memory == b""


def flashes(light: list[bool]) -> int:
    return sum(on and not before for before, on in zip([light[-1], *light], light, strict=False))


@pytest.mark.parametrize(("pattern", "seen"), [(1, 1), (2, 2), (3, 3), (10, 10)])
def test_the_led_flashes_as_often_as_it_is_told(pattern: int, seen: int, chip: Chip) -> None:
    vitals = Vitals((), 60_000, 2)
    vitals.flashes = pattern
    live(chip, vitals, 4)
    period = chip.light[:20]
    assert flashes(period) == seen


def test_the_led_stays_on_while_all_is_well(chip: Chip) -> None:
    vitals = Vitals((), 60_000, 2)
    assert vitals.flashes == 10  # it has only started
    vitals.flashes = 0
    live(chip, vitals, 8)
    assert set(chip.light) == {True}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "power came on, or had dipped"),
        (2, "restart, asked for or after a crash"),
        (3, "watchdog: the agent stood still"),
        (5, "restart of Python alone"),
        (9, "unknown"),
    ],
)
def test_why_the_board_started_is_told_in_words(number: int, words: str, chip: Chip) -> None:
    chip.cause = number
    assert overlay.run("restart", "cause") == words


def test_what_was_noted_before_is_told_once(chip: Chip) -> None:
    chip.cause = 3
    overlay.run("restart", "note", "uplink stands still")
    assert overlay.run("restart", "cause") == (
        "watchdog: the agent stood still (uplink stands still)"
    )
    assert overlay.run("restart", "cause") == "watchdog: the agent stood still"


def test_a_memory_that_is_somebody_elses_is_left_alone(chip: Chip) -> None:
    chip.memory = b"other"
    assert overlay.run("restart", "cause") == "power came on, or had dipped"
    assert chip.memory == b"other"
