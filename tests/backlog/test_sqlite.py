"""What only a store on a medium has to promise: locks, cancelled callers, wear, doubt."""

import asyncio
import hashlib
import shutil
import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.backlog import MAX_MEMORY_CHARACTERS
from gateway.backlog.sqlite import SqliteBacklog
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Bundle
from tests.backlog.places import AT, bundle, run_streams


def _state(directory: Path) -> dict[str, tuple[int, int, str]]:
    """Return name, size, modification time and content of every file."""
    return {
        path.name: (
            path.stat().st_size,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in directory.iterdir()
    }


def _modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


# -------------------------------------------------------------------------------- privacy
@pytest.mark.parametrize("before", [None, 0o644])
def test_its_files_are_its_owners_alone_whatever_the_folder_allows(
    tmp_path: Path, before: int | None
) -> None:
    tmp_path.chmod(0o755)

    async def run(name: str) -> None:
        backlog = SqliteBacklog(tmp_path)
        streams = run_streams(name)
        await backlog.open(streams)
        await backlog.append([bundle(streams[0])], {})
        modes = _modes(tmp_path)
        assert {"backlog.db", "backlog.db-wal"} <= modes.keys()
        assert set(modes.values()) == {0o600}
        await backlog.close(streams, {})

    if before is not None:
        asyncio.run(run("A"))
        (tmp_path / "backlog.db").chmod(before)
    asyncio.run(run("B"))


# ----------------------------------------------------------------------------------- wear
def test_a_healthy_run_writes_nothing_between_its_start_and_its_end(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        streams = run_streams("A")
        await backlog.open(streams)
        await backlog.save_counters({"one": 1})
        before = _state(tmp_path)
        assert set(before) == {"backlog.db", "backlog.db-wal", "backlog.lock"}
        for _ in range(100):
            await backlog.append([], {"one": 2})
            await backlog.settle([])
            await backlog.settle([4711])
            await backlog.save_counters({"one": 1})
            assert await backlog.lease(8) == ()
            assert await backlog.oldest() is None
            assert await backlog.first_unsettled(streams[0].id) is None
        assert _state(tmp_path) == before
        await backlog.close(streams, {})

    asyncio.run(main())


def test_leasing_and_releasing_write_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        backlog.release(await backlog.append([bundle(routine, 7) for _ in range(50)], {}))
        before = _state(tmp_path)
        for _ in range(20):
            backlog.release([each.row for each in await backlog.lease(8)])
        assert _state(tmp_path) == before
        await backlog.close((), {})

    asyncio.run(main())


def test_a_store_that_was_large_and_is_drained_gives_the_medium_its_space_back(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        bundles = [bundle(routine, 100) for _ in range(100)]
        rows: list[int] = []
        for _ in range(40):
            rows += await backlog.append(bundles, {})
        assert backlog.bytes_used > 10_000_000
        await backlog.settle(rows[1:])
        await backlog.settle(rows[:1])
        assert backlog.bytes_used < 100_000
        assert (tmp_path / "backlog.db").stat().st_size < 100_000
        await backlog.append(bundles[:1], {})
        await backlog.close((), {})
        after = SqliteBacklog(tmp_path)
        assert (await after.open(run_streams("B"))).bundles == 1
        await after.close((), {})

    asyncio.run(main())


# ----------------------------------------------------------------------------------- lock
def test_a_second_agent_on_one_store_is_told_why_it_cannot_have_it(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = SqliteBacklog(tmp_path), SqliteBacklog(tmp_path)
        await first.open(run_streams("A"))
        with pytest.raises(BacklogError, match="another agent is using the store") as refused:
            await second.open(run_streams("B"))
        assert "store.path" in refused.value.remedy
        await first.append([bundle(run_streams("A")[0])], {})
        await first.close((), {})
        assert (await second.open(run_streams("B"))).bundles == 1
        await second.close((), {})

    asyncio.run(main())


def test_a_store_opened_twice_by_one_agent_stays_open(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        with pytest.raises(BacklogError, match="open already"):
            await backlog.open(run_streams("B"))
        await backlog.append([bundle(routine)], {})
        await backlog.close((), {})

    asyncio.run(main())


def test_the_store_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path / "var" / "ugw")
        await backlog.open(run_streams("A"))
        await backlog.close((), {})

    asyncio.run(main())
    assert stat.S_IMODE((tmp_path / "var" / "ugw").stat().st_mode) == 0o700


@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_a_store_that_is_taken_away_promises_nothing_more_and_can_be_read(
    tmp_path: Path, what: str
) -> None:
    store, away = tmp_path / "store", tmp_path / "away"

    async def main() -> None:
        backlog = SqliteBacklog(store)
        streams = run_streams("A")
        await backlog.open(streams)
        kept = bundle(streams[0], 3)
        rows = await backlog.append([kept], {})
        backlog.release(rows)
        taken = store if what == "the folder" else store / "backlog.db"
        taken.rename(away)
        with pytest.raises(BacklogError, match="was taken away") as refused:
            await backlog.append([bundle(streams[0])], {})
        assert not isinstance(refused.value, BacklogFullError), "there is nothing to make room for"
        with pytest.raises(BacklogError):
            await backlog.drop_oldest("routine", 1, AT)
        assert [each.bundle for each in await backlog.lease(8)] == [kept]
        away.rename(taken)
        await backlog.append([bundle(streams[0])], {})
        await backlog.close(streams, {})

    asyncio.run(main())


def test_a_path_that_cannot_be_a_store_is_an_error_that_names_it(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_text("not a directory")
        backlog = SqliteBacklog(tmp_path / "file")
        with pytest.raises(BacklogError, match="file"):
            await backlog.open(run_streams("A"))
        await backlog.close((), {})

    asyncio.run(main())


# --------------------------------------------------------------------------- cancellation
class Gate:
    """Holds up the store's thread in COMMIT, while shut, until it is opened."""

    def __init__(self) -> None:
        self.is_shut = False
        self.reached, self.opened = threading.Event(), threading.Event()

    def connect(self, path: Path) -> sqlite3.Connection:
        gate = self

        class Gated(sqlite3.Connection):
            def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
                if gate.is_shut and sql == "COMMIT":
                    gate.reached.set()
                    assert gate.opened.wait(30)
                return super().execute(sql, values)

        return sqlite3.connect(path, isolation_level=None, factory=Gated)


async def _cancel_in_commit(gate: Gate, task: "asyncio.Task[object]") -> None:
    """Cancel a caller while the thread is in the middle of its commit, then let that go on."""
    assert await asyncio.to_thread(gate.reached.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()


def test_an_append_whose_caller_was_cancelled_counts_and_is_free_to_be_leased(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        gate = Gate()
        backlog = SqliteBacklog(tmp_path, connect=gate.connect)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        gate.is_shut = True
        sent = bundle(routine, 7)
        await _cancel_in_commit(gate, asyncio.create_task(_append(backlog, [sent])))
        assert await backlog.oldest() == sent  # the next call waits for the one left behind
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 7, 1)
        assert [each.bundle for each in await backlog.lease(1)] == [sent]
        await backlog.close((), {})

    asyncio.run(main())


async def _append(backlog: SqliteBacklog, bundles: list[Bundle]) -> object:
    return await backlog.append(bundles, {})


async def _settle(backlog: SqliteBacklog, rows: list[int]) -> object:
    await backlog.settle(rows)
    return None


def test_a_settlement_whose_caller_was_cancelled_stands(tmp_path: Path) -> None:
    async def main() -> None:
        gate = Gate()
        backlog = SqliteBacklog(tmp_path, connect=gate.connect)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = list(await backlog.append([bundle(routine, 7), bundle(routine)], {}))
        gate.is_shut = True
        task = asyncio.create_task(_settle(backlog, rows[:1]))
        await _cancel_in_commit(gate, task)
        backlog.release(rows)  # meanwhile, the holder gives up what it believes to have
        assert await backlog.first_unsettled(routine.id) == 7
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 1, 1)
        await backlog.close((), {})

    asyncio.run(main())


def test_a_lease_whose_caller_was_cancelled_is_given_back(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        backlog.release(await backlog.append([bundle(routine) for _ in range(4)], {}))
        task = asyncio.create_task(_lease(backlog))
        await asyncio.sleep(0)  # it has begun
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await backlog.oldest()  # the next call waits for the one left behind
        assert backlog.unleased == 4
        assert len(await backlog.lease(9)) == 4
        await backlog.close((), {})

    asyncio.run(main())


async def _lease(backlog: SqliteBacklog) -> object:
    return await backlog.lease(3)


# ------------------------------------------------------------------------- commits in doubt
class LostAnswer:
    """A medium that does a commit, while armed, and then says that it failed.

    `for_good`: and answers nothing more to who has asked for it.
    """

    def __init__(self, *, for_good: bool = True) -> None:
        self.is_armed = False
        self.for_good = for_good

    def connect(self, path: Path) -> sqlite3.Connection:
        medium = self

        class Doubtful(sqlite3.Connection):
            is_lost = False

            def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
                if self.is_lost:
                    raise _failed()
                done = super().execute(sql, values)
                if medium.is_armed and sql == "COMMIT":
                    medium.is_armed = False
                    self.is_lost = medium.for_good
                    raise _failed()
                return done

        return sqlite3.connect(path, isolation_level=None, factory=Doubtful)


def _failed() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    return error


@pytest.mark.parametrize("count", [1, 600])
def test_what_is_committed_counts_whatever_has_failed_after_the_commit(
    tmp_path: Path, count: int
) -> None:
    async def main() -> None:
        medium = LostAnswer(for_good=False)
        backlog = SqliteBacklog(tmp_path / "store", connect=medium.connect)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        medium.is_armed = True
        rows = await backlog.append([bundle(routine) for _ in range(count)], {})
        assert (backlog.bundles, len(rows)) == (count, count)
        assert await backlog.oldest() is not None  # by another connection
        medium.is_armed = True
        dropped = await backlog.drop(rows[:1], "full", AT)
        assert [each.row for each in dropped] == [rows[0]]
        assert await backlog.append([bundle(event, 2)], {}) == (rows[-1] + 1,)
        shutil.copytree(tmp_path / "store", tmp_path / "killed")
        await backlog.close((), {})
        after = SqliteBacklog(tmp_path / "killed")
        recovery = await after.open(run_streams("B"))
        assert (recovery.bundles, len(recovery.losses)) == (count, 1)
        assert len(await after.lease(999)) == count
        await after.close((), {})

    asyncio.run(main())


@pytest.mark.parametrize("count", [1, 600])
def test_what_an_append_in_doubt_has_left_in_the_file_counts_for_nothing(
    tmp_path: Path, count: int
) -> None:
    async def main() -> None:
        medium = LostAnswer()
        backlog = SqliteBacklog(tmp_path / "store", connect=medium.connect)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.append([bundle(routine) for _ in range(5)], {})
        medium.is_armed = True
        doubtful = [bundle(routine) for _ in range(count)]
        with pytest.raises(BacklogError):
            await backlog.append(doubtful, {})
        assert (backlog.bundles, backlog.observations) == (5, 5)
        await backlog.append([bundle(event, 2)], {})
        shutil.copytree(tmp_path / "store", tmp_path / "killed")
        await backlog.close((), {})
        after = SqliteBacklog(tmp_path / "killed")
        recovery = await after.open(run_streams("B"))
        assert (recovery.bundles, recovery.observations) == (6, 7)
        assert len(await after.lease(999)) == 6
        await after.close((), {})

    asyncio.run(main())


def test_a_settlement_in_doubt_can_be_made_again(tmp_path: Path) -> None:
    async def main() -> None:
        medium = LostAnswer()
        backlog = SqliteBacklog(tmp_path / "store", connect=medium.connect)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = await backlog.append([bundle(routine) for _ in range(5)], {})
        medium.is_armed = True
        with pytest.raises(BacklogError):
            await backlog.settle(rows[:2])
        assert backlog.bundles == 5
        await backlog.settle(rows[:2])
        assert backlog.bundles == 3
        shutil.copytree(tmp_path / "store", tmp_path / "killed")
        await backlog.close((), {})
        after = SqliteBacklog(tmp_path / "killed")
        assert (await after.open(run_streams("B"))).bundles == 3
        await after.close((), {})

    asyncio.run(main())


async def _fill(backlog: SqliteBacklog, with_what: Bundle) -> None:
    while True:
        await backlog.append([with_what], {})


def test_the_longest_word_finds_room_above_the_cap_of_a_full_store(tmp_path: Path) -> None:
    async def main() -> None:
        streams = run_streams("A")
        backlog = SqliteBacklog(tmp_path, max_bytes=4_000_000)
        await backlog.open(streams)
        with pytest.raises(BacklogFullError):
            await _fill(backlog, bundle(streams[0], 100))
        for _ in range(2):
            await backlog.remember("announced", "x" * MAX_MEMORY_CHARACTERS)
        await backlog.close(streams, {})

    asyncio.run(main())
