"""The power is cut at every step of a history, and the agent's own code starts what is left.

What is found must be sound, without a file put aside; it must be the store as it was after one
of the two calls around the cut, whole; and everything that was promised must be in it. Equal files
are started once and counted as one.
"""

import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Bundle
from tests.backlog.contents import Content, Promise, broken, content_of, mark, wrong_with
from tests.backlog.histories import History
from tests.backlog.lives import EVERYTHING, Life, Lives, found_in, put_files
from tests.backlog.places import AT, bundle, run_streams
from tests.backlog.platter import PAGE, leavings

LOG: Final = "backlog.db-wal"
# 1 MB by the pragmas, and what one transaction of a history adds before it is seen.
MOST_LOG_BYTES: Final = 4_000_000
# A whole run is begun, and ended, on one in so many files that nothing equals.
EVERY: Final = 24
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where there is one, nothing waits for a disk


class Outcome(msgspec.Struct):
    """How many cuts there were, how many left files like no other, and what was found."""

    cuts: int = 0
    distinct: int = 0
    steps: int = 0
    failures: int = 0  # calls that failed, because operations were made to
    slowest_s: float = 0.0
    findings: list[str] = msgspec.field(default_factory=list[str])

    def add(self, other: "Outcome") -> None:
        """Take in what another history showed."""
        self.cuts += other.cuts
        self.distinct += other.distinct
        self.steps += other.steps
        self.failures += other.failures
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.findings += other.findings


class Look(msgspec.Struct, frozen=True):
    """What a start found: empty `wrong` for a sound store."""

    wrong: str
    content: Content | None = None
    quarantined: bool = False


def cut(history: History, weaken: Mapping[str, str] | None = None) -> Outcome:
    """Play a history and cut it everywhere."""
    place = Path(tempfile.mkdtemp(prefix="ugw-cuts-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        lives = Lives(history, place, weaken)
        outcome = Outcome(failures=lives.failures)
        for number, life in enumerate(lives.lives):
            bench = Bench(place / f"left-{number}", lives.limits())
            of_life = bench.judge(life, random.Random(f"{number} {history}"))  # noqa: S311 - repeatable
            of_life.findings = [f"life {number}, {each}" for each in of_life.findings]
            outcome.add(of_life)
        return outcome
    finally:
        shutil.rmtree(place)


class Bench:
    """A folder in which the files that a cut leaves are started, one after the other."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._looks: dict[bytes, Look] = {}
        self._images: dict[bytes, tuple[str, Content]] = {}
        self._digests: dict[str, tuple[bytes, bytes]] = {}  # name -> what it had last, its digest
        self._broken: dict[tuple[int, int], Sequence[str]] = {}  # content, promise, by their ids
        self._outcome = Outcome()

    def judge(self, life: Life, chance: random.Random) -> Outcome:
        """Cut a life everywhere."""
        self._outcome.steps = len(life.steps)
        for done, way, files in leavings(life.before, life.steps, chance):
            self._outcome.cuts += 1
            for wrong in self._wrong(life, done, files):
                where = f"cut after step {done} of {len(life.steps)}, {way}: {wrong}"
                self._outcome.findings.append(where)
        self._outcome.distinct = len(self._looks)
        return self._outcome

    def _wrong(self, life: Life, done: int, files: Mapping[str, bytes]) -> Iterator[str]:
        promise, to_come = life.promised_at(done)
        key = self._digest(files)
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = self._look(files)
            if look.content is not None and len(self._looks) % EVERY == 1:
                yield from self._begun(files, promise)
        if look.content is None:
            yield look.wrong
            return
        if look.quarantined and not (promise.may_replace or to_come.may_replace):
            yield "the file was put aside as damaged"
        if not _is_either(look.content, promise, to_come):
            yield "half of a call is there, or an earlier state"
        pair = (id(look.content), id(promise))
        if pair not in self._broken:
            self._broken[pair] = list(broken(promise, look.content))
        yield from self._broken[pair]

    def _digest(self, files: Mapping[str, bytes]) -> bytes:
        whole = hashlib.blake2b(digest_size=16)
        for name, data in sorted(files.items()):
            last, digest = self._digests.get(name, (b"", b""))
            if data is not last:
                digest = hashlib.blake2b(data, digest_size=16).digest()
                self._digests[name] = (data, digest)
            whole.update(name.encode() + b"\0" + digest)
        return whole.digest()

    def _look(self, files: Mapping[str, bytes]) -> Look:
        if len(files.get(LOG, b"")) > MOST_LOG_BYTES:
            return Look("the log is longer than a start should read")
        began_s = time.perf_counter()
        try:
            with found_in(self._folder, files, self._limits.max_bytes) as (store, quarantined):
                self._timed(began_s)
                image = hashlib.blake2b(store.serialize()).digest()
                if image not in self._images:
                    self._images[image] = (wrong_with(store), content_of(store))
        except Exception as error:  # noqa: BLE001 - whatever it is, the agent does not start
            return Look(f"no start: {error!r}")
        wrong, content = self._images[image]
        return Look(wrong, None if wrong else content, bool(quarantined))

    def _begun(self, files: Mapping[str, bytes], promise: Promise) -> Iterator[str]:
        """Begin a run on it, look at what that says, and begin the next one after it."""
        put_files(self._folder, files)
        began_s = time.perf_counter()
        dropped = yield from self._run("NEXT-1", promise, is_first=True)
        self._timed(began_s)
        kept = {row: each for row, each in promise.rows.items() if row not in dropped}
        yield from self._run("NEXT-2", promise._replace(rows=kept), is_first=False)

    def _run(
        self, name: str, promise: Promise, *, is_first: bool
    ) -> Generator[str, None, frozenset[int]]:
        """Begin a run, keep one bundle more, end it; what went from a full store for that."""
        database = Database(self._folder, self._limits, connect)
        streams = run_streams(name)
        try:
            recovery = database.open(streams).recovery
            leased = database.lease(0, EVERYTHING, ())
            there = {head.row: mark(each) for head, each in leased if each is not None}
            dropped = self._with_room(database, bundle(streams[0]))
            database.close(streams, {})
        except BacklogError as error:
            yield f"no run begins: {error}"
            return frozenset()
        if is_first and promise.is_open and not recovery.unclean:
            yield "that the run was cut off is not said"
        if recovery.bundles != len(leased):
            yield f"{recovery.bundles} bundles said to be recovered, {len(leased)} are there"
        if recovery.session < promise.session:
            yield f"session {recovery.session} is given out a second time"
        if not promise.rows.items() <= there.items():
            yield "rows are not handed out"
        return dropped

    def _with_room(self, database: Database, one: Bundle) -> frozenset[int]:
        """Keep a bundle; the oldest go from a store that is full, as with the agent (shedding)."""
        dropped = set[int]()
        while True:
            try:
                database.append([one], {})
            except BacklogFullError:
                wanted = max(0, self._limits.max_bytes - database.file.bytes_used) + PAGE
                gone = database.drop_oldest("routine", wanted, AT, ())
                gone = gone or database.drop_oldest("event", wanted, AT, ())
                if not gone:
                    raise
                dropped |= {head.row for head in gone}
            else:
                return frozenset(dropped)

    def _timed(self, began_s: float) -> None:
        self._outcome.slowest_s = max(self._outcome.slowest_s, time.perf_counter() - began_s)


def _is_either(content: Content, promise: Promise, to_come: Promise) -> bool:
    """Whether it is the store as it was after one of two calls, as far as that is known."""
    if promise.state is None or to_come.state is None:
        return True
    if promise.may_replace or to_come.may_replace:  # a new file is counted anew
        return content.state.content in {promise.state.content, to_come.state.content}
    return content.state in {promise.state, to_come.state}
