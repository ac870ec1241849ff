"""A store that is damaged while it is used: what still reads is delivered, as it was kept."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.backlog.sqlite import SqliteBacklog, tally
from gateway.backlog.sqlite.connection import connect
from tests.backlog.places import AT, run_streams
from tests.backlog.test_damage import BUNDLES, PAGE, fill, leaves, overwrite, start

COLUMNS: Final = {
    "no text": "stream = CAST(x'ff41' AS TEXT)",
    "another stream": "stream = 'Z-ROUTINE'",
    "another number": "first_seq = first_seq + 7",
    "fewer": "count = -3",
}


@pytest.mark.parametrize("what", COLUMNS)
def test_a_row_is_delivered_as_its_body_has_it_whatever_its_columns_have_become(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        await backlog.open(run_streams("B"))
        await backlog.close((), {})
        with closing(connect(tmp_path / "backlog.db")) as store:
            store.execute(f"UPDATE bundle SET {COLUMNS[what]} WHERE id = 100")  # noqa: S608
        await backlog.open(run_streams("C"))
        kept = await backlog.lease(BUNDLES)
        keys = [each.bundle.key for each in kept]
        assert keys == [("A-ROUTINE", 20 * number) for number in range(BUNDLES)]
        await backlog.settle([each.row for each in kept])
        assert (backlog.bundles, backlog.observations, backlog.damaged()) == (0, 0, ())
        await backlog.close((), {})

    with monkeypatch.context() as later_than_the_check:
        later_than_the_check.setattr(tally, "counted", tally.current)
        asyncio.run(main())
    recovery, _ = start(tmp_path)
    assert (recovery.quarantined, recovery.observations) == ("", 0)


class Forgetful(sqlite3.Connection):
    """A connection that reads each page anew."""

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
        return super().execute("PRAGMA cache_size=1" if "cache_size" in sql else sql, values)


def forgetful(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, factory=Forgetful)


def test_a_page_that_fails_in_a_run_does_not_stop_what_lies_behind_it(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"

    async def main() -> set[int]:
        backlog = SqliteBacklog(tmp_path, connect=forgetful)
        await backlog.open(run_streams("B"))
        overwrite(path, leaves(path)[20], bytes(PAGE))
        found: set[int] = set()
        while leased := await backlog.lease(16):
            found |= {each.bundle.first_seq for each in leased}
        await backlog.close((), {})
        return found

    found = asyncio.run(main())
    assert BUNDLES - 6 <= len(found) < BUNDLES
    recovery, again = start(tmp_path)
    assert set(again) == found, "nothing was settled"
    lost = {n for each in recovery.losses for n in range(each.first, each.last + 1)}
    assert {n - n % 20 for n in lost} == set(range(0, BUNDLES * 20, 20)) - found


def row_zeroed(page: bytes) -> bytes:
    """Return a page whose second row has its number and zeros."""
    zeros = _number_of_second_row(page) + 1
    return page[:zeros] + bytes(512) + page[zeros + 512 :]


def row_numbered_anew(page: bytes) -> bytes:
    """Return a page whose second row has the number of one on another page."""
    number = _number_of_second_row(page)
    return page[:number] + bytes([120]) + page[number + 1 :]


def _number_of_second_row(page: bytes) -> int:
    """Return where it stands: behind two bytes that say how long the row is."""
    at = int.from_bytes(page[10:12], "big") + 2
    assert page[at] < 100
    return at


@pytest.mark.parametrize("hurt", [row_zeroed, row_numbered_anew])
def test_what_a_run_can_make_nothing_of_is_declared_by_the_next_start(
    tmp_path: Path, hurt: Callable[[bytes], bytes]
) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"

    async def main() -> set[int]:
        backlog = SqliteBacklog(tmp_path, connect=forgetful)
        await backlog.open(run_streams("B"))
        page = leaves(path)[20]
        overwrite(path, page, hurt(path.read_bytes()[(page - 1) * PAGE : page * PAGE]))
        found: set[int] = set()
        while leased := await backlog.lease(16):
            found |= {each.bundle.first_seq for each in leased}
            await backlog.settle([each.row for each in leased])
            await backlog.drop([each.row for each in backlog.damaged()], "damaged", AT)
        await backlog.close((), {})
        return found

    found = asyncio.run(main())
    assert BUNDLES - 6 <= len(found) < BUNDLES
    recovery, again = start(tmp_path)
    lost = {n for each in recovery.losses for n in range(each.first, each.last + 1)}
    assert found | {*again} | {n for n in lost if n % 20 == 0} == set(range(0, BUNDLES * 20, 20))
    assert {each.stream for each in recovery.losses} <= {"A-ROUTINE"}
