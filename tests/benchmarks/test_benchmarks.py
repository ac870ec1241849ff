"""A benchmark tells what it measured: a budget may be missed, never hidden."""

from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import overload, overload_plot
from tests.benchmarks.budgets import BENCHMARKS, Benchmark
from tests.benchmarks.rows import Row, Verdict, at_least, at_most
from tests.benchmarks.worker import run


def _never(*, quick: bool) -> list[Row]:
    raise AssertionError(quick)


@pytest.mark.parametrize(
    ("measured", "verdict"), [(4.99, Verdict.MET), (5.0, Verdict.MET), (5.01, Verdict.MISSED)]
)
def test_what_may_not_be_exceeded_is_missed_just_above_its_limit(
    measured: float, verdict: Verdict
) -> None:
    assert at_most("cost", 5, measured, "%").verdict is verdict


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(30_001, Verdict.MET), (30_000, Verdict.MET), (29_999, Verdict.MISSED)],
)
def test_what_has_to_be_reached_is_missed_just_below_it(measured: int, verdict: Verdict) -> None:
    assert at_least("rate", 30_000, measured, "/s").verdict is verdict


def test_a_benchmark_that_fails_says_so_and_the_others_go_on() -> None:
    failing = Benchmark("one that is not registered", _never, 1)
    (row,) = run(failing, quick=True)
    assert row.verdict is Verdict.CANNOT_RUN
    start = next(benchmark for benchmark in BENCHMARKS if benchmark.name == "start")
    assert all(row.measured is not None for row in run(start, quick=True))


def test_rows_survive_the_way_from_their_process() -> None:
    row = at_most("cost", 5, 4.2, "%", "a note")
    assert msgspec.json.decode(msgspec.json.encode(row), type=Row) == row


def test_benchmarks_have_names_of_their_own() -> None:
    assert len({benchmark.name for benchmark in BENCHMARKS}) == len(BENCHMARKS)


def test_under_overload_the_rest_is_thinned_both_laws_hold_and_every_event_arrives() -> None:
    """In hurried time; that all events came is checked by the measurement itself."""
    told = overload.measure(overload.QUICK)
    (step,) = told.steps
    assert (step.frames_law, step.observations_law) == (0, 0)
    assert step.thinned_per_s > 0
    assert step.levels["normal"] < 1
    assert told.observed == told.delivered + told.dropped
    assert told.events > told.events_missing == 0


def test_the_committed_picture_is_drawn_from_the_committed_numbers(tmp_path: Path) -> None:
    told = overload_plot.load(overload.DIRECTORY / "overload.json")
    overload_plot.draw(told, tmp_path / "overload.svg")
    drawn = (tmp_path / "overload.svg").read_bytes()
    assert drawn == (overload.DIRECTORY / "overload.svg").read_bytes(), "make plot"
