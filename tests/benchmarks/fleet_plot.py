"""The picture of tests/benchmarks/fleet.py: the same data make the same bytes."""

# matplotlib leaves its keyword arguments without types.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from matplotlib import pyplot as plt

from gateway.sim.fleet.fleet import Sample
from tests.benchmarks.fleet import Run
from tests.benchmarks.picture import BLUE, GREEN, GREY, ORANGE, RED, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES: Final = (8.4, 7.6)


def draw(told: Run, path: Path) -> None:
    """Draw it there."""
    with picture(path):
        _, panels = plt.subplots(4, 1, figsize=_INCHES, sharex=True, layout="constrained")
        connects, rates, owed, latency = panels
        _connects(connects, told.samples)
        _rates(rates, told.samples)
        _owed(owed, told.samples)
        _latency(latency, told.samples)
        for axes in panels:
            _outages(axes, told)
        latency.set_xlabel("seconds; grey: nodes that are down, of three")


def _outages(axes: "Axes", told: Run) -> None:
    for outage in told.story.outages:
        shade = 0.12 * outage.nodes
        axes.axvspan(outage.from_s, outage.to_s, color=GREY, alpha=shade, linewidth=0)


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
    axes.bar(_times(samples), heights, width=1.0, color=BLUE)
    stand = axes.twinx()
    stand.plot(_times(samples), [s.connected for s in samples[1:]], color=GREY, linewidth=1)
    stand.set_ylim(bottom=0)


def _rates(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("observations, per second")
    kinds: tuple[tuple[str, str, Callable[[Sample], int]], ...] = (
        ("arrived", GREEN, lambda sample: sample.arrived),
        ("of these late", ORANGE, lambda sample: sample.late),
        ("sent by sensors", GREY, lambda sample: sample.sent),
    )
    for name, colour, count in kinds:
        axes.plot(_times(samples), _per_s(samples, count), color=colour, label=name, linewidth=1)
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper left", ncols=3)


def _owed(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("observations that wait in the gateways")
    axes.fill_between(
        _times(samples), [s.owed for s in samples[1:]], color=RED, alpha=0.6, linewidth=0
    )
    axes.set_ylim(bottom=0)


def _latency(axes: "Axes", samples: Sequence[Sample]) -> None:
    axes.set_title("live: from heard to arrived, ms")
    for name, colour, found in (
        ("p50", BLUE, [s.live_p50_ms for s in samples[1:]]),
        ("p99", RED, [s.live_p99_ms for s in samples[1:]]),
    ):
        heights = [float("nan") if value is None else value for value in found]
        axes.plot(_times(samples), heights, color=colour, label=name, linewidth=1)
    axes.set_yscale("log")
    axes.legend(loc="upper left", ncols=2)


def load(path: Path) -> Run:
    """Read what was measured."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
