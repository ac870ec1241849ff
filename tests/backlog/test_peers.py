"""What became of other people's stores in a crash, as their public trackers tell it, done to ours.

Whose it was stands above each. tests/planted makes the store do as theirs did, and these tests go
red.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.backlog.sqlite import SqliteBacklog, seal
from gateway.model import Recovery
from tests.backlog.places import bundle, run_streams

BUNDLES = 20
PAGE = 4096


class KilledError(BaseException):
    """Here the process is gone."""


def fill(directory: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(directory)
        streams = run_streams("A")
        await backlog.open(streams)
        await backlog.append([bundle(streams[0], 5) for _ in range(BUNDLES)], {})
        await backlog.close(streams, {})

    asyncio.run(main())


def start(directory: Path) -> tuple[Recovery, int]:
    """Start, drain, and end: what was found, and how many bundles came out."""

    async def main() -> tuple[Recovery, int]:
        backlog = SqliteBacklog(directory)
        recovery = await backlog.open(run_streams("B"))
        drained = 0
        while leased := await backlog.lease(8):
            drained += len(leased)
            await backlog.settle([each.row for each in leased])
        assert (backlog.bundles, backlog.observations) == (0, 0)
        await backlog.close((), {})
        return recovery, drained

    return asyncio.run(main())


def miscount(directory: Path, by: int) -> None:
    """Have the counter in the file say something else than the rows do."""
    with closing(sqlite3.connect(directory / "backlog.db")) as connection, connection:
        (row,) = connection.execute(f"SELECT {seal.columns('tally')} FROM tally").fetchall()  # noqa: S608 - our own names
        next_row, bundles, *more, _ = row
        connection.execute(
            seal.update("tally"), seal.sealed(next_row, max(0, bundles + by), *more)
        )


# Vector #25767, #25845: the size of a buffer is kept beside it, and what is not so any more after
# a crash makes it negative; the writer waits for ever for room.
@pytest.mark.parametrize("by", [-BUNDLES, -1, 1, 1_000_000])
def test_a_counter_that_does_not_fit_its_rows_is_not_believed(tmp_path: Path, by: int) -> None:
    fill(tmp_path)
    miscount(tmp_path, by)
    recovery, drained = start(tmp_path)
    assert (recovery.bundles, recovery.observations, drained) == (BUNDLES, 5 * BUNDLES, BUNDLES)
    assert recovery.quarantined


def test_after_a_kill_the_counter_fits_the_rows_whatever_was_deleted(tmp_path: Path) -> None:
    killed, found = tmp_path / "killed", tmp_path / "found"
    fill(killed)

    async def main() -> None:
        backlog = SqliteBacklog(killed)
        await backlog.open(run_streams("B"))
        rows = [each.row for each in await backlog.lease(BUNDLES)]
        for deleted in (rows[:1], rows[5:9], rows[-1:]):
            await backlog.settle(deleted)
            shutil.copytree(killed, found)  # as it would be found after SIGKILL now
            after = SqliteBacklog(found)
            recovery = await after.open(run_streams("C"))
            assert (recovery.quarantined, recovery.bundles) == ("", backlog.bundles)
            await after.close((), {})
            shutil.rmtree(found)
        await backlog.close((), {})

    asyncio.run(main())


# Vector, pull request #25570: a file is unlinked before what points at the next one is durable,
# and a crash in between is the last thing it does.
def test_a_start_killed_at_any_step_of_a_replacement_leaves_all_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = tmp_path / "sound"
    fill(sound)
    miscount(sound, 1)  # all of it reads, and yet it is replaced
    for step in count():
        directory = tmp_path / str(step)
        shutil.copytree(sound, directory)
        with monkeypatch.context() as patched:
            _kill_at(step, patched)
            try:
                start(directory)
            except KilledError:
                pass
            else:
                assert step > 5, "so many names are changed at least"
                break
        _, drained = start(directory)
        assert drained == BUNDLES, f"killed before change {step} of a name"


# Vector #17644: what does not read is read again and again, and nothing else is done any more.
def test_a_page_that_does_not_read_any_more_is_stepped_over_in_a_run(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        streams = run_streams("A")
        await backlog.open(streams)
        many = 1_200  # more than SQLite keeps in memory
        rows = await backlog.append([bundle(streams[0], 20) for _ in range(many)], {})
        backlog.release(rows)
        await backlog.save_counters({"one": 1})
        with (tmp_path / "backlog.db").open("r+b") as file:
            file.seek(PAGE * 20)
            file.write(bytes(PAGE))
        leased: list[int] = []
        while kept := await backlog.lease(64):
            leased += [each.row for each in kept]
        assert leased == sorted(leased)
        assert leased[0] == rows[0]
        assert leased[-1] == rows[-1]
        assert many - 16 < len(leased) < many
        await backlog.close((), {})

    asyncio.run(main())


def _kill_at(step: int, patched: pytest.MonkeyPatch) -> None:
    """Have the process end before it changes the name of a file for the so-manieth time."""
    steps = count()

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def act(path: Path, *args: object, **kwargs: object) -> object:
            if next(steps) == step:
                raise KilledError
            return change(path, *args, **kwargs)

        return act

    patched.setattr(Path, "rename", dying(Path.rename))
    patched.setattr(Path, "unlink", dying(Path.unlink))
