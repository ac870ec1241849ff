"""After a failed sync nothing that was accepted is lost, whatever the kernel has dropped.

The disk (failing_disk) drops what a failed sync should have made durable, as kernels do, and
takes it for written; power cuts at every moment afterwards show what was relied upon.
"""

import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import apsw
import pytest

from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.opening import FILE
from gateway.errors import BacklogError
from gateway.model import Aside
from tests.backlog.failing_disk import (
    Disk,
    Lost,
    Operation,
    Write,
    connection,
    cuts,
    io_error,
)
from tests.backlog.places import AT, bundle, run_streams
from tests.backlog.test_power_cut import empty_store, files_in, verdict

LOG: Final = f"{FILE}-wal"
LIMITS: Final = Limits(max_bytes=10_000_000)
CODES: Final = {"a write": apsw.SQLITE_IOERR_WRITE, "room": apsw.SQLITE_FULL}
# Checkpoints, too, in a short history.
OFTEN: Final = {"PRAGMA wal_autocheckpoint=256": "PRAGMA wal_autocheckpoint=8"}


class Segment:
    """A life of one file: what it was at its begin, what was done to it, what was promised."""

    def __init__(self, directory: Path, kept: frozenset[int]) -> None:
        self.before = files_in(directory)
        self.operations: list[Operation] = []
        self.promised = [(0, kept)]

    def promised_at(self, done: int) -> frozenset[int]:
        return [rows for at, rows in self.promised if at <= done][-1]


class Life:
    """Appends, settles and drops while syncs fail; each failed call is made again."""

    def __init__(
        self, directory: Path, failing: dict[str, range], *, also_new_files: bool = False
    ) -> None:
        empty_store(directory)
        self._also_new_files = also_new_files
        self.directory = directory
        self.disk = Disk(f"sync-{directory}")
        self.streams = run_streams("SYNC")
        self.kept: list[int] = []
        self.failures = 0
        self.segments = [Segment(directory, frozenset())]
        self._inode = (directory / FILE).stat().st_ino
        self.database = Database(directory, LIMITS, self._connect)
        self.database.open(self.streams)
        self.disk.failing_syncs = dict(failing)
        for turn in range(16):
            self._turn(turn)
        self._turned()
        self.database.close((), {})
        self._turned()
        self.disk.unregister()

    def _connect(self, path: Path) -> sqlite3.Connection:
        if path.name == FILE and path.stat().st_ino != self._inode:
            # Another file took the place of the first, synced: all of it is on the medium.
            self._turned()
            self._inode = path.stat().st_ino
            self.segments.append(Segment(self.directory, frozenset(self.kept)))
            self.disk.operations.clear()
            if not self._also_new_files:
                self.disk.failing_syncs.clear()
        return connection(self.disk, OFTEN)(path)

    def _turned(self) -> None:
        self.segments[-1].operations = list(self.disk.operations)

    def _promise(self) -> None:
        self.segments[-1].promised.append((len(self.disk.operations), frozenset(self.kept)))

    def _turn(self, turn: int) -> None:
        bundles = [bundle(self.streams[0], 20), bundle(self.streams[1])]
        self.kept += self._until_done(lambda: self.database.append(bundles, {"one": turn}))
        self._promise()
        if turn % 5 == 4:
            settled, self.kept = self.kept[:2], self.kept[2:]
            self._promise()  # from now on they may be gone
            self._until_done(lambda: [row.row for row in self.database.settle(settled)])

    def _until_done(self, call: Callable[[], Sequence[int]]) -> list[int]:
        for _ in range(9):
            try:
                return list(call())
            except BacklogError:
                self.failures += 1
                found = [head.row for head, _ in self.database.lease(0, 999, ())]
                assert set(self.kept) <= set(found)
        pytest.fail("it did not recover")


def _lost(life: Life, after: Path) -> tuple[int, int, int]:
    """Return how many power cuts were played, lost a row, broke the file."""
    after.mkdir()
    played = lost = broken = 0
    for segment in life.segments:
        chance = random.Random(1)  # noqa: S311 - repeatable
        for done, found in cuts(segment.before, segment.operations, chance):
            sound, rows, _ = verdict(after, found)
            played += 1
            broken += sound != "ok"
            lost += not segment.promised_at(done) <= rows
    return played, lost, broken


@pytest.mark.parametrize("number", [0, 4, 9])
def test_a_log_that_failed_to_sync_is_emptied_before_anything_is_added_to_it(
    tmp_path: Path, number: int
) -> None:
    life = Life(tmp_path / "store", {LOG: range(number, number + 1)})
    assert life.failures == 1
    assert life.database.file.quarantined == ""
    played, lost, broken = _lost(life, tmp_path / "after")
    assert (lost, broken) == (0, 0)
    assert played > 100


@pytest.mark.parametrize("number", [1, 9])
def test_a_file_that_fails_to_sync_too_is_replaced_by_a_new_one(
    tmp_path: Path, number: int
) -> None:
    life = Life(tmp_path / "store", {LOG: range(number, number + 1), FILE: range(99)})
    assert life.database.file.quarantined == str(tmp_path / "store" / f"{FILE}.corrupt-1")
    assert len(life.segments) == 2
    first = life.segments[0].operations
    assert Lost(FILE) in first
    played, lost, broken = _lost(life, tmp_path / "after")
    assert (lost, broken) == (0, 0)
    assert played > 100


def test_a_start_does_not_add_to_the_log_that_a_killed_run_left(tmp_path: Path) -> None:
    database = Database(tmp_path / "store", LIMITS, connect)
    streams = run_streams("A")
    database.open(streams)
    rows = database.append([bundle(streams[0], 5)], {})
    shutil.copytree(tmp_path / "store", tmp_path / "killed")
    database.close((), {})
    log = tmp_path / "killed" / LOG
    with log.open("rb") as left:
        after = Database(tmp_path / "killed", LIMITS, connect)
        after.open(run_streams("B"))
        assert log.stat().st_ino != os.fstat(left.fileno()).st_ino
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert [head.row for head, _ in after.lease(0, 9, ())] == list(rows)
    after.close((), {})


def _killed(directory: Path) -> list[int]:
    """Leave a store whose log holds commits; their rows."""
    database = Database(directory.with_name("alive"), LIMITS, connect)
    streams = run_streams("A")
    database.open(streams)
    rows = [*database.append([bundle(streams[0], 5) for _ in range(40)], {})]
    shutil.copytree(directory.with_name("alive"), directory)
    database.close((), {})
    return rows


@pytest.mark.parametrize("what", ["the log's sync", "the file's sync", "a write", "room"])
def test_a_start_goes_on_and_loses_nothing_where_the_log_does_not_go_into_the_file(
    tmp_path: Path, what: str
) -> None:
    rows = _killed(tmp_path / "store")
    before = files_in(tmp_path / "store")
    disk = Disk(f"start-{tmp_path}")
    if what.endswith("sync"):
        disk.failing_syncs = {LOG if "log" in what else FILE: range(1)}
    else:
        disk = Disk(disk.name, failing=range(1, 2), fault=io_error(CODES[what]))
    database = Database(tmp_path / "store", LIMITS, connection(disk))
    streams = run_streams("B")
    database.open(streams)
    is_write = isinstance(disk.operations[1], Write)
    assert is_write if what in CODES else Lost in map(type, disk.operations)
    kept = {*rows, *database.append([bundle(streams[0])], {})}
    done = len(disk.operations)
    assert database.file.quarantined == ""
    database.close((), {})
    disk.unregister()
    (tmp_path / "after").mkdir()
    for at, files in cuts(before, disk.operations, random.Random(3)):  # noqa: S311 - repeatable
        sound, found, _ = verdict(tmp_path / "after", files)
        assert sound == "ok"
        assert {*rows} <= found
        assert at < done or kept <= found


@pytest.mark.parametrize(
    "failing",
    [
        {LOG: range(4, 6), FILE: range(4)},  # breaks a store that is merely opened anew
        {LOG: range(9, 12), FILE: range(6)},
    ],
)
def test_syncs_that_fail_for_a_while_cost_nothing_that_was_accepted(
    tmp_path: Path, failing: dict[str, range]
) -> None:
    life = Life(tmp_path / "store", failing, also_new_files=True)
    assert life.failures >= 1
    played, lost, broken = _lost(life, tmp_path / "after")
    assert (lost, broken) == (0, 0)
    assert played > 100


def test_what_people_put_back_is_kept_by_a_commit_whose_checkpoint_failed(tmp_path: Path) -> None:
    """It has reached the file all the same: the bundle is no longer set aside."""
    empty_store(tmp_path)
    disk = Disk(f"back-{tmp_path}")
    database = Database(tmp_path, LIMITS, connection(disk, OFTEN))
    streams = run_streams("BACK")
    database.open(streams)
    asides = [Aside(bundle(streams[0], 100), "refused") for _ in range(30)]
    database.set_aside(asides, AT)
    disk.failing_syncs = {FILE: range(1)}
    for number, each in enumerate(asides, start=1):
        database.requeue(number, each.bundle)
    assert any(isinstance(each, Lost) for each in disk.operations)
    there = {content.key for _, content in database.lease(0, 99, ()) if content is not None}
    assert there == {each.bundle.key for each in asides}
    assert database.file.tally.bundles == len(asides)
    database.close((), {})
    disk.unregister()


def test_what_is_kept_is_counted_right_after_a_commit_whose_checkpoint_failed(
    tmp_path: Path,
) -> None:
    empty_store(tmp_path)
    disk = Disk(f"count-{tmp_path}")
    database = Database(tmp_path, LIMITS, connection(disk, OFTEN))
    streams = run_streams("COUNT")
    database.open(streams)
    rows = [*database.append([bundle(streams[0]) for _ in range(30)], {})]
    disk.failing_syncs = {FILE: range(1)}
    while len(rows) > 10:
        assert [each.row for each in database.settle(rows[:1])] == rows[:1]
        rows.pop(0)
    assert any(isinstance(each, Lost) for each in disk.operations)
    rows += database.append([bundle(streams[1])], {})
    there = [head.row for head, _ in database.lease(0, 99, ())]
    assert there == rows
    assert database.file.tally.bundles == len(rows)
    database.close((), {})
    disk.unregister()
    (tmp_path / "after").mkdir()
    assert verdict(tmp_path / "after", files_in(tmp_path))[0] == "ok"
