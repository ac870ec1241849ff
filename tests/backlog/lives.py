"""A store lives through a history on a recorded folder, and it is noted what it promised when.

A life lasts from files that are on the medium to the next power cut (or damage). What happens in
it, also a kill and the start after it, is one record; every step of it is a place to cut.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from gateway.backlog.sqlite import file as store_file
from gateway.backlog.sqlite import opening, soundness
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.opening import FILE
from gateway.backlog.sqlite.schema import packed, unpacked
from gateway.errors import BacklogError
from gateway.model import Aside, Bundle, Loss, ObservationClass, Recovery
from tests.backlog.contents import Content, Promise, content_of, mark
from tests.backlog.failing_disk import connection, io_error
from tests.backlog.histories import Act, History
from tests.backlog.places import AT, bundle, run_streams
from tests.backlog.platter import PAGE, WAYS, Platter, Step
from tests.backlog.recorder import Recorder
from tests.backlog.test_versions import old_store

AMPLE: Final = 1 << 40
SIZES: Final = (1, 7, 30, 100)  # observations in a bundle
EVERYTHING: Final = 1 << 30
CODES: Final = (apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_FULL)
BALLAST: Final = 4 * PAGE


class Life:
    """From files that are on the medium to the next power cut."""

    def __init__(self, before: Mapping[str, bytes], promise: Promise) -> None:
        self.before = before
        self.steps: Sequence[Step] = ()
        self.promises = [promise]

    def promised_at(self, done: int) -> tuple[Promise, Promise]:
        """Return what was promised when so many steps were done, and what was to come next."""
        index = max(i for i, each in enumerate(self.promises) if each.at <= done)
        return self.promises[index], self.promises[min(index + 1, len(self.promises) - 1)]


class Lives:
    """All lives of one history, played in folders below `place`."""

    def __init__(
        self, history: History, place: Path, weaken: Mapping[str, str] | None = None
    ) -> None:
        self.lives: list[Life] = []
        self.failures = 0
        self._history = history
        self._place = place
        self._chance = random.Random(repr(history))  # noqa: S311 - repeatable
        self._weaken = {
            "PRAGMA wal_autocheckpoint=256": f"PRAGMA wal_autocheckpoint={history.checkpoint}",
            **(weaken or {}),
        }
        self._recorder = Recorder(f"recorder-{place}")
        self._database = self._new_database()
        self._runs = self._folders = self._tick = 0
        self._streams = run_streams("NONE")
        self._rows: dict[int, Bundle] = {}
        self._promise = Promise(0)
        self._free = AMPLE
        self._is_unsure = False
        self._ways = self._acts()
        self._play()
        self._recorder.unregister()

    def _acts(self) -> Mapping[str, Callable[[int, int], None]]:
        return {
            "append": self._append,
            "append_many": self._append_many,
            "lease": self._lease,
            "settle": self._settle,
            "drain": self._drain,
            "drop": self._drop,
            "drop_oldest": self._drop_oldest,
            "set_aside": self._set_aside,
            "requeue": self._requeue,
            "purge": self._purge,
            "declare": self._declare,
            "forget_losses": self._forget_losses,
            "remember": self._remember,
            "save_counters": self._save_counters,
            "reserve_sessions": self._reserve_sessions,
            "forget_previous": self._forget_previous,
            "close": self._close,
            "scarce": self._scarce,
            "fail": self._fail,
            "kill": self._kill,
            "cut": self._cut,
            "damage": self._damage,
        }

    def limits(self) -> Limits:
        """Return the store's bounds."""
        return Limits(max_bytes=self._history.max_bytes, keep_free=1, ballast=BALLAST)

    def _new_database(self) -> Database:
        connecting = connection(self._recorder, self._weaken)
        return Database(self._recorder.folder, self.limits(), connecting, lambda _: self._free)

    def _play(self) -> None:
        # So that a file of some pages is worth shrinking: else each would have to have thousands.
        with (
            mock.patch.object(store_file, "_WORTH_SHRINKING_PAGES", 12),
            self._recorder.watching(),
        ):
            self._begin()
            for act in self._history.acts:
                self._do(act)
            self._do(Act("close", 0, 0))
            self._end_life()

    # ------------------------------------------------------------------------------ begin and end
    def _begin(self) -> None:
        if self._history.begins == "nothing":
            self._begin_life({}, Promise(0))
            return
        folder = self._folder()
        old_store(folder, int(self._history.begins.removeprefix("version ")))
        self._go_on(files_in(folder), Promise(0))

    def _begin_life(self, files: Mapping[str, bytes], promise: Promise) -> None:
        self.lives.append(Life(files, promise))
        self._recorder.begin(self._folder(), files)
        self._promise = promise
        self._open()

    def _end_life(self) -> None:
        self._recorder.check()
        self.lives[-1].steps = self._recorder.steps
        self._vanish()

    def _vanish(self) -> None:
        """Let go of the files as somebody does who was killed: what that does is not recorded."""
        self._recorder.is_recording = False
        with suppress(BacklogError):
            self._database.file.close()

    def _folder(self) -> Path:
        self._folders += 1
        return self._place / f"life-{self._folders}"

    def _open(self) -> None:
        """Begin a run; a medium that fails is given up on for a while, and comes back."""
        self._recorder.is_recording = True
        for _ in range(4):
            self._database = self._new_database()
            self._streams = run_streams(f"R{self._runs:03}")
            self._runs += 1
            try:
                opened = self._database.open(self._streams)
            except BacklogError:
                self._failed()
                self._recorder.fail(0, 0, None)
                continue
            self._began(opened.recovery)
            return
        message = "it did not open"
        raise AssertionError(message)

    def _began(self, recovery: Recovery) -> None:
        told = self._promise
        assert recovery.session >= told.session
        assert recovery.unclean or not told.is_open
        previous = frozenset(each.id for each in recovery.previous)
        assert told.streams <= previous
        self._see()
        ids = frozenset(each.id for each in self._streams)
        self._keep(session=recovery.session + 1, streams=ids | previous, is_open=True)

    def _end_run(self, counters: Mapping[str, int]) -> None:
        self._lower(is_open=False)
        self._database.close(self._streams, counters)
        files = files_in(self._recorder.folder)
        content = look(self._folder(), files, self.limits().max_bytes)
        counters = {**self._promise.counters, **counters}
        self._lower(counters=counters, state=content.state)

    # ----------------------------------------------------------------------------------- promises
    def _do(self, act: Act) -> None:
        self._tick += 1
        try:
            self._ways[act.name](act.a, act.b)
        except BacklogError:
            self._failed()
        else:
            if self._is_unsure:
                self._see()
            self._keep()

    def _failed(self) -> None:
        self.failures += 1
        self._is_unsure = True
        self._noted(self._promise._replace(state=None))

    def _see(self) -> None:
        """Read what is there: no less than was promised, and from now on all of it."""
        rows = {head.row: each for head, each in self._database.lease(0, EVERYTHING, ()) if each}
        assert self._promise.rows.items() <= {row: mark(b) for row, b in rows.items()}.items()
        self._rows, self._is_unsure = rows, False

    def _lower(self, **less: Any) -> None:  # noqa: ANN401 - fields of a promise
        """From now on less is promised: a call that may take it away has begun."""
        self._noted(self._promise._replace(**less))

    def _keep(self, **more: Any) -> None:  # noqa: ANN401 - fields of a promise
        """Promise what a call has returned for."""
        with self._database.file.reading() as store:
            content = content_of(store)
        rows = {row: mark(each) for row, each in self._rows.items()}
        self._lower(state=content.state, rows=rows, **more)

    def _noted(self, promise: Promise) -> None:
        self._promise = promise._replace(at=len(self._recorder.steps))
        self.lives[-1].promises.append(self._promise)

    def _without(self, rows: Sequence[int], *, are_accounted: bool) -> None:
        """Take rows out of what is promised, and of their numbers, too, if they are settled."""
        gone = {row: self._rows.pop(row) for row in rows}
        left = {row: mark(each) for row, each in self._rows.items()}
        numbers = self._promise.numbers
        if not are_accounted:
            numbers -= numbers_of(*gone.values())
        self._lower(rows=left, numbers=numbers)

    def _picked(self, a: int, b: int) -> list[int]:
        """Choose some rows, near each other or not."""
        rows = sorted(self._rows)
        if not rows:
            return []
        start = a % len(rows)
        return rows[start : start + 1 + b % 12 : 1 + b % 2]

    # ------------------------------------------------------------------------ what an agent does
    def _append(self, a: int, b: int) -> None:
        counters = {f"A{a % 3}": self._tick} if b % 2 else {}
        shape = [((a + n) % 2, SIZES[(b + n) % 3]) for n in range(1 + a % 4)]
        self._kept([bundle(self._streams[klass], size) for klass, size in shape], counters)

    def _append_many(self, a: int, b: int) -> None:
        sizes = [SIZES[3] if b % 3 else SIZES[0]] * (4 + a % 20)
        self._kept([bundle(self._streams[b % 2], size) for size in sizes], {})

    def _kept(self, bundles: Sequence[Bundle], counters: Mapping[str, int]) -> None:
        rows = self._database.append(bundles, counters)
        self._rows.update(zip(rows, bundles, strict=True))
        numbers = self._promise.numbers | numbers_of(*bundles)
        self._promise = self._promise._replace(
            numbers=numbers, counters={**self._promise.counters, **counters}
        )

    def _lease(self, a: int, b: int) -> None:
        found = {head.row for head, _ in self._database.lease(a, 1 + b, ())}
        assert found <= self._rows.keys() or self._is_unsure

    def _settle(self, a: int, b: int) -> None:
        rows = self._picked(a, b)
        self._without(rows, are_accounted=False)
        self._database.settle(rows)

    def _drain(self, _a: int, _b: int) -> None:
        """Deliver all there is: then the file is worth shrinking."""
        rows = list(self._rows)
        self._without(rows, are_accounted=False)
        self._database.settle(rows)

    def _drop(self, a: int, b: int) -> None:
        rows = self._picked(a, b)
        self._without(rows, are_accounted=True)
        self._database.drop(rows, "damaged" if b % 2 else "full", AT)

    def _drop_oldest(self, a: int, b: int) -> None:
        klass: ObservationClass = "event" if a % 4 == 0 else "routine"
        before = dict(self._rows)
        self._without(
            [row for row, each in before.items() if each.klass == klass], are_accounted=True
        )
        used = self._database.file.bytes_used
        wanted = self._history.max_bytes - used + (1 + b % 8) * PAGE
        leased = [row for row in before if row % 5 == a % 5]
        gone = self._database.drop_oldest(klass, wanted, AT, leased)
        for each in gone:
            before.pop(each.row, None)
        self._rows = before

    def _set_aside(self, a: int, b: int) -> None:
        rows = self._picked(a, b)
        asides = [Aside(self._rows[row], "refused", row) for row in rows]
        self._without(rows, are_accounted=True)
        fresh = [bundle(self._streams[0], SIZES[b % 4])] if a % 3 == 0 else []
        asides += [Aside(each, "refused") for each in fresh]
        self._database.set_aside(asides, AT)
        self._promise = self._promise._replace(numbers=self._promise.numbers | numbers_of(*fresh))

    def _asides(self) -> Sequence[tuple[int, bytes]]:
        with self._database.file.reading() as store:
            return store.execute("SELECT id, body FROM aside ORDER BY id").fetchall()

    def _requeue(self, a: int, _b: int) -> None:
        asides = self._asides()
        if asides:
            id_, body = asides[a % len(asides)]
            again = unpacked(body)
            assert again is not None
            row = self._database.file.tally.next_row
            self._database.requeue(id_, again)
            self._rows[row] = again

    def _purge(self, a: int, b: int) -> None:
        ids = [id_ for id_, _ in self._asides()]
        self._database.drop_asides(ids[a % 4 :][: b % 4], AT)

    def _declare(self, a: int, b: int) -> None:
        never = bundle(self._streams[a % 2], 1 + b % 9)
        losses = [Loss(never.stream, seq, seq, "store", AT) for _, seq in numbers_of(never)]
        self._database.declare(losses)
        self._promise = self._promise._replace(numbers=self._promise.numbers | numbers_of(never))

    def _forget_losses(self, a: int, b: int) -> None:
        told = self._database.losses()[a % 4 :][: 1 + b % 4]
        numbers = {(each.stream, n) for each in told for n in range(each.first, each.last + 1)}
        self._lower(numbers=self._promise.numbers - numbers)
        self._database.forget_losses(told)
        # What a range says too much is still in its row.
        there = numbers & self._numbers_there()
        self._promise = self._promise._replace(numbers=self._promise.numbers | there)

    def _numbers_there(self) -> frozenset[tuple[str, int]]:
        with self._database.file.reading() as store:
            return content_of(store).numbers

    def _remember(self, a: int, b: int) -> None:
        key, word = f"W{a % 2}", ("", "x", "y" * 9000)[b % 3]
        words = {**self._promise.words}
        words.pop(key, None)
        self._lower(words=words)
        self._database.remember(key, word)
        self._promise = self._promise._replace(words={**words, key: word})

    def _save_counters(self, a: int, _b: int) -> None:
        counters = {f"A{a % 3}": self._tick}
        self._database.save_counters(counters)
        self._promise = self._promise._replace(counters={**self._promise.counters, **counters})

    def _reserve_sessions(self, _a: int, _b: int) -> None:
        session = self._database.reserve_sessions()
        assert session >= self._promise.session
        self._promise = self._promise._replace(session=session + 1)

    def _forget_previous(self, _a: int, _b: int) -> None:
        self._lower(streams=frozenset(each.id for each in self._streams))
        self._database.forget_previous()

    def _close(self, a: int, _b: int) -> None:
        """Stop as it should be, and start again."""
        self._stop({f"A{a % 3}": self._tick})
        self._open()

    def _stop(self, counters: Mapping[str, int]) -> None:
        try:
            self._end_run(counters)
        except BacklogError:
            self._failed()

    # --------------------------------------------------------------------------- what befalls it
    def _scarce(self, a: int, _b: int) -> None:
        """Let others fill the medium, or leave it."""
        self._free = 0 if a % 2 else AMPLE

    def _fail(self, a: int, b: int) -> None:
        """Let some of the next operations fail."""
        self._noted(self._promise._replace(may_replace=True))
        self._recorder.fail(a % 30, 1 + b % 3, io_error(CODES[a % 3]))

    def _kill(self, _a: int, _b: int) -> None:
        """Be killed and start again, on files that are not all on the medium."""
        self._recorder.check()
        folder = self._folder()
        shutil.copytree(self._recorder.folder, folder)
        self._vanish()
        self._recorder.move(folder)
        self._open()

    def _cut(self, a: int, b: int) -> None:
        """Lose the power in what was done last; the next life begins with what is left."""
        steps = self._recorder.steps
        done = max(0, len(steps) - a % 30)
        life = self.lives[-1]
        platter = Platter(life.before)
        for step in steps[:done]:
            platter.do(step)
        files = platter.left(WAYS[b % len(WAYS)], self._chance)
        promise, _ = life.promised_at(done)
        self._end_life()
        self._go_on(files, promise)

    def _go_on(self, files: Mapping[str, bytes], promise: Promise) -> None:
        folder = self._folder()
        with found_in(folder, files, self.limits().max_bytes) as (store, quarantined):
            content = content_of(store)
        assert promise.may_replace or not quarantined
        self._recorder.fail(0, 0, None)
        promise = promise._replace(at=0, state=content.state, may_replace=bool(quarantined))
        self._begin_life(files, promise)

    def _damage(self, a: int, b: int) -> None:
        """Find a page of the file not to be read: after an end, or with a log beside it."""
        if b % 2:
            self._stop({})
        files = files_in(self._recorder.folder)
        found = [row for row, each in self._rows.items() if packed(each)[:64] in files[FILE]]
        if found:
            body = packed(self._rows[found[a % len(found)]])
            files[FILE] = _flipped(files[FILE], files[FILE].index(body[:64]) // PAGE * PAGE)
        self._end_life()
        self._go_on_damaged(files)

    def _go_on_damaged(self, files: Mapping[str, bytes]) -> None:
        """Promise what can be read and is declared: also when salvage is cut, and done again."""
        content = look(self._folder(), files, self.limits().max_bytes)
        promise = Promise(
            at=0,
            rows=content.rows,
            numbers=content.numbers,
            counters=content.counters,
            words=content.words,
            session=content.session,
            may_replace=True,
        )
        self._begin_life(files, promise)


def numbers_of(*bundles: Bundle) -> frozenset[tuple[str, int]]:
    """Return the numbers of the observations in bundles."""
    return frozenset(
        (each.stream, each.first_seq + n) for each in bundles for n in range(len(each.entries))
    )


def files_in(folder: Path) -> dict[str, bytes]:
    """Return a store's files."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix != ".lock"}


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Let a folder hold these files and nothing else."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


@contextmanager
def found_in(
    folder: Path, files: Mapping[str, bytes], max_bytes: int
) -> Generator[tuple[sqlite3.Connection, str]]:
    """Let the agent's own start find files; the connection, and where it put a damaged file."""
    put_files(folder, files)
    # Its deadline is a thread, which takes longer than the check itself.
    with mock.patch.object(soundness, "_at_most", return_value=nullcontext()):
        found = opening.find_store(folder, connect, max_bytes)
    with closing(found.connection):
        yield found.connection, found.quarantined


def look(folder: Path, files: Mapping[str, bytes], max_bytes: int) -> Content:
    """Return what the agent's own start finds in files."""
    with found_in(folder, files, max_bytes) as (store, _):
        return content_of(store)


def _flipped(data: bytes, page: int) -> bytes:
    """Return a file with the beginning of a page damaged."""
    return data[:page] + bytes(each ^ 0xFF for each in data[page : page + 64]) + data[page + 64 :]
