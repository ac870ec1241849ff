"""A damaged store never stops the agent: set aside, salvaged as far as it reads, declared."""

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.backlog.sqlite import SqliteBacklog, opening, soundness
from gateway.backlog.sqlite.connection import Connect, connect
from gateway.model import Loss, Recovery
from tests.backlog.places import AT, bundle, run_streams

PAGE: Final = 4096
ROOTS: Final = 10  # pages up to here are the roots of the tables
BUNDLES: Final = 200


def fill(directory: Path, count: int = 20) -> None:
    """Keep BUNDLES bundles in a store, those of 20 about three to a page, and end cleanly."""

    async def main() -> None:
        backlog = SqliteBacklog(directory)
        streams = run_streams("A")
        await backlog.open(streams)
        await backlog.append([bundle(streams[0], count) for _ in range(BUNDLES)], {"one": 7})
        await backlog.close(streams, {})

    asyncio.run(main())


def start(directory: Path, connect: Connect = connect) -> tuple[Recovery, list[int]]:
    """Start on what is there, drain it, and end: the recovery, and first numbers in order."""

    async def main() -> tuple[Recovery, list[int]]:
        backlog = SqliteBacklog(directory, connect=connect)
        recovery = await backlog.open(run_streams("B"))
        found: list[int] = []
        while leased := await backlog.lease(64):
            found += [each.bundle.first_seq for each in leased]
            await backlog.settle([each.row for each in leased])
        assert (backlog.bundles, len(found)) == (0, recovery.bundles)
        await backlog.close((), {})
        return recovery, found

    return asyncio.run(main())


def leaves(path: Path) -> list[int]:
    """Return the numbers of the pages that hold bundles, from 1, in key order."""
    data = path.read_bytes()
    pages = range(1, len(data) // PAGE + 1)
    table_leaf = 0x0D
    return [n for n in pages if data[(n - 1) * PAGE] == table_leaf and n > ROOTS]


def overwrite(path: Path, page: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(data)


# ---------------------------------------------------------------------------- beyond help
@pytest.mark.parametrize("size", [0, 1, 100, 5000, 100_000])
def test_zeros_instead_of_a_store(tmp_path: Path, size: int) -> None:
    (tmp_path / "backlog.db").write_bytes(bytes(size))
    recovery, found = start(tmp_path)
    assert recovery.quarantined == str(tmp_path / "backlog.db.corrupt-1")
    assert Path(recovery.quarantined).exists()
    assert (found, recovery.unclean) == ([], True)


def test_garbage_instead_of_a_store_with_a_log_that_belongs_to_nothing(tmp_path: Path) -> None:
    garbage = random.Random(1).randbytes(50_000)  # noqa: S311
    (tmp_path / "backlog.db").write_bytes(garbage)
    (tmp_path / "backlog.db-wal").write_bytes(garbage)
    recovery, found = start(tmp_path)
    assert (recovery.bundles, found) == (0, [])
    assert Path(recovery.quarantined).read_bytes() == garbage
    assert start(tmp_path)[0].quarantined == ""


def test_a_log_without_its_store_is_not_played_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "backlog.db-wal").write_bytes(b"whose?" * 1000)
    assert start(tmp_path)[0].bundles == 0
    assert not (tmp_path / "backlog.db-wal").exists()


def test_session_numbers_of_a_replaced_gateway_and_of_a_lost_store_go_on_above_all_used_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_ms = time.time_ns() // 1_000_000
    fill(tmp_path)
    before = start(tmp_path)[0].session
    assert before >= made_ms
    monkeypatch.setattr(time, "time_ns", lambda: (before + 86_400_000) * 1_000_000)
    fill(tmp_path / "of another card")
    assert start(tmp_path / "of another card")[0].session > before + 1000
    overwrite(tmp_path / "backlog.db", 1, bytes(PAGE))
    assert start(tmp_path)[0].session > before + 1000


# -------------------------------------------------------------------------------- salvage
def test_a_page_overwritten_costs_its_own_rows_and_no_others(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    pages = leaves(tmp_path / "whole" / "backlog.db")
    assert len(pages) > 40
    chance = random.Random(2)  # noqa: S311
    for number, page in enumerate([pages[0], pages[-1], *chance.sample(pages[1:-1], 6)]):
        directory = tmp_path / f"store-{number}"
        fill(directory)
        overwrite(directory / "backlog.db", page, chance.randbytes(PAGE))
        recovery, found = start(directory)
        assert recovery.quarantined
        assert BUNDLES - 6 <= len(found) < BUNDLES
        assert found == sorted(found)
        assert recovery.counters == {"one": 7}
        assert [each.clean for each in recovery.previous] == [True, True]


@pytest.mark.parametrize("which", ["first", "middle", "last", "several", "half", "late"])
def test_what_a_damage_has_cost_is_declared(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    pages = leaves(path)
    damaged = {"first": pages[:1], "middle": pages[20:21], "last": pages[-1:]}
    for page in damaged.get(which, [pages[1], pages[2], pages[30]]):
        overwrite(path, page, random.Random(page).randbytes(PAGE))  # noqa: S311
    if which == "half":
        path.write_bytes(path.read_bytes()[: len(pages) // 2 * PAGE])
    if which == "late":
        monkeypatch.setattr(opening, "SALVAGE_S", -1.0)
    recovery, found = start(tmp_path)
    read = {first + n for first in found for n in range(20)}
    assert {(each.stream, each.reason) for each in recovery.losses} == {("A-ROUTINE", "damaged")}
    lost = {n for each in recovery.losses for n in range(each.first, each.last + 1)}
    assert len(read) < BUNDLES * 20
    assert read | lost == set(range(BUNDLES * 20))
    assert not read & lost


def test_a_damaged_page_that_only_one_body_reaches_into_is_found_at_the_start(
    tmp_path: Path,
) -> None:
    fill(tmp_path, count=200)  # too long for a page
    path = tmp_path / "backlog.db"
    pages = range(ROOTS + 1, path.stat().st_size // PAGE + 1)
    overflow = next(page for page in pages if page not in leaves(path))
    overwrite(path, overflow, random.Random(3).randbytes(PAGE))  # noqa: S311
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert len(found) == BUNDLES - 1


def test_loss_ranges_behind_a_damaged_page_are_told_and_that_some_may_be_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    losses = [Loss(f"EARLIER-{n:03d}", 0, 9, "full", AT) for n in range(300)]

    async def declare() -> None:
        backlog = SqliteBacklog(tmp_path)
        await backlog.open(run_streams("A"))
        await backlog.declare(losses)
        assert backlog.is_whole
        await backlog.close((), {})

    asyncio.run(declare())
    path = tmp_path / "backlog.db"
    pages = leaves(path)
    assert len(pages) > 4
    overwrite(path, pages[2], random.Random(1).randbytes(PAGE))  # noqa: S311

    async def again() -> tuple[set[Loss], bool]:
        backlog = SqliteBacklog(tmp_path)
        found = await backlog.open(run_streams("B"))
        await backlog.close((), {})
        return set(found.losses), backlog.is_whole

    read, is_whole = asyncio.run(again())
    assert not is_whole
    assert "not all rows could be read table=loss" in caplog.text
    assert read < set(losses)
    assert {losses[0], losses[-1]} <= read, "those on both sides of the damage"
    assert len(read) > 200


def test_several_damages_are_stepped_over(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    pages = leaves(path)
    for page in (pages[1], pages[2], pages[20], pages[-1]):
        overwrite(path, page, random.Random(page).randbytes(PAGE))  # noqa: S311
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert BUNDLES - 24 <= len(found) < BUNDLES - 4


def test_a_page_that_is_a_copy_of_a_later_one_does_not_lead_past_what_lies_between(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    pages = leaves(path)
    data = path.read_bytes()
    overwrite(path, pages[20], data[(pages[40] - 1) * PAGE : pages[40] * PAGE])
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert BUNDLES - 6 <= len(found) < BUNDLES
    assert found == sorted(set(found))


def test_a_truncated_file_keeps_what_is_before_the_cut(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert BUNDLES // 4 < len(found) < BUNDLES


def test_any_single_damaged_page_lets_the_agent_start(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    data = (tmp_path / "whole" / "backlog.db").read_bytes()
    for page in range(1, ROOTS + 5):
        directory = tmp_path / f"store-{page}"
        directory.mkdir()
        (directory / "backlog.db").write_bytes(data)
        overwrite(directory / "backlog.db", page, random.Random(page).randbytes(PAGE))  # noqa: S311
        start(directory)
        assert start(directory)[0].quarantined == ""


def test_a_store_of_another_schema_gives_up_its_bundles_and_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("PRAGMA user_version=0")
        store.execute("ALTER TABLE bundle DROP COLUMN first_seq")
        store.execute("DROP TABLE counter")
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert (len(found), recovery.counters) == (BUNDLES, {})


def test_a_store_of_another_shape_altogether_is_set_aside(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("CREATE TABLE bundle(id TEXT, body TEXT)")
        store.execute("INSERT INTO bundle VALUES('x', 'y'), (NULL, NULL), (1, 2.5)")
        store.execute("CREATE TABLE installation(session TEXT)")
        store.execute("INSERT INTO installation VALUES('many')")
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert found == []


def test_a_folder_in_the_store_s_place_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "backlog.db").mkdir()
    recovery, found = start(tmp_path)
    assert (recovery.quarantined, found) == (str(tmp_path / "backlog.db.corrupt-1"), [])
    assert start(tmp_path)[0].quarantined == ""


def test_a_store_of_a_later_version_gives_up_its_bundles_and_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("ALTER TABLE bundle ADD COLUMN later TEXT")
        store.execute("PRAGMA user_version=9")
    recovery, found = start(tmp_path)
    assert recovery.quarantined
    assert len(found) == BUNDLES


# ------------------------------------------------------------------------------ the swap
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_replacement_cut_short_is_finished_at_the_next_start(tmp_path: Path, moved: int) -> None:
    fill(tmp_path)
    damaged = tmp_path / "backlog.db"
    (tmp_path / "ready").mkdir()
    fill(tmp_path / "ready")
    (tmp_path / "ready" / "backlog.db").rename(tmp_path / "backlog.db.ready")
    damaged.write_bytes(b"damaged" * 1000)
    (tmp_path / "backlog.db-wal").write_bytes(b"its log" * 1000)
    for name in ("backlog.db", "backlog.db-wal")[:moved]:
        suffix = name.removeprefix("backlog.db")
        (tmp_path / name).rename(tmp_path / f"backlog.db.corrupt-1{suffix}")
    recovery, found = start(tmp_path)
    assert recovery.quarantined == str(tmp_path / "backlog.db.corrupt-1")
    assert len(found) == BUNDLES
    assert (tmp_path / "backlog.db.corrupt-1").read_bytes() == b"damaged" * 1000
    assert (tmp_path / "backlog.db.corrupt-1-wal").read_bytes() == b"its log" * 1000


def test_what_was_set_aside_does_not_fill_the_medium(tmp_path: Path) -> None:
    for _ in range(4):
        (tmp_path / "backlog.db").write_bytes(b"damaged")
        start(tmp_path)
    aside = sorted(path.name for path in tmp_path.glob("*corrupt*"))
    assert aside == ["backlog.db.corrupt-3", "backlog.db.corrupt-4"]


# ------------------------------------------------------------------------------ deadlines
class SlowCheck(sqlite3.Connection):
    """A connection whose quick_check never ends by itself."""

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
        if sql.startswith("PRAGMA quick_check"):
            sql = (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT max(i) FROM n"
            )
        return super().execute(sql, values)


def slow_check(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, factory=SlowCheck)


def test_a_check_that_takes_too_long_is_given_up_and_the_store_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    monkeypatch.setattr(soundness, "CHECK_S", 0.01)
    recovery, found = start(tmp_path, connect=slow_check)
    assert recovery.quarantined == ""
    assert len(found) == BUNDLES


def test_a_salvage_that_takes_too_long_leaves_the_rest_in_the_file_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("PRAGMA user_version=99")
    monkeypatch.setattr(opening, "SALVAGE_S", -1.0)
    recovery, found = start(tmp_path)
    assert found == []
    with closing(sqlite3.connect(recovery.quarantined)) as aside:
        assert aside.execute("SELECT count(*) FROM bundle").fetchone() == (BUNDLES,)


def test_a_schema_that_is_no_text_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE memory(", b"CREATE T\xf3\xffLE mem\xf3ry("))
    recovery, _ = start(tmp_path)
    assert recovery.quarantined
