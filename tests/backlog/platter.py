"""What of a folder is on the medium and what only in the kernel, told from what was done to it.

Pure. A file's bytes and the names in a folder become durable apart from each other: the one with
the file's sync, the other with the folder's. `WAYS` are the ways in which a power cut can leave
what was not synced: all, nothing, any sectors, in order or not, torn, or only the files' sizes.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tests.backlog.failing_disk import SECTOR, Lost, Operation, Sync, Truncate, Write

PAGE: Final = 4096


class Create(NamedTuple):
    """A name for a new, empty file."""

    name: str
    created: str


class Rename(NamedTuple):
    """A file has another name, and whatever had that is gone."""

    name: str
    to: str
    renamed: str


class Unlink(NamedTuple):
    """A name taken away."""

    name: str


class SyncFolder(NamedTuple):
    """All names as they are made durable."""


class Grow(NamedTuple):
    """A file made longer by zeros: its new size was written, and its data was not."""

    file: str
    size: int


Naming = Create | Rename | Unlink
Step = Operation | Naming | SyncFolder
Pending = Write | Truncate | Grow | Naming  # `Delete` is not used here: files have names
Way = Callable[[Sequence[Pending], random.Random], Sequence[Pending]]


class Platter:
    """A folder: what is durable of it, and what was done since. Files are known by a label."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.pending: list[Pending] = []
        self._names = {name: name for name in files}
        self._files = {name: bytearray(data) for name, data in files.items()}
        self._frozen = dict(files)  # the same bytes as long as nothing becomes durable

    def do(self, step: Step) -> None:
        """Do the next step."""
        if isinstance(step, Sync):
            self._settle(lambda each: _is_of(each, step.file))
        elif isinstance(step, Lost):
            self.pending = [each for each in self.pending if not _is_of(each, step.file)]
        elif isinstance(step, SyncFolder):
            self._settle(lambda each: isinstance(each, Naming))
        elif isinstance(step, Pending):
            self.pending.append(step)

    def _settle(self, is_durable: Callable[[Pending], bool]) -> None:
        durable = [each for each in self.pending if is_durable(each)]
        _play(self._names, self._files, durable)
        for each in durable:
            if not isinstance(each, Naming):
                self._frozen[each.file] = bytes(self._files[each.file])
        self.pending = [each for each in self.pending if not is_durable(each)]

    def left(self, way: Way, chance: random.Random) -> dict[str, bytes]:
        """Return the files as a power cut now may leave them."""
        reached = way(self.pending, chance)
        touched = {each.file for each in reached if not isinstance(each, Naming)}
        names = dict(self._names)
        files = {file: bytearray(self._files.get(file, b"")) for file in touched}
        _play(names, files, reached)
        return {
            name: bytes(files[file]) if file in files else self._frozen.get(file, b"")
            for name, file in names.items()
        }


def _is_of(each: Pending, file: str) -> bool:
    return not isinstance(each, Naming) and each.file == file


def _play(names: dict[str, str], files: dict[str, bytearray], steps: Sequence[Pending]) -> None:
    for each in steps:
        if isinstance(each, Naming):
            _name(names, each)
            continue
        data = files.setdefault(each.file, bytearray())
        if isinstance(each, Write):
            put(data, each.offset, each.data)
        elif isinstance(each, Truncate):
            del data[each.size :]
        else:
            data.extend(bytes(max(0, each.size - len(data))))


def _name(names: dict[str, str], step: Naming) -> None:
    if isinstance(step, Create):
        names[step.name] = step.created
    elif isinstance(step, Rename):
        names.pop(step.name, None)
        names[step.to] = step.renamed
    else:
        names.pop(step.name, None)


def put(data: bytearray, offset: int, piece: bytes) -> None:
    """Write into a file; it grows as needed."""
    data.extend(bytes(max(0, offset + len(piece) - len(data))))
    data[offset : offset + len(piece)] = piece


# ------------------------------------------------------------------------------------------- ways
def everything(pending: Sequence[Pending], _chance: random.Random) -> Sequence[Pending]:
    """Have all of it written by the kernel."""
    return pending


def nothing(_pending: Sequence[Pending], _chance: random.Random) -> Sequence[Pending]:
    """Have none of it written by the kernel."""
    return ()


def any_sectors(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep any sectors, any names, in no order."""
    return [piece for piece in _pieces(pending, SECTOR) if chance.random() < 0.5]


def any_pages(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep any pages of the kernel's cache, most of them."""
    return [piece for piece in _pieces(pending, PAGE) if chance.random() < 0.8]


def a_beginning(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep what came first, in order, the last of it torn at any byte."""
    return _torn(pending[: chance.randint(0, len(pending))], chance)


def an_end(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep what came last, and not what came before it."""
    return pending[chance.randint(0, len(pending)) :]


def all_but_the_last_bytes(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep all, the last write torn at any byte."""
    return _torn(pending, chance)


def all_but_one(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep all but one write or name."""
    lost = chance.randrange(len(pending) or 1)
    return [*pending[:lost], *pending[lost + 1 :]]


def sizes_alone(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Make files as long as they should be, with zeros where data was still to be allocated."""
    share = chance.choice((0.5, 1.0))
    return [_grown(each) if chance.random() < share else each for each in pending]


def names_alone(pending: Sequence[Pending], _chance: random.Random) -> Sequence[Pending]:
    """Keep all names, and nothing of what stands in the files."""
    return [each for each in pending if isinstance(each, Naming)]


def data_alone(pending: Sequence[Pending], _chance: random.Random) -> Sequence[Pending]:
    """Keep all that stands in the files, and the names as they were."""
    return [each for each in pending if not isinstance(each, Naming)]


def some_names(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    """Keep all that stands in the files, and any names: not every file system orders them."""
    return [each for each in pending if not isinstance(each, Naming) or chance.random() < 0.5]


WAYS: Final[Sequence[Way]] = (
    everything,
    any_sectors,
    any_pages,
    a_beginning,
    an_end,
    all_but_the_last_bytes,
    all_but_one,
    sizes_alone,
)
# Where names were changed, or something has just become durable; else the same as the others.
WAYS_OF_NAMES: Final[Sequence[Way]] = (names_alone, data_alone, some_names, some_names)


def leavings(
    files: Mapping[str, bytes], steps: Sequence[Step], chance: random.Random
) -> Iterator[tuple[int, str, dict[str, bytes]]]:
    """For every number of steps done: in which way, and what a power cut may leave."""
    platter = Platter(files)
    for done, step in enumerate([None, *steps]):
        if step is not None:
            platter.do(step)
        if step is None or isinstance(step, Sync | SyncFolder):
            yield done, nothing.__name__, platter.left(nothing, chance)
        has_names = any(isinstance(each, Naming) for each in platter.pending)
        for way in (*WAYS, *WAYS_OF_NAMES) if has_names else WAYS:
            yield done, way.__name__, platter.left(way, chance)


def _torn(pending: Sequence[Pending], chance: random.Random) -> Sequence[Pending]:
    last = pending[-1] if pending else None
    if not isinstance(last, Write):
        return pending
    data = last.data[: chance.randrange(len(last.data) or 1)]
    return [*pending[:-1], last._replace(data=data)]


def _grown(each: Pending) -> Pending:
    return Grow(each.file, each.offset + len(each.data)) if isinstance(each, Write) else each


def _pieces(pending: Sequence[Pending], size: int) -> Iterator[Pending]:
    """Split writes where the file's blocks of a size begin."""
    for each in pending:
        if not isinstance(each, Write):
            yield each
            continue
        start = 0
        while start < len(each.data):
            stop = size - (each.offset + start) % size + start
            yield Write(each.file, each.offset + start, each.data[start:stop])
            start = stop
