"""The picture of tests/benchmarks/fleet.py: the same data make the same bytes."""

# matplotlib leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import msgspec

mpl.use("svg")

from matplotlib import pyplot as plt

from gateway.sim.fleet.fleet import Sample
from tests.benchmarks.fleet import Run

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
_INCHES: Final = (8.4, 7.6)
# Okabe and Ito: told apart by everybody.
_BLUE, _ORANGE, _RED, _GREEN, _GREY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#999999"


def draw(told: Run, path: Path) -> None:
    """Draw it there."""
    with mpl.rc_context(_STYLE):
        figure, panels = plt.subplots(4, 1, figsize=_INCHES, sharex=True, layout="constrained")
        connects, rates, owed, latency = panels
        _connects(connects, told.samples)
        _rates(rates, told.samples)
        _owed(owed, told.samples)
        _latency(latency, told.samples)
        for axes in panels:
            _outages(axes, told)
        latency.set_xlabel("seconds; grey: nodes that are down, of three")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=_NO_DATE)
        plt.close(figure)
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    path.write_text("\n".join(lines) + "\n")


def _outages(axes: "Axes", told: Run) -> None:
    for outage in told.story.outages:
        shade = 0.12 * outage.nodes
        axes.axvspan(outage.from_s, outage.to_s, color=_GREY, alpha=shade, linewidth=0)


def _per_s(samples: Sequence[Sample], count: Callable[[Sample], int]) -> list[float]:
    """Return by how much a count grew in each second."""
    return [
        max(0.0, (count(later) - count(before)) / (later.at_s - before.at_s))
        for before, later in pairwise(samples)
    ]


def _times(samples: Sequence[Sample]) -> list[float]:
    return [sample.at_s for sample in samples[1:]]


def _connects(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("connections made, per second (bars); and how many stand (line, right)")
    heights = _per_s(samples, lambda sample: sample.connects)
    axes.bar(_times(samples), heights, width=1.0, color=_BLUE)
    stand = axes.twinx()
    stand.plot(_times(samples), [s.connected for s in samples[1:]], color=_GREY, linewidth=1)
    stand.set_ylim(bottom=0)


def _rates(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("observations, per second")
    kinds: tuple[tuple[str, str, Callable[[Sample], int]], ...] = (
        ("arrived", _GREEN, lambda sample: sample.arrived),
        ("of these late", _ORANGE, lambda sample: sample.late),
        ("sent by sensors", _GREY, lambda sample: sample.sent),
    )
    for name, colour, count in kinds:
        axes.plot(_times(samples), _per_s(samples, count), color=colour, label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", ncols=3)


def _owed(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("observations that wait in the gateways")
    axes.fill_between(
        _times(samples), [s.owed for s in samples[1:]], color=_RED, alpha=0.6, linewidth=0
    )
    axes.set_ylim(bottom=0)


def _latency(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("live: from heard to arrived, ms")
    for name, colour, found in (
        ("p50", _BLUE, [s.live_p50_ms for s in samples[1:]]),
        ("p99", _RED, [s.live_p99_ms for s in samples[1:]]),
    ):
        heights = [float("nan") if value is None else value for value in found]
        axes.plot(_times(samples), heights, color=colour, label=name, linewidth=1)
    axes.set_yscale("log")
    axes.legend(loc="upper left", ncols=2)


def load(path: Path) -> Run:
    """Read what was measured."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
