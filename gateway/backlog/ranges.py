"""Loss ranges: neighbours of one stream and reason are one range, and there are never too many.

Both kinds of backlog keep their ranges by these rules. Beyond MAX_LOSSES the two nearest of one
stream and reason become one, with the numbers between them: a range may say too much, never too
little, and a consumer ignores it for numbers it has data of.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from gateway.model import Loss, Moment, Row

MAX_LOSSES: Final = 4096
# Merged down to this at once, so that it is not done again for every range that follows.
_ROOMY: Final = MAX_LOSSES - MAX_LOSSES // 16


def of_row(row: Row, reason: str, at: Moment) -> Loss:
    """Return the numbers that are lost with a row."""
    return Loss(row.stream, row.first_seq, row.first_seq + row.count - 1, reason, at)


def joined(losses: Iterable[Loss]) -> list[Loss]:
    """Merge what adjoins or overlaps."""
    return added((), losses)


def added(there: Iterable[Loss], losses: Iterable[Loss]) -> list[Loss]:
    """Add losses to merged ones; a range that grows goes to the end and has the new `at`."""
    result = list(there)
    for loss in losses:
        near = [each for each in result if _adjoin(each, loss)]
        if near:
            result = [each for each in result if each not in near]
        result.append(grown(loss, near))
    return result


def grown(loss: Loss, near: Sequence[Loss]) -> Loss:
    """Return `loss` with what adjoins it taken in."""
    first = min([loss.first, *(each.first for each in near)])
    last = max([loss.last, *(each.last for each in near)])
    return msgspec.structs.replace(loss, first=first, last=last)


def bounded(losses: Sequence[Loss]) -> list[Loss]:
    """Return them as they are, or when they are too many, with the nearest of them merged.

    What has no neighbour (a stream with one range) stays: there are not thousands of streams.
    """
    if len(losses) <= MAX_LOSSES:
        return list(losses)
    order = sorted(range(len(losses)), key=lambda i: (*_kind(losses[i]), losses[i].first))
    pairs = [(a, b) for a, b in pairwise(order) if _kind(losses[a]) == _kind(losses[b])]
    pairs.sort(key=lambda pair: losses[pair[1]].first - losses[pair[0]].last)
    joins = {b for _, b in pairs[: len(losses) - _ROOMY]}  # to their predecessors
    groups: list[list[int]] = []
    for index in order:
        if index in joins:
            groups[-1].append(index)
        else:
            groups.append([index])
    groups.sort(key=max)
    return [grown(losses[max(group)], [losses[i] for i in group]) for group in groups]


def _kind(loss: Loss) -> tuple[str, str]:
    return (loss.stream, loss.reason)


def _adjoin(a: Loss, b: Loss) -> bool:
    return _kind(a) == _kind(b) and a.first <= b.last + 1 and b.first <= a.last + 1
