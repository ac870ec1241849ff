"""A value of a small table that has become another, and still makes sense, is not believed."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from gateway.backlog.sqlite import seal, tables
from gateway.backlog.sqlite.connection import connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.backlog.sqlite.opening import take_lock_for_people
from gateway.errors import BacklogError
from gateway.model import Aside, Loss, Recovery
from tests.backlog.places import AT, bundle, run_streams

# One for each column that a start reads, as it was and as it is made.
CHANGES: Final = (
    ("stream", "next_seq = next_seq - 1"),
    ("stream", "clean = 0"),
    ("stream", "run = run + 7"),
    ("stream", "id = 'A-ROUTINF' WHERE id = 'A-ROUTINE'"),
    ("counter", "value = value + 256"),
    ("counter", "address = 'a5'"),
    ("installation", "session = session - 4096"),
    ("loss", "last = last - 1"),
    ("loss", "reason = 'fulk'"),
    ("loss", "wall_offset_ns = NULL"),
    ("aside", "first_seq = first_seq + 1"),
    ("aside", "reason = 'refuseD'"),
    ("memory", "value = 'no'"),
    ("tally", "next_row = next_row - 1"),
)


def database(directory: Path) -> Database:
    return Database(directory, Limits(max_bytes=512_000_000), connect)


def fill(directory: Path) -> None:
    store = database(directory)
    routine, event = run_streams("A")
    store.open((routine, event))
    store.append([bundle(routine, 5), bundle(event), bundle(routine, 2)], {"a4": 77})
    store.settle([1])
    store.declare([Loss("BEFORE", 3, 9, "full", AT)])
    store.set_aside([Aside(bundle(event), "refused")], AT)
    store.remember("mqtt5", "yes")
    store.close((routine, event), {})


def start(directory: Path) -> tuple[Recovery, bool, set[int]]:
    """Begin the next run and end it; what it found, whether all of that, and the rows it has."""
    store = database(directory)
    recovery = store.open(run_streams("B")).recovery
    rows = {head.row for head, content in store.lease(0, 100, ()) if content is not None}
    is_whole = store.file.is_whole
    store.close((), {})
    return recovery, is_whole, rows


def alter(directory: Path, table: str, change: str) -> None:
    with closing(connect(directory / "backlog.db")) as store:
        before = store.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own words
        store.execute(f"UPDATE {table} SET {change}")  # noqa: S608 - our own words
        after = store.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own words
        assert after != before


def test_what_nobody_has_changed_is_believed(tmp_path: Path) -> None:
    fill(tmp_path)
    recovery, is_whole, rows = start(tmp_path)
    assert (recovery.quarantined, is_whole, rows) == ("", True, {2, 3})
    assert (recovery.counters, recovery.memories) == ({"a4": 77}, {"mqtt5": "yes"})
    assert recovery.losses == (Loss("BEFORE", 3, 9, "full", AT),)
    assert [(each.id, each.clean, each.next_seq) for each in recovery.previous] == [
        ("A-EVENT", True, 2),
        ("A-ROUTINE", True, 7),
    ]


@pytest.mark.parametrize(("table", "change"), CHANGES)
def test_a_value_that_has_become_another_is_noticed_and_not_believed(
    tmp_path: Path, table: str, change: str
) -> None:
    fill(tmp_path)
    told, _, rows = start(tmp_path)
    alter(tmp_path, table, change)
    found, is_whole, left = start(tmp_path)
    assert found.quarantined
    assert left == rows, "no bundle is lost by it"
    assert is_whole == (table not in {"loss", "aside"}), "that some may be missing is said"
    # Without the count everything between two rows may be missing: that is said too much.
    assert table == "tally" or found.losses in {told.losses, ()}
    assert found.counters in (told.counters, {})
    assert found.memories in (told.memories, {})
    assert found.session > told.session
    assert {each for each in found.previous if each.id.startswith("A-")} <= set(told.previous)
    assert start(tmp_path)[0].quarantined == "", "it is put right"


def test_an_altered_loss_range_is_not_taken_into_the_next_one(tmp_path: Path) -> None:
    fill(tmp_path)
    alter(tmp_path, "loss", "last = 1")
    with closing(sqlite3.connect(tmp_path / "backlog.db")) as store, store:
        tables.add_losses(store, [Loss("BEFORE", 2, 2, "full", AT)])
        assert tables.losses(store) == [Loss("BEFORE", 2, 2, "full", AT)]
    found, is_whole, _ = start(tmp_path)
    assert (bool(found.quarantined), is_whole) == (True, False)


def test_a_run_whose_record_was_altered_is_said_to_have_ended_uncleanly(tmp_path: Path) -> None:
    fill(tmp_path)
    start(tmp_path)
    alter(tmp_path, "stream", "next_seq = 1 WHERE id LIKE 'B-%'")
    found, is_whole, _ = start(tmp_path)
    assert {each.id for each in found.previous} == {"A-EVENT", "A-ROUTINE"}
    assert (found.unclean, is_whole) == (True, True)


@pytest.mark.parametrize("at", [18, 19])
def test_a_header_that_says_nobody_may_write_does_not_stop_the_start(
    tmp_path: Path, at: int
) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    data = bytearray(path.read_bytes())
    data[at] = 3
    path.write_bytes(data)
    found, _, rows = start(tmp_path)
    assert found.quarantined
    assert rows == ({2, 3} if at == 18 else set())  # SQLite refuses to read the other
    assert found.unclean or rows


@pytest.mark.parametrize("column", ["first_seq", "body"])
def test_a_column_that_has_lost_its_name_does_not_stop_the_start(
    tmp_path: Path, column: str
) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    data = path.read_bytes()
    assert data.count(f"        {column} ".encode()) >= 1
    path.write_bytes(
        data.replace(f"        {column} ".encode(), f"        {column[:-1]}x ".encode())
    )
    found, _, rows = start(tmp_path)
    assert found.quarantined
    assert rows == ({2, 3} if column == "first_seq" else set())


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM tally",
        "DELETE FROM installation",
        "INSERT INTO tally SELECT * FROM tally",
        "INSERT INTO installation SELECT * FROM installation",
    ],
)
def test_a_row_that_has_gone_or_come_is_noticed(tmp_path: Path, change: str) -> None:
    fill(tmp_path)
    told, _, rows = start(tmp_path)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute(change)
    found, is_whole, left = start(tmp_path)
    assert (bool(found.quarantined), is_whole, left) == (True, True, rows)
    assert found.session > told.session
    assert start(tmp_path)[0].quarantined == ""


def test_people_are_not_shown_a_store_in_which_a_value_has_become_another(tmp_path: Path) -> None:
    fill(tmp_path)
    alter(tmp_path, "loss", "last = last + 1")
    store = database(tmp_path)
    with pytest.raises(BacklogError, match="not as it was written in loss"):
        store.file.open_as_it_is(take_lock_for_people(tmp_path))


def test_a_row_that_is_not_as_it_was_written_is_not_sealed_by_the_next_change(
    tmp_path: Path,
) -> None:
    fill(tmp_path)
    alter(tmp_path, "stream", "run = run + 7 WHERE id = 'A-EVENT'")
    with closing(sqlite3.connect(tmp_path / "backlog.db")) as store, store:
        for stream in ("A-EVENT", "A-ROUTINE"):
            seal.amend(store, "stream", stream, {"kept_seq": 9})
        kept = dict(store.execute("SELECT id, kept_seq FROM stream").fetchall())
        assert (kept["A-EVENT"], kept["A-ROUTINE"]) == (1, 9)
        with pytest.raises(sqlite3.DatabaseError, match="not as it was written in stream"):
            seal.require_whole(store)


def test_a_number_is_not_taken_for_its_letters() -> None:
    assert seal.is_whole(seal.sealed("a", 7))
    assert not seal.is_whole(("a", "7", seal.sealed("a", 7)[-1]))
    assert not seal.is_whole((b"a", 7, seal.sealed("a", 7)[-1]))
