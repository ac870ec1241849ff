"""Whether an agent's memory and its open files stay as they are, judged by samples at like points.

The first third is warm-up. What is counted has to be the same from then on; what is measured may
not grow by more per hour than its limit, by the median of the slopes between all pairs of samples,
which one odd sample does not move.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Final, NamedTuple

WARM_UP: Final = 3  # of so many parts the first
LEAST: Final = 3  # samples, after warm-up
_S_PER_H: Final = 3600.0
_SITES: Final = 10


class Sample(NamedTuple):
    """What an agent held at one moment."""

    at_s: float
    lines: Mapping[str, int]  # bytes by the agent's own lines
    libraries: Mapping[str, int]  # bytes by everybody else's
    descriptors: Mapping[str, int]  # how many of each kind
    threads: int
    pss: int  # bytes: resident, shared pages by share
    store: int  # bytes of its files but for the log that SQLite writes ahead,
    log: int  # and of that, which SQLite empties at 1000 pages and does not shorten


class Limit(NamedTuple):
    """By how much something may grow, and how it is told."""

    name: str
    value: Callable[[Sample], float]
    per_hour: float  # bytes
    noise: float  # bytes: what growth in a short run may be nothing at all


class Row(NamedTuple):
    """How one thing stands: at the end of warm-up, at the end, and what is wrong with it."""

    name: str
    first: str
    last: str
    per_hour: str
    limit: str
    why: str  # empty: it is flat


def _own(one: Sample) -> float:
    return sum(one.lines.values())


def _libraries(one: Sample) -> float:
    return sum(one.libraries.values())


def _pss(one: Sample) -> float:
    return one.pss


def _store(one: Sample) -> float:
    return one.store


LIMITS: Final = (
    Limit("the agent's own objects", _own, 256e3, 24e3),
    Limit("objects of its libraries", _libraries, 512e3, 96e3),
    Limit("resident memory (PSS)", _pss, 8e6, 5e6),
    Limit("the files of its store", _store, 512e3, 64e3),
)
_LOG_BYTES: Final = 5e6


def after_warm_up(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return those that are judged."""
    return samples[len(samples) // WARM_UP :]


def judged(samples: Sequence[Sample]) -> list[Row]:
    """Return how everything stands. Raises ValueError when there are too few samples to say."""
    rest = after_warm_up(samples)
    if len(rest) < LEAST:
        message = f"{len(samples)} samples say nothing about growth: let it run longer"
        raise ValueError(message)
    threads = [{"threads": one.threads} for one in rest]
    return [
        *(_measured(limit, rest) for limit in LIMITS),
        _bounded("its write-ahead log", [one.log for one in rest], _LOG_BYTES),
        _counted("open descriptors", [one.descriptors for one in rest]),
        _counted("threads", threads),
    ]


def growth(samples: Sequence[Sample]) -> list[str]:
    """Say which lines hold more at the end than after warm-up: the most first."""
    rest = after_warm_up(samples)
    before, after = ({**one.lines, **one.libraries} for one in (rest[0], rest[-1]))
    grown = {name: size - before.get(name, 0) for name, size in after.items()}
    most = sorted(grown, key=lambda name: -grown[name])[:_SITES]
    return [
        f"{grown[name]:+9,d} bytes  {name}, now {after[name]:,d}"
        for name in most
        if grown[name] > 0
    ]


def slope_per_h(points: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between all pairs of (seconds, value), per hour."""
    return median(
        (b - a) / (b_s - a_s) * _S_PER_H for (a_s, a), (b_s, b) in combinations(points, 2)
    )


def _measured(limit: Limit, rest: Sequence[Sample]) -> Row:
    points = [(one.at_s, limit.value(one)) for one in rest]
    per_hour = slope_per_h(points)
    in_all = per_hour * (points[-1][0] - points[0][0]) / _S_PER_H
    is_flat = per_hour <= limit.per_hour or in_all <= limit.noise
    return Row(
        name=limit.name,
        first=_kb(points[0][1]),
        last=_kb(points[-1][1]),
        per_hour=f"{per_hour / 1e3:+,.0f} kB/h",
        limit=f"{limit.per_hour / 1e3:,.0f} kB/h",
        why="" if is_flat else "it grows",
    )


def _bounded(name: str, sizes: Sequence[int], most: float) -> Row:
    why = "it is larger than it may ever be" if max(sizes) > most else ""
    return Row(name, _kb(sizes[0]), _kb(sizes[-1]), "", f"{_kb(most)}", why)


def _counted(name: str, rest: Sequence[Mapping[str, int]]) -> Row:
    kinds = sorted({kind for one in rest for kind in one})
    changed = [kind for kind in kinds if len({one.get(kind, 0) for one in rest}) > 1]
    why = ", ".join(f"{kind}: {[one.get(kind, 0) for one in rest]}" for kind in changed)
    first, last = sum(rest[0].values()), sum(rest[-1].values())
    return Row(name, str(first), str(last), f"{last - first:+d} in all", "the same", why)


def _kb(size: float) -> str:
    return f"{size / 1e3:,.0f} kB"
