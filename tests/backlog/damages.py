"""A store as months of work leave it, what can befall its files, and what must hold then.

Nothing here is told from what the agent says of itself: what was kept is written down while it is
kept, and every start is judged by it. Nothing kept may be missing without a word, and nothing may
come back other than it was.
"""

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from gateway.backlog.sqlite import seal, tables
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.model import Aside, Bundle, Loss, Moment, Recovery, Stream
from tests.backlog.places import AT, BOOT, bundle, run_streams

PAGE: Final = 4096
FILE: Final = "backlog.db"
LOG: Final = "backlog.db-wal"
FRAME: Final = 24 + PAGE  # of a WAL: its header and a page
LOG_HEADER: Final = 32

Files = Mapping[str, bytes]


class Kept(NamedTuple):
    """What a store was given, and what it then held."""

    files: Files
    earlier: Files  # the same store, some commits before
    ever: Mapping[tuple[str, int], Bundle]  # every bundle that was ever in it
    owed: Mapping[str, frozenset[int]]  # stream -> numbers it holds in the end, asides not counted
    ends: Mapping[str, int]  # stream -> the number that would have come next
    losses: frozenset[Loss]
    counters: Mapping[str, Sequence[int]]  # all they ever were, the last one last
    memories: Mapping[str, str]
    asides: frozenset[tuple[str, int]]
    session: int  # no number below it is free


def database(directory: Path) -> Database:
    """Return the store in a directory, as the agent opens it."""
    return Database(directory, Limits(max_bytes=512_000_000), connect)


class _Life:
    """A store being written to, and the record of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = database(directory)
        self.ever: dict[tuple[str, int], Bundle] = {}
        self.rows: dict[int, Bundle] = {}
        self.counters: dict[str, list[int]] = {}
        self.memories: dict[str, str] = {}
        self.asides: set[tuple[str, int]] = set()
        self.streams: list[Stream] = []
        self.session = 0

    def begin(self, run: str) -> tuple[Stream, Stream]:
        routine, event = streams = run_streams(run)
        self.session = self.store.open(streams).recovery.session
        self.streams += streams
        return routine, event

    def keep(self, stream: Stream, *counts: int) -> None:
        bundles = [bundle(stream, count) for count in counts]
        changed = {f"device {number}": stream.next_seq for number in range(len(self.rows) % 60)}
        for row, one in zip(self.store.append(bundles, changed), bundles, strict=True):
            self.rows[row] = self.ever[one.key] = one
        for key, value in changed.items():
            self.counters.setdefault(key, []).append(value)

    def settle(self, rows: Sequence[int]) -> None:
        self.store.settle(rows)
        self._forget(rows)

    def drop(self, rows: Sequence[int]) -> None:
        self.store.drop(rows, "full", AT)
        self._forget(rows)

    def set_aside(self, rows: Sequence[int]) -> None:
        asides = [Aside(self.rows[row], "refused", row) for row in rows]
        self.store.set_aside(asides, AT)
        self.asides |= {each.bundle.key for each in asides}
        self._forget(rows)

    def _forget(self, rows: Sequence[int]) -> None:
        for row in rows:
            del self.rows[row]

    def remember(self, key: str, value: str) -> None:
        self.store.remember(key, value)
        self.memories[key] = value

    def files(self) -> Files:
        names = (FILE, LOG)
        paths = [self.directory / name for name in names]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def kept(self, earlier: Files, losses: Sequence[Loss]) -> Kept:
        owed: dict[str, set[int]] = {}
        for one in self.rows.values():
            owed.setdefault(one.stream, set()).update(_numbers(one))
        return Kept(
            self.files(),
            earlier,
            dict(self.ever),
            {stream: frozenset(numbers) for stream, numbers in owed.items()},
            {each.id: each.next_seq for each in self.streams},
            frozenset(losses),
            dict(self.counters),
            dict(self.memories),
            frozenset(self.asides),
            self.session + 1,
        )


def _numbers(one: Bundle) -> range:
    return range(one.first_seq, one.first_seq + len(one.entries))


def lived(directory: Path, *, cut_off: bool) -> Kept:
    """Lead a store through two runs; the second ends cleanly, or leaves a log behind it."""
    life = _Life(directory)
    routine, event = life.begin("A")
    for number in range(30):
        life.keep(routine, *[20] * 3, 100 if number % 7 == 0 else 5)
        if number % 5 == 0:
            life.keep(event, 1)
    life.store.close((routine, event), {})
    with closing(connect(directory / FILE)) as medium:
        (session,) = medium.execute("SELECT session FROM installation").fetchone()
        yesterday = seal.sealed(session - 86_400_000)  # when it was made
        medium.execute(seal.update("installation"), yesterday)
    routine, event = life.begin("B")
    rows = sorted(life.rows)
    life.settle(rows[10:60])
    life.drop(rows[60:66:2])
    life.set_aside(rows[70:74])
    told = [Loss(f"OLDER-{n:02d}", 3, 7 + n, "thinned", Moment(BOOT, n, None)) for n in range(60)]
    life.store.declare(told)
    for number in range(12):
        life.remember(f"device {number} is known as", "a tag on the window of room " * 3)
    life.keep(routine, *[20] * 6)
    life.keep(event, 2, 1)
    earlier = life.files()
    life.settle(sorted(life.rows)[:4])
    life.keep(routine, 20, 20)
    life.keep(event, 3)
    life.keep(routine, 20)
    losses = life.store.losses()
    if not cut_off:
        life.store.close((routine, event), {})
    kept = life.kept(earlier, losses)
    if cut_off:
        life.store.close((), {})
    return kept


# -------------------------------------------------------------------------------------- judging
class Verdict(NamedTuple):
    """What became of what was owed, in observations; `faults` is what may never be."""

    delivered: int
    named: int  # in loss ranges
    unclean: int  # in streams whose end is declared unclean, or which nobody knows any more
    is_quarantined: bool
    faults: tuple[str, ...]
    aged: tuple[str, ...]  # what is as it was before: not told from a store that was left then


class _Start(NamedTuple):
    recovery: Recovery
    delivered: Sequence[Bundle]
    losses: Sequence[Loss]
    asides: frozenset[tuple[str, int]]
    is_whole: bool


def laid_out(directory: Path, files: Files) -> Path:
    """Return an empty directory with these files in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def judged(directory: Path, kept: Kept) -> Verdict:
    """Start on what is there, and judge what comes of it."""
    found = _started(directory)
    delivered = {number for one in found.delivered for number in _keyed(one)}
    named = {(loss.stream, n) for loss in found.losses for n in range(loss.first, loss.last + 1)}
    known = {each.id: each for each in found.recovery.previous}
    ended = {stream for stream, each in known.items() if each.clean}
    owed = {(stream, n) for stream, numbers in kept.owed.items() for n in numbers}
    missing = owed - delivered - named
    told = found.recovery.unclean or bool(found.recovery.quarantined)
    unclean = {each for each in missing if each[0] not in ended and told}
    faults = [f"missing without a word: {_few(missing - unclean)}"] if missing - unclean else []
    return Verdict(
        len(owed & delivered),
        len(owed & named - delivered),
        len(unclean),
        bool(found.recovery.quarantined),
        (*faults, *_altered(found, kept), *_altered_words(found, kept)),
        (*_aged(found, kept), *_aged_words(found, kept)),
    )


def _few(numbers: set[tuple[str, int]]) -> str:
    return f"{len(numbers)} of {sorted(numbers)[:3]}"


def _keyed(one: Bundle) -> list[tuple[str, int]]:
    return [(one.stream, number) for number in _numbers(one)]


def _started(directory: Path) -> _Start:
    store = database(directory)
    recovery = store.open(run_streams("C")).recovery
    try:
        taken = store.lease(0, 1 << 40, ())
        hurt = [head.row for head, content in taken if content is None]
        store.drop(hurt, "damaged", AT)
        losses = store.losses()
        is_whole = store.file.is_whole
        bundles = [content for _, content in taken if content is not None]
        asides = _asides(store)
    finally:
        store.close((), {})
    return _Start(recovery, bundles, losses, asides, is_whole)


def _asides(store: Database) -> frozenset[tuple[str, int]]:
    with store.file.reading() as connection:
        found = connection.execute("SELECT stream, first_seq FROM aside").fetchall()
        assert len(found) == tables.aside_totals(connection)[0]
    return frozenset((stream, first_seq) for stream, first_seq in found)


def _altered(found: _Start, kept: Kept) -> Iterator[str]:
    for one in found.delivered:
        if kept.ever.get(one.key) != one:
            yield f"delivered and never kept: {one.key}"
    for loss in found.losses:
        if loss not in kept.losses and not 0 <= loss.first <= loss.last < _end(kept, loss.stream):
            yield f"lost and never given: {loss.stream} {loss.first} to {loss.last}"


def _aged(found: _Start, kept: Kept) -> Iterator[str]:
    if found.is_whole and (lacking := kept.losses - set(found.losses)):
        held = {(x.stream, n) for x in found.losses for n in range(x.first, x.last + 1)}
        told = {(x.stream, n) for x in lacking for n in range(x.first, x.last + 1)}
        if told - held:
            yield f"losses forgotten: {_few(told - held)}"
    if found.is_whole and found.asides != kept.asides:
        yield f"no longer set aside: {sorted(found.asides ^ kept.asides)[:3]}"


def _end(kept: Kept, stream: str) -> int:
    return kept.ends.get(stream, 0)


def _altered_words(found: _Start, kept: Kept) -> Iterator[str]:
    recovery = found.recovery
    for each in recovery.previous:
        end = kept.ends.get(each.id)
        if end is None or (each.next_seq or 0) > end or (each.clean and each.next_seq != end):
            yield f"a stream that never was: {each}"
    for key, value in recovery.counters.items():
        if value not in kept.counters.get(key, ()):
            yield f"counter altered: {key!r} {value}"
    for key, word in recovery.memories.items():
        if kept.memories.get(key) != word:
            yield f"word altered: {key!r} {word!r}"


def _aged_words(found: _Start, kept: Kept) -> Iterator[str]:
    recovery = found.recovery
    if recovery.session < kept.session:
        yield f"session numbers given twice: {recovery.session}"
    older = [
        k for k, value in recovery.counters.items() if [value] != [*kept.counters.get(k, ())][-1:]
    ]
    if older:
        yield f"counters gone back: {older[:3]}"
    if not recovery.quarantined and len(recovery.memories) < len(kept.memories):
        yield "words forgotten"


# -------------------------------------------------------------------------------------- damages
class Damage(NamedTuple):
    """What befell the files."""

    name: str
    files: Files


def page_damages(kept: Kept, chance: random.Random) -> Iterator[Damage]:
    """Let each page of the store have each of the faults that media have."""
    whole = kept.files[FILE]
    earlier = kept.earlier[FILE]
    pages = range(0, len(whole), PAGE)
    for at in pages:
        page, number = whole[at : at + PAGE], at // PAGE + 1
        bit = chance.randrange(PAGE * 8)
        other = chance.choice([each for each in pages if each != at])
        became: dict[str, bytes] = {
            "a bit flipped": _flipped(page, bit // 8, 1 << bit % 8),
            "zeroed": bytes(PAGE),
            "garbage": chance.randbytes(PAGE),
            "half of it zeroed": page[: PAGE // 2] + bytes(PAGE // 2),
            f"that of page {other // PAGE + 1}": whole[other : other + PAGE],
            "an older version": earlier[at : at + PAGE] or page,
        }
        for how, new in became.items():
            if new != page:
                data = whole[:at] + new + whole[at + PAGE :]
                yield Damage(f"page {number}: {how}", {**kept.files, FILE: data})
        yield Damage(f"page {number}: the end before it", {**kept.files, FILE: whole[:at]})


def _flipped(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def byte_damages(kept: Kept, pages: Sequence[int], chance: random.Random) -> Iterator[Damage]:
    """Let each byte of some pages be another, one after the other."""
    whole = kept.files[FILE]
    for page in pages:
        for at in range((page - 1) * PAGE, page * PAGE):
            data = _flipped(whole, at, chance.randrange(1, 256))
            yield Damage(f"page {page}: byte {at % PAGE} changed", {**kept.files, FILE: data})


def row_number_damages(kept: Kept, page: int) -> Iterator[Damage]:
    """Let the last row of a page of bundles have each other number."""
    whole = kept.files[FILE]
    at = (page - 1) * PAGE
    rows = int.from_bytes(whole[at + 3 : at + 5], "big")
    cell = int.from_bytes(whole[at + 6 + 2 * rows : at + 8 + 2 * rows], "big")
    number = at + cell + (2 if whole[at + cell] >= 0x80 else 1)  # behind the row's length
    for mask in range(1, 128):
        data = _flipped(whole, number, mask)
        yield Damage(f"page {page}: a row's number changed", {**kept.files, FILE: data})


def log_damages(kept: Kept, foreign: bytes, chance: random.Random) -> Iterator[Damage]:
    """Let each frame of the log have each of its parts damaged, and the log be another's."""
    log = kept.files[LOG]
    parts = {"page number": 0, "size": 4, "salt": 8, "checksum": 16, "data": 24}
    for number, at in enumerate(range(LOG_HEADER, len(log), FRAME), start=1):
        for part, offset in parts.items():
            data = _flipped(log, at + offset + chance.randrange(4), 1 << chance.randrange(8))
            yield Damage(f"frame {number}: {part}", {**kept.files, LOG: data})
        yield Damage(f"frame {number}: zeroed", {**kept.files, LOG: _zeroed(log, at)})
    for at in range(LOG_HEADER):
        yield Damage(f"log header: byte {at}", {**kept.files, LOG: _flipped(log, at, 1)})
    yield Damage("the log of another store", {**kept.files, LOG: foreign})
    yield Damage("garbage beside it", {**kept.files, f"{FILE}-shm": chance.randbytes(32768)})


def _zeroed(log: bytes, at: int) -> bytes:
    return log[:at] + bytes(FRAME) + log[at + FRAME :]


def leaves(kept: Kept) -> Sequence[int]:
    """Return the pages that hold bundles alone, in the order of the file."""
    data = kept.files[FILE]
    table_leaf, body = 0x0D, b"x\x9c"  # of what zlib has packed
    pages = range(10, len(data) // PAGE)
    return [
        n + 1 for n in pages if data[n * PAGE] == table_leaf and body in data[n * PAGE :][:PAGE]
    ]
