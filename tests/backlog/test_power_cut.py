"""Power fails at every write; and what the medium is made to bear.

The store runs its own code with its own pragmas on a disk that records (failing_disk). At every
point of a history, what a power cut may leave there is opened: it must be sound, and everything
that was accepted before must be in it.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
import msgspec
import pytest

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.backlog.sqlite import opening
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.opening import FILE
from gateway.backlog.sqlite.tally import COUNT_ALL
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Aside, Bundle
from tests.backlog.failing_disk import Disk, Sync, Write, connection, cuts, io_error
from tests.backlog.places import AT, bundle, payload_bytes, run_streams

PAGE: Final = 4096
MAKE_DURABLE: Final = "_make_log_durable"
LIMITS: Final = Limits(max_bytes=DEFAULT_MAX_BYTES)


Numbers = frozenset[tuple[str, int]]


class History:
    """What an outage and its end do to a store, and what was promised at which operation.

    Promised are rows, and the numbers that must be in a row, aside, or in a loss range.
    """

    def __init__(self, directory: Path) -> None:
        empty_store(directory)
        self.before = files_in(directory)
        self.disk = Disk(f"cut-{directory}")
        self.streams = run_streams("CUT")
        self.kept: list[tuple[int, Bundle]] = []
        self.declared: set[tuple[str, int]] = set()
        self.promised: list[tuple[int, frozenset[int], Numbers]] = [(0, frozenset(), frozenset())]
        with closing(_Opened(directory, self.disk)) as store:
            store.database.open(self.streams)
            self._live(store.database)
        self.disk.unregister()

    def _live(self, database: Database) -> None:
        for turn in range(48):
            bundles = [bundle(self.streams[0], 40), bundle(self.streams[1])] * 2
            self.kept += zip(database.append(bundles, {"one": turn}), bundles, strict=True)
            self._promise()
            if turn % 6 == 5:
                (self._settle, self._drop, self._set_aside)[turn // 6 % 3](database)
        database.forget_previous()

    def _settle(self, database: Database) -> None:
        rows = self._leave(5)
        self._promise()  # from now on the settled ones may be gone
        database.settle(rows)

    def _drop(self, database: Database) -> None:
        gone = self.kept[:4]
        rows = self._leave(4)
        self.declared |= _numbers(each for _, each in gone)
        self._promise()
        database.drop(rows, "full", AT)

    def _set_aside(self, database: Database) -> None:
        gone = self.kept[:3]
        self._leave(3)
        self.declared |= _numbers(each for _, each in gone)
        self._promise()
        database.set_aside([Aside(each, "refused", row) for row, each in gone], AT)

    def _leave(self, count: int) -> list[int]:
        gone, self.kept = self.kept[:count], self.kept[count:]
        return [row for row, _ in gone]

    def _promise(self) -> None:
        rows = frozenset(row for row, _ in self.kept)
        numbers = frozenset(self.declared) | _numbers(each for _, each in self.kept)
        self.promised.append((len(self.disk.operations), rows, numbers))

    def promised_at(self, done: int) -> tuple[frozenset[int], Numbers]:
        """Rows that must be there when `done` operations were done, and numbers accounted for."""
        return [(rows, numbers) for at, rows, numbers in self.promised if at <= done][-1]


def _numbers(bundles: Iterable[Bundle]) -> Numbers:
    return frozenset(
        (each.stream, each.first_seq + n) for each in bundles for n in range(len(each.entries))
    )


class _Opened:
    """A database on a disk, closed without the promise to close cleanly."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.database = Database(directory, LIMITS, connection(disk))

    def close(self) -> None:
        self.database.close((), {})


def empty_store(directory: Path) -> None:
    database = Database(directory, LIMITS, connect)
    database.open(())
    database.close((), {})


def files_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob(f"{FILE}*")}


def verdict(directory: Path, files: Mapping[str, bytes]) -> tuple[str, frozenset[int], Numbers]:
    """Open files as a power cut left them: are they sound, which rows and numbers are there."""
    for path in directory.iterdir():
        path.unlink()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    with closing(sqlite3.connect(directory / FILE)) as found:
        try:
            return _read(found)
        except sqlite3.DatabaseError as error:
            return str(error), frozenset(), frozenset()


def _read(found: sqlite3.Connection) -> tuple[str, frozenset[int], Numbers]:
    (sound,) = found.execute("PRAGMA integrity_check").fetchone()
    rows = frozenset(row for (row,) in found.execute("SELECT id FROM bundle"))
    ranges = found.execute(
        "SELECT stream, first_seq, first_seq + count - 1 FROM bundle UNION ALL"
        " SELECT stream, first_seq, first_seq + count - 1 FROM aside UNION ALL"
        " SELECT stream, first, last FROM loss"
    ).fetchall()
    *tally, next_row = found.execute(
        "SELECT bundles, observations, next_row FROM tally"
    ).fetchone()
    counted = found.execute(
        "SELECT count(*), coalesce(sum(count), 0) FROM bundle WHERE id < ?", (next_row,)
    ).fetchone()
    sound = sound if tuple(tally) == counted else f"tally {tally} instead of {counted}"
    numbers = frozenset((stream, n) for stream, a, b in ranges for n in range(a, b + 1))
    return sound, rows, numbers


def _judge(history: History, directory: Path) -> tuple[int, int, int]:
    """Return how many power cuts were played, how many lost a row, how many the file."""
    directory.mkdir()
    played = lost = broken = 0
    for done, files in cuts(history.before, history.disk.operations, random.Random(1)):  # noqa: S311
        played += 1
        sound, rows, numbers = verdict(directory, files)
        promised_rows, promised_numbers = history.promised_at(done)
        broken += sound != "ok"
        lost += not (promised_rows <= rows and promised_numbers <= numbers)
    return played, lost, broken


@pytest.mark.slow
def test_a_power_cut_at_any_write_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    history = History(tmp_path / "store")
    played, lost, broken = _judge(history, tmp_path / "after")
    assert (lost, broken) == (0, 0)
    assert played > 1000
    in_file = {each.file for each in history.disk.operations if isinstance(each, Sync)}
    assert in_file >= {FILE, f"{FILE}-wal"}  # a checkpoint was among it


# --------------------------------------------------------------------------------- errors
@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (apsw.SQLITE_IOERR_WRITE, BacklogError),
        (apsw.SQLITE_IOERR_FSYNC, BacklogError),
        (apsw.SQLITE_FULL, BacklogFullError),
    ],
)
def test_wherever_operations_fail_the_store_holds_what_it_says(
    tmp_path: Path,
    code: int,
    kind: type[BacklogError],
    length: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = 0
    for number in range(200):
        failing = range(number, number + length)
        disk = Disk(f"fail-{tmp_path}-{number}", failing=failing, fault=io_error(code))
        with monkeypatch.context() as patched:
            patched.setattr(opening, MAKE_DURABLE, _told_to(disk))
            failures = _failing_life(tmp_path / f"store-{number}", disk)
        disk.unregister()
        # Where there is no room for what is to be synced, SQLite says that the sync has failed.
        assert all(isinstance(failure, BacklogError) for failure in failures)
        failed += sum(isinstance(failure, kind) for failure in failures)
        if len(disk.operations) <= number:
            break
    else:
        pytest.fail("the history never got by without a failure")
    assert failed > 5


def _told_to(disk: Disk) -> Callable[[Path], bool]:
    """Let the disk know of the log that a start writes anew and syncs: it does so past SQLite."""
    make_durable: Callable[[Path], bool] = vars(opening)[MAKE_DURABLE]

    def told(directory: Path) -> bool:
        is_damaged = make_durable(directory)
        left = directory / f"{FILE}-wal"
        if left.exists():
            disk.operations += [Write(left.name, 0, left.read_bytes()), Sync(left.name)]
        return is_damaged

    return told


def _failing_life(directory: Path, disk: Disk) -> list[BacklogError]:
    """Live with failing operations: try again what failed, then compare file and answers."""
    empty_store(directory)
    before = files_in(directory)
    database = Database(directory, LIMITS, connection(disk))
    failures: list[BacklogError] = []
    kept = _try_until_done(database, failures)
    assert {head.row for head, _ in database.lease(0, 99, ())} == kept
    done = len(disk.operations)
    try:
        database.close((), {"two": 2})
    except BacklogError as error:
        failures.append(error)
    assert verdict(directory, files_in(directory))[:2] == ("ok", frozenset(kept))
    for at, files in cuts(before, disk.operations, random.Random(2)):  # noqa: S311
        if at == done:
            sound, rows, _ = verdict(directory, files)
            assert (sound, kept - rows) == ("ok", set())
    return failures


def _try_until_done(database: Database, failures: list[BacklogError]) -> set[int]:
    """Open, append four times, settle three rows; the rows that must be there."""
    routine, event = run_streams("FAIL")
    kept: set[int] = set()
    waiting = [[bundle(routine, 7), bundle(event)] for _ in range(4)]
    is_open = False
    for _ in range(30):
        try:
            if not is_open:
                database.open((routine, event))
                is_open = True
            while waiting:
                kept.update(database.append(waiting[0], {"one": len(waiting)}))
                waiting.pop(0)
            settled = sorted(kept)[:3]
            database.settle(settled)
            return kept.difference(settled)
        except BacklogError as error:
            failures.append(error)
    pytest.fail("it did not recover")


def test_after_an_error_of_the_medium_the_file_is_opened_anew(tmp_path: Path) -> None:
    empty_store(tmp_path)
    disk = Disk(f"anew-{tmp_path}")
    opened: list[Path] = []

    def connect_and_count(path: Path) -> sqlite3.Connection:
        opened.append(path)
        return connection(disk)(path)

    routine, event = run_streams("A")
    database = Database(tmp_path, LIMITS, connect_and_count)
    database.open((routine, event))
    database.append([bundle(routine)], {})
    assert len(opened) == 1
    disk.fail_next(io_error(apsw.SQLITE_IOERR_WRITE))
    with pytest.raises(BacklogError):
        database.append([bundle(routine)], {})
    database.append([bundle(event)], {})
    assert len(opened) == 2
    database.close((), {})
    disk.unregister()


# ---------------------------------------------------------------------------------- bytes
@pytest.mark.parametrize("ends_cleanly", [True, False])
def test_a_start_does_not_read_the_whole_store(tmp_path: Path, ends_cleanly: bool) -> None:  # noqa: FBT001 - parametrized
    directory = tmp_path / "store"
    routine, event = run_streams("A")
    database = Database(directory, LIMITS, connect)
    database.open((routine, event))
    kept = bundle(routine, 100)
    for turn in range(18):
        seqs = [100 * (100 * turn + n) for n in range(100)]
        database.append([msgspec.structs.replace(kept, first_seq=seq) for seq in seqs], {})
        if turn == 15:
            database.settle(range(1, 200))
    database.append([bundle(event)], {})
    routine.next_seq = 180_000
    if ends_cleanly:
        database.close((routine, event), {})
    else:  # as SIGKILL leaves it
        shutil.copytree(directory, tmp_path / "killed")
        database.close((), {})
        directory = tmp_path / "killed"
    size = (directory / FILE).stat().st_size
    disk = Disk(f"reads-{directory}")
    # The check reads what it can in its two seconds, and is given up then.
    unread = {"PRAGMA quick_check(1)": "SELECT 'ok'", COUNT_ALL: "SELECT 1602, 160101, 1"}
    after = Database(directory, LIMITS, connection(disk, unread))
    recovery = after.open(run_streams("B")).recovery
    assert (recovery.bundles, recovery.observations) == (1602, 160_101)
    assert [each.next_seq for each in recovery.previous] == [1, 180_000]
    assert disk.read_bytes < size / 4
    after.close((), {})
    disk.unregister()


@pytest.mark.parametrize("counters", [0, 1])
def test_an_outage_writes_little_more_than_a_page_per_commit_and_one_for_counters(
    tmp_path: Path, counters: int
) -> None:
    empty_store(tmp_path)
    disk = Disk(f"bytes-{tmp_path}")
    routine, _ = run_streams("BYTES")
    commits, payload = 600, 0  # 7 minutes at 10 observations/s, kept every 0.7 s
    with closing(_Opened(tmp_path, disk)) as store:
        store.database.open((routine,))
        opened = disk.written_bytes
        for turn in range(commits):
            kept = [bundle(routine, 7)]
            payload += payload_bytes(kept)
            store.database.append(kept, {"one": turn} if counters else {})
    written = disk.written_bytes - opened  # with the checkpoints, also the one at the end
    disk.unregister()
    assert written <= 1.3 * payload + (1 + counters) * PAGE * commits
