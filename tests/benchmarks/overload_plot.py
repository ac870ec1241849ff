"""The picture of tests/benchmarks/overload.py: the same data make the same bytes."""

# matplotlib leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from matplotlib import pyplot as plt

from tests.benchmarks.overload import Run, Step
from tests.benchmarks.picture import BLUE, GREEN, GREY, ORANGE, RED, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES: Final = (8.4, 6.0)


def draw(told: Run, path: Path) -> None:
    """Draw it there."""
    with picture(path):
        _, ((rates, latency), (memory, disk)) = plt.subplots(
            2, 2, figsize=_INCHES, layout="constrained"
        )
        _rates(rates, told)
        _latency(latency, told.steps)
        _memory(memory, told.steps)
        _disk(disk, told)
        for axes in (rates, latency, memory, disk):
            axes.set_xticks(range(len(told.steps)), [f"{s.load:g}x" for s in told.steps])
        for axes in (memory, disk):
            axes.set_xlabel("offered load, as multiples of what the broker takes")


def _rates(axes: "Axes", told: Run) -> None:
    """Draw where what is heard ends."""
    below = [0.0] * len(told.steps)
    kinds = (
        ("delivered", BLUE, [s.delivered_per_s for s in told.steps]),
        ("dropped", RED, [s.dropped_per_s for s in told.steps]),
        ("thinned", ORANGE, [s.thinned_per_s for s in told.steps]),
    )
    for name, colour, heights in kinds:
        axes.bar(range(len(heights)), heights, bottom=below, color=colour, label=name)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.axhline(told.broker_takes_per_s, color=GREY, linewidth=1, linestyle="--")
    for number, step in enumerate(told.steps):
        level = max(step.levels, key=lambda name: step.levels[name])
        axes.annotate(level, (number, below[number]), ha="center", va="bottom", fontsize=7)
    axes.set_title("per second; above each, the level it mostly has")
    axes.legend(loc="upper left")


def _latency(axes: "Axes", steps: Sequence[Step]) -> None:
    """Draw how old what travels live is when the broker has taken it."""
    for name, colour, values in (
        ("p99", ORANGE, [s.live_p99_s for s in steps]),
        ("p50", BLUE, [s.live_p50_s for s in steps]),
    ):
        axes.plot(values, color=colour, marker="o", markersize=4, label=name)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 100)
    axes.axhline(60, color=GREY, linewidth=1, linestyle="--")
    axes.annotate("older: replay", (0, 60), va="bottom", fontsize=7, color=GREY)
    axes.set_title("heard to taken, on the live lane, s")
    axes.legend(loc="lower right")


def _memory(axes: "Axes", steps: Sequence[Step]) -> None:
    """Draw the process, and what waits in it."""
    axes.plot([s.rss_mb for s in steps], color=BLUE, marker="o", markersize=4, label="process")
    waiting = [s.memory_bytes / 1e6 for s in steps]
    axes.plot(waiting, color=GREEN, marker="o", markersize=4, label="waiting in memory")
    axes.set_ylim(bottom=0)
    axes.set_title("memory at most, MB")
    axes.legend(loc="center right")


def _disk(axes: "Axes", told: Run) -> None:
    """Draw what the store takes."""
    steps, cap = told.steps, told.plan.store_bytes
    axes.plot(
        [s.disk_bytes / 1e6 for s in steps], color=BLUE, marker="o", markersize=4, label="files"
    )
    axes.plot(
        [s.store_bytes / 1e6 for s in steps],
        color=GREEN,
        marker="o",
        markersize=4,
        label="pages in use",
    )
    axes.axhline(cap / 1e6, color=GREY, linewidth=1, linestyle="--")
    axes.annotate("store.max_size", (0, cap / 1e6), va="bottom", fontsize=7, color=GREY)
    axes.set_ylim(bottom=0)
    axes.set_title("disk at most, MB")
    axes.legend(loc="center right")


def load(path: Path) -> Run:
    """Read what was measured."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
