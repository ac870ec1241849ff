"""Loss ranges in memory and on an ESP32's flash: none is forgotten, and few writes are made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.esp32 import journal
from gateway.esp32.losses import Losses

STREAM = "R1"


class Bench:
    """The desk of losses with a clock that is told the time."""

    def __init__(self, root: Path) -> None:
        self.now_ms = 20_000
        self.root = root
        (root / "state").mkdir()
        clock: Any = SimpleNamespace(now=lambda: self.now_ms, boot="b", offset_ms=None)
        self.losses = Losses(str(root), clock, [])

    def lose(self, first: int, last: int, reason: str = "store") -> None:
        self.losses.add(STREAM, first, last, reason)
        self.losses.write()

    def written(self) -> list[tuple[int, int]]:
        return [each[1:3] for each in journal.declare(str(self.root), [])]

    def untold(self) -> list[tuple[int, int]]:
        return [each[1:3] for each in self.losses.untold]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_neighbours_are_one_range_and_what_is_apart_stays_apart(bench: Bench) -> None:
    for number in range(200):
        bench.lose(number, number)
    bench.lose(300, 300)
    assert bench.untold() == [(0, 199), (300, 300)]


def test_the_flash_is_written_once_in_ten_seconds_and_in_the_end(bench: Bench) -> None:
    bench.lose(0, 0)
    bench.lose(1, 5)
    assert bench.written() == [(0, 0)]
    bench.now_ms += 10_000
    bench.losses.write()
    assert bench.written() == [(0, 5)]
    bench.lose(6, 6)
    bench.losses.write(at_once=True)
    assert bench.written() == [(0, 6)]


def test_what_the_flash_refuses_is_written_when_it_can_be_again(bench: Bench) -> None:
    block = bench.root / "state" / "losses.json.new"
    block.mkdir()
    bench.lose(0, 3)
    bench.lose(9, 9)
    assert bench.written() == []
    assert bench.untold() == [(0, 3), (9, 9)]
    block.rmdir()
    bench.now_ms += 10_000
    bench.losses.write()
    assert bench.written() == [(0, 3), (9, 9)]


def test_of_a_range_that_grew_the_broker_has_what_it_was_told(bench: Bench) -> None:
    bench.lose(0, 3)
    told = bench.losses.untold[0]
    bench.now_ms += 10_000
    bench.lose(4, 7)
    bench.losses.told(told)
    assert bench.untold() == bench.written() == [(4, 7)]
    assert [each[1:3] for each in bench.losses.latest] == [(0, 7)]
