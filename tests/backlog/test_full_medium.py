"""A full medium, for real: the store goes on within its file, and can always be emptied.

Each test has a file system of its own, of 12 MB (a tmpfs), which needs the right to mount.
"""

import asyncio
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.medium import LEAST_FREE_BYTES, Medium
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Aside, Stream
from tests.backlog.places import AT, bundle, run_streams

MEDIUM_BYTES: Final = 12_000_000
MNT_DETACH: Final = 2  # linux/fs.h, linux/mount.h
MS_RDONLY: Final = 1
MS_REMOUNT: Final = 32
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a small file system of its own."""
    place = tmp_path / "medium"
    place.mkdir()
    options = f"size={MEDIUM_BYTES}".encode()
    if _libc.mount(b"none", bytes(place), b"tmpfs", 0, options):
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    yield place
    _libc.umount2(bytes(place), MNT_DETACH)  # also from under a store that a failed test left open


def free_bytes(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def somebody_fills(place: Path, leaving: int = 0) -> Path:
    """Take what is free, but for `leaving` bytes, as another program may."""
    file = place / "somebody"
    wanted = free_bytes(place) - leaving
    with file.open("ab") as other:
        os.posix_fallocate(other.fileno(), other.tell(), wanted)
    return file


async def filled(backlog: SqliteBacklog, stream: Stream) -> list[int]:
    """Append until the medium has no room for more; the rows."""
    rows: list[int] = []
    for _ in range(10_000):
        try:
            rows += await backlog.append([bundle(stream, 100)], {})
        except BacklogFullError:
            return rows
    pytest.fail("there was always room")


def test_below_the_floor_the_file_does_not_grow_and_what_is_free_in_it_is_used(
    medium: Path,
) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium, keep_free=4_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = await filled(backlog, routine)
        assert 3_000_000 < free_bytes(medium) <= 4_000_000  # it may be passed by one log
        size = (medium / "backlog.db").stat().st_size
        with pytest.raises(BacklogFullError, match=r"less than 4000000 .*store\.keep_free"):
            await backlog.append([bundle(event, 100)], {})
        dropped = await backlog.drop_oldest("routine", 50_000, AT)
        assert [each.row for each in dropped] == rows[: len(dropped)]
        assert 0 < len(dropped) < len(rows) // 2
        for _ in range(10):
            await backlog.append([bundle(event, 10)], {})
        assert (medium / "backlog.db").stat().st_size <= size + 1_100_000
        assert free_bytes(medium) > 2_900_000
        await backlog.close((routine, event), {})

    asyncio.run(main())


def test_a_store_on_a_full_medium_drops_its_oldest_and_takes_the_newest(medium: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium, ballast=2_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = await backlog.append([bundle(routine, 100) for _ in range(300)], {})
        assert free_bytes(medium) < MEDIUM_BYTES - 2_000_000
        somebody = somebody_fills(medium)
        assert free_bytes(medium) < 4096
        taken = 0
        for _ in range(100):
            newest = [bundle(event, 100) for _ in range(3)]
            try:
                await backlog.append(newest, {})
            except BacklogFullError:
                assert await backlog.drop_oldest("routine", 100_000, AT)
                await backlog.append(newest, {})
            taken += 3
        assert backlog.bundles < len(rows) + taken
        somebody.unlink()
        await backlog.settle(rows)
        assert (medium / "ballast").stat().st_blocks * 512 >= 2_000_000
        await backlog.close((routine, event), {})
        after = SqliteBacklog(medium, ballast=2_000_000)
        recovery = await after.open(run_streams("B"))
        assert recovery.quarantined == ""
        (loss,) = recovery.losses
        assert (loss.stream, loss.first, loss.reason) == (routine.id, 0, "full")
        assert recovery.bundles == taken
        await after.close((), {})

    asyncio.run(main())


@pytest.mark.parametrize("what", ["settle", "drop", "set_aside", "close"])
def test_the_ballast_lets_a_store_on_a_full_medium_be_emptied(medium: Path, what: str) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium, ballast=2_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        bundles = [bundle(routine, 100) for _ in range(300)]
        rows = await backlog.append(bundles, {})
        await backlog.close((routine, event), {})
        backlog = SqliteBacklog(medium, ballast=2_000_000)
        streams = run_streams("B")
        await backlog.open(streams)  # its log is short, and has to grow for what comes now
        somebody_fills(medium)
        assert (medium / "ballast").exists()
        assert len(await backlog.lease(999)) == 300
        if what == "settle":
            await backlog.settle(rows)
        elif what == "drop":
            assert len(await backlog.drop(rows, "full", AT)) == 300
        elif what == "set_aside":
            await backlog.set_aside([Aside(bundles[1], "refused", rows[1])], AT)
        await backlog.close(streams, {f"counter {n}": n for n in range(2000)})
        assert not (medium / "ballast").exists()
        after = SqliteBacklog(medium)
        recovery = await after.open(run_streams("C"))
        assert (recovery.quarantined, recovery.unclean) == ("", False)
        left = {"settle": 0, "drop": 0, "set_aside": 299, "close": 300}
        assert (recovery.bundles, after.asides) == (left[what], int(what == "set_aside"))
        assert len(recovery.losses) == int(what == "drop")
        await after.close((), {})

    asyncio.run(main())


def test_the_ballast_lets_what_is_free_within_the_file_be_written(medium: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium, ballast=2_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = await backlog.append([bundle(routine, 100) for _ in range(300)], {})
        await backlog.settle(rows[:150])
        await backlog.close((routine, event), {})
        after = SqliteBacklog(medium, ballast=2_000_000)
        await after.open(run_streams("B"))
        somebody_fills(medium)
        await after.append([bundle(event, 100) for _ in range(50)], {})
        assert not (medium / "ballast").exists()
        assert after.bundles == 200
        somebody_fills(medium)
        with pytest.raises(BacklogFullError):
            await after.append([bundle(event, 100) for _ in range(50)], {})
        assert after.bundles == 200
        with pytest.raises(BacklogFullError):  # nothing is left to make room with
            await after.close((), {})

    asyncio.run(main())


def test_a_full_medium_does_not_keep_the_agent_from_starting(medium: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium, ballast=2_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.append([bundle(routine, 100) for _ in range(100)], {})
        await backlog.close((routine, event), {})
        somebody_fills(medium)
        after = SqliteBacklog(medium, ballast=2_000_000)
        assert (await after.open(run_streams("B"))).bundles == 100
        assert not (medium / "ballast").exists()
        leased = await after.lease(200)
        await after.settle([each.row for each in leased])
        assert after.bundles == 0
        await after.close((), {})

    asyncio.run(main())


def test_the_ballast_takes_real_space_and_is_made_only_where_there_is_plenty(
    medium: Path,
) -> None:
    before = free_bytes(medium)
    ballast = Medium(medium, keep_free=0, ballast=1_000_000)
    ballast.take_ballast()
    assert before - free_bytes(medium) >= 1_000_000
    (medium / "ballast").unlink(missing_ok=True)
    with (medium / "ballast").open("wb") as hole:  # as a restored backup may leave it
        hole.truncate(1_000_000)
    again = Medium(medium, keep_free=0, ballast=1_000_000)
    again.take_ballast()
    assert before - free_bytes(medium) >= 1_000_000
    assert again.give_up_ballast()
    assert free_bytes(medium) == before
    assert not again.give_up_ballast()
    somebody_fills(medium, leaving=LEAST_FREE_BYTES + 1_500_000)
    again.take_ballast()
    assert not (medium / "ballast").exists()


def test_a_start_on_a_read_only_medium_is_refused_with_its_cause_and_leaves_all_as_it_is(
    medium: Path,
) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(medium)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.append([bundle(routine, 100)], {})
        await backlog.close((routine, event), {})
        before = (medium / "backlog.db").read_bytes()
        assert not _libc.mount(None, bytes(medium), None, MS_REMOUNT | MS_RDONLY, None)
        after = SqliteBacklog(medium)
        with pytest.raises(BacklogError, match="Read-only file system") as refusal:
            await after.open(run_streams("B"))
        assert refusal.value.remedy
        assert (medium / "backlog.db").read_bytes() == before
        assert not _libc.mount(None, bytes(medium), None, MS_REMOUNT, None)
        assert (await after.open(run_streams("B"))).bundles == 1
        await after.close((), {})

    asyncio.run(main())
