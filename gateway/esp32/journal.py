"""What outlives a run besides what waits: its streams, sessions, losses, counters. An overlay.

    state/run.json       [sessions below it are taken, [[stream, class, clean, next number], ...]]
    state/losses.json    [[stream, first, last, reason, boot, at, offset], ...], oldest first
    state/counters.json  {device: replay counter}

Each is written beside the old one, with its CRC-32, and takes its name: a power cut leaves the
old or the new. One that is damaged counts as missing; nothing here stops a start.
"""

import json
import os
from binascii import crc32

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator

    Loss = tuple[str, int, int, str, str, int, int | None]
    Previous = tuple[str, str, bool, int]

_SESSIONS = 100  # of a block: reserved with one write
_MOST_PREVIOUS = 16  # streams: of eight runs that no broker heard of
_MOST_LOSSES = 32
_SUM_BYTES = 9  # in hexadecimal, and a line's end


def begin(
    root: str, streams: dict[str, str], kept: dict[str, int] | None = None, least: int = 0
) -> "tuple[int, list[Previous], list[Loss], dict[str, int]]":
    """Record a run: its first session, streams that ended, losses untold, replay counters.

    `kept`: what the store holds of streams, to one past the highest; `least`: no session is below.
    """
    taken, before = _load(root, "run", [0, []])
    losses = [tuple(each) for each in _load(root, "losses", [])]
    held = dict(kept or {})
    for stream, _, last, *_ in losses:
        held[stream] = max(held.get(stream, 0), last + 1)
    previous = []
    for stream, klass, clean, following in before[-_MOST_PREVIOUS:]:
        previous.append(
            (stream, klass, clean, held.get(stream, 0) if following is None else following)
        )
    session = max(taken, least)
    ours = [(stream, klass, False, None) for klass, stream in streams.items()]
    try:
        _make(root + "/state")
        _save(root, "run", [session + _SESSIONS, previous + ours])
    except OSError:
        pass  # better to deliver under numbers that may come again than not at all
    return session, previous, losses, _load(root, "counters", {})


def reserve(root: str) -> int:
    """Reserve the next block of sessions; the first of them."""
    session, streams = _load(root, "run", [0, []])
    _save(root, "run", [session + _SESSIONS, streams])
    return session


def forget_previous(root: str) -> None:
    """Forget the streams that ended: the broker knows of them."""
    session, streams = _load(root, "run", [0, []])
    ours = [each for each in streams if each[3] is None]
    if ours != streams:
        _save(root, "run", [session, ours])


def close(root: str, ends: dict[str, int], counters: dict[str, int]) -> None:
    """Record a clean end: the next number of each stream, and the replay counters."""
    keep_counters(root, counters)
    session, streams = _load(root, "run", [0, []])
    closed = [
        (stream, klass, True, ends[stream]) if stream in ends else (stream, klass, clean, end)
        for stream, klass, clean, end in streams
    ]
    _save(root, "run", [session, closed])


def keep_counters(root: str, counters: dict[str, int]) -> None:
    """Keep replay counters, if they are others than before."""
    if counters != _load(root, "counters", {}):
        _save(root, "counters", counters)


# ---------------------------------------------------------------------------------------- losses
def declare(root: str, losses: "list[Loss]") -> "list[Loss]":
    """Note what is lost, before it goes; all that is noted now, neighbours merged."""
    there = _losses(root)
    noted = joined(there, losses)
    if noted != there:
        _make(root + "/state")
        _save(root, "losses", noted)
    return noted


def told(root: str, losses: "list[Loss]") -> "list[Loss]":
    """Take out the numbers that the broker has acknowledged as lost; what is left."""
    there = _losses(root)
    left = cut(there, losses)
    if left != there:
        _save(root, "losses", left)
    return left


def joined(noted: "list[Loss]", losses: "list[Loss]") -> "list[Loss]":
    """Return ranges with others among them, neighbours merged, and not too many."""
    noted = list(noted)
    for loss in losses:
        noted = _with(noted, loss)
    while len(noted) > _MOST_LOSSES:
        noted = _fewer(noted)
    return noted


def cut(left: "list[Loss]", losses: "list[Loss]") -> "list[Loss]":
    """Return ranges without the numbers of others."""
    for loss in losses:
        left = [part for each in left for part in _without(each, loss)]
    return left


def _losses(root: str) -> "list[Loss]":
    return [tuple(each) for each in _load(root, "losses", [])]


def _with(losses: "list[Loss]", loss: "Loss") -> "list[Loss]":
    """Add one; what it adjoins grows, to the end, and has the new moment."""
    apart = []
    for each in losses:
        if _is_near(each, loss):
            first, last = min(each[1], loss[1]), max(each[2], loss[2])
            loss = (loss[0], first, last) + loss[3:]  # noqa: RUF005 - not on MicroPython
        else:
            apart.append(each)
    apart.append(loss)
    return apart


def _is_near(one: "Loss", other: "Loss") -> bool:
    if one[0] != other[0] or one[3] != other[3]:
        return False
    return one[1] <= other[2] + 1 and other[1] <= one[2] + 1


def _without(loss: "Loss", other: "Loss") -> "Iterator[Loss]":
    """Yield what is left of a range without the numbers of another."""
    stream, first, last = loss[:3]
    if stream != other[0] or loss[3] != other[3] or last < other[1] or other[2] < first:
        yield loss
        return
    if first < other[1]:
        yield (stream, first, other[1] - 1) + loss[3:]  # noqa: RUF005 - not on MicroPython
    if other[2] < last:
        yield (stream, other[2] + 1, last) + loss[3:]  # noqa: RUF005 - not on MicroPython


def _fewer(losses: "list[Loss]") -> "list[Loss]":
    """Merge the two nearest of one stream and reason; without such, the oldest goes.

    What lies between goes with them. A range may say too much: a consumer keeps what it has.
    """
    nearest = None
    for one in losses:
        for other in losses:
            if one[0] == other[0] and one[3] == other[3] and one[2] < other[1]:
                gap = other[1] - one[2]
                if nearest is None or gap < nearest[0]:
                    nearest = gap, one, other
    if nearest is None:
        return losses[1:]
    _, one, other = nearest
    bridge = (one[0], one[1], other[2]) + other[3:]  # noqa: RUF005 - not on MicroPython
    return _with(losses, bridge)


# ----------------------------------------------------------------------------------------- files
def _load(root: str, name: str, missing: object):  # type: ignore[no-untyped-def]  # noqa: ANN202
    try:
        with open(f"{root}/state/{name}.json", "rb") as file:
            text = file.read()
    except OSError:
        return missing
    body = text[_SUM_BYTES:]
    return json.loads(body) if text[:_SUM_BYTES] == _sum(body) else missing


def _save(root: str, name: str, content: object) -> None:
    path = f"{root}/state/{name}.json"
    body = json.dumps(content).encode()
    with open(path + ".new", "wb") as file:
        file.write(_sum(body))
        file.write(body)
    os.rename(path + ".new", path)


def _sum(body: bytes) -> bytes:
    return b"%08x\n" % crc32(body)


def _make(folder: str) -> None:
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there; or writing will say why not
