"""The picture of tests/benchmarks/overload.py: the same data make the same bytes."""

# matplotlib leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import msgspec

mpl.use("svg")

from matplotlib import pyplot as plt

from tests.benchmarks.overload import Run, Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: Final[Any] = {  # matplotlib types the keys, and a dict's are texts
    "svg.hashsalt": "ugw",
    "svg.fonttype": "none",  # the reader's own font: small, and it can be searched
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
}
_NO_DATE: Final = {"Date": None, "Creator": None}
_INCHES: Final = (8.4, 6.0)
# Okabe and Ito: told apart by everybody.
_BLUE, _ORANGE, _RED, _GREEN, _GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#999999"


def draw(told: Run, path: Path) -> None:
    """Draw it there."""
    with mpl.rc_context(_STYLE):
        figure, ((rates, latency), (memory, disk)) = plt.subplots(
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
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=_NO_DATE)
        plt.close(figure)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    path.write_text("\n".join(lines) + "\n")


def _rates(axes: "Axes", told: Run) -> None:
    """Draw where what is heard ends."""
    below = [0.0] * len(told.steps)
    kinds = (
        ("delivered", _BLUE, [s.delivered_per_s for s in told.steps]),
        ("dropped", _RED, [s.dropped_per_s for s in told.steps]),
        ("thinned", _ORANGE, [s.thinned_per_s for s in told.steps]),
    )
    for name, colour, heights in kinds:
        axes.bar(range(len(heights)), heights, bottom=below, color=colour, label=name)
        below = [low + height for low, height in zip(below, heights, strict=True)]
    axes.axhline(told.broker_takes_per_s, color=_GREY, linewidth=1, linestyle="--")
    for number, step in enumerate(told.steps):
        level = max(step.levels, key=lambda name: step.levels[name])
        axes.annotate(level, (number, below[number]), ha="center", va="bottom", fontsize=7)
    axes.set_title("per second; above each, the level it mostly has")
    axes.legend(loc="upper left")


def _latency(axes: "Axes", steps: Sequence[Step]) -> None:
    """Draw how old what travels live is when the broker has taken it."""
    for name, colour, values in (
        ("p99", _ORANGE, [s.live_p99_s for s in steps]),
        ("p50", _BLUE, [s.live_p50_s for s in steps]),
    ):
        axes.plot(values, color=colour, marker="o", markersize=4, label=name)
    axes.set_yscale("log")
    axes.set_ylim(0.01, 100)
    axes.axhline(60, color=_GREY, linewidth=1, linestyle="--")
    axes.annotate("older: replay", (0, 60), va="bottom", fontsize=7, color=_GREY)
    axes.set_title("heard to taken, on the live lane, s")
    axes.legend(loc="lower right")


def _memory(axes: "Axes", steps: Sequence[Step]) -> None:
    """Draw the process, and what waits in it."""
    axes.plot([s.rss_mb for s in steps], color=_BLUE, marker="o", markersize=4, label="process")
    waiting = [s.memory_bytes / 1e6 for s in steps]
    axes.plot(waiting, color=_GREEN, marker="o", markersize=4, label="waiting in memory")
    axes.set_ylim(bottom=0)
    axes.set_title("memory at most, MB")
    axes.legend(loc="center right")


def _disk(axes: "Axes", told: Run) -> None:
    """Draw what the store takes."""
    steps, cap = told.steps, told.plan.store_bytes
    axes.plot(
        [s.disk_bytes / 1e6 for s in steps], color=_BLUE, marker="o", markersize=4, label="files"
    )
    axes.plot(
        [s.store_bytes / 1e6 for s in steps],
        color=_GREEN,
        marker="o",
        markersize=4,
        label="pages in use",
    )
    axes.axhline(cap / 1e6, color=_GREY, linewidth=1, linestyle="--")
    axes.annotate("store.max_size", (0, cap / 1e6), va="bottom", fontsize=7, color=_GREY)
    axes.set_ylim(bottom=0)
    axes.set_title("disk at most, MB")
    axes.legend(loc="center right")


def load(path: Path) -> Run:
    """Read what was measured."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
