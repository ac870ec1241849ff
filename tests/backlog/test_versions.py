"""A store written by an earlier version of ugw is taken over with all it holds."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.backlog.sqlite import SqliteBacklog
from gateway.backlog.sqlite.connection import Connect, connect
from gateway.backlog.sqlite.schema import INSERT_BUNDLE, row_of
from gateway.errors import BacklogError
from gateway.model import Bundle, Loss, Moment, PreviousStream, Recovery
from tests.backlog.places import AT, bundle, run_streams

# As version 1 made it.
VERSION_1: Final = """
PRAGMA page_size=4096;
PRAGMA journal_mode=WAL;
CREATE TABLE bundle(
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
    first_seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    body BLOB NOT NULL) STRICT;
CREATE TABLE stream(
    id TEXT PRIMARY KEY,
    klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
    run INTEGER NOT NULL,
    clean INTEGER NOT NULL DEFAULT 0,
    next_seq INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE counter(
    address TEXT PRIMARY KEY,
    value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE installation(session INTEGER NOT NULL) STRICT;
INSERT INTO installation VALUES(3000);
INSERT INTO counter VALUES('one', 7);
INSERT INTO stream VALUES('OLD-ROUTINE', 'routine', 1, 1, 99), ('OLD-EVENT', 'event', 1, 1, 0);
INSERT INTO stream VALUES('A-ROUTINE', 'routine', 2, 0, NULL), ('A-EVENT', 'event', 2, 0, NULL);
PRAGMA user_version=1;
"""
# What version 2 made of it, and had written since.
VERSION_2: Final = """
ALTER TABLE stream ADD COLUMN kept_seq INTEGER NOT NULL DEFAULT 0;
CREATE TABLE tally(
    next_row INTEGER NOT NULL,
    bundles INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    events INTEGER NOT NULL) STRICT;
CREATE TABLE loss(
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reason TEXT NOT NULL,
    boot TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    wall_offset_ns INTEGER) STRICT;
CREATE TABLE aside(
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    klass TEXT NOT NULL CHECK(klass IN ('routine', 'event')),
    first_seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    size INTEGER NOT NULL,
    reason TEXT NOT NULL,
    boot TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    wall_offset_ns INTEGER,
    body BLOB NOT NULL) STRICT;
CREATE TABLE memory(
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO tally VALUES(5, 0, 0, 0);
INSERT INTO loss VALUES(4, 'OLD-ROUTINE', 3, 9, 'full', 'before', 7, NULL);
INSERT INTO memory VALUES('mqtt5', 'yes');
PRAGMA user_version=2;
"""
SCRIPTS: Final = {1: VERSION_1, 2: VERSION_1 + VERSION_2}
LOSSES: Final = {1: (), 2: (Loss("OLD-ROUTINE", 3, 9, "full", Moment("before", 7, None)),)}
MEMORIES: Final[dict[int, dict[str, str]]] = {1: {}, 2: {"mqtt5": "yes"}}


def old_store(directory: Path, version: int = 1) -> list[Bundle]:
    """Make a store of an earlier version whose run was cut off; the bundles in it."""
    directory.mkdir(exist_ok=True)
    routine, event = run_streams("A")
    kept = [bundle(routine, 7), bundle(event), bundle(routine, 40), bundle(event)]
    with closing(sqlite3.connect(directory / "backlog.db", isolation_level=None)) as store:
        store.executescript(SCRIPTS[version])
        store.executemany(INSERT_BUNDLE, [row_of(5 + n, each) for n, each in enumerate(kept)])
    return kept


def _taken_over(recovery: Recovery, version: int) -> None:
    assert (recovery.bundles, recovery.observations, recovery.session) == (4, 49, 3000)
    assert (recovery.counters, recovery.unclean) == ({"one": 7}, True)
    assert (recovery.losses, recovery.quarantined) == (LOSSES[version], "")
    assert recovery.memories == MEMORIES[version]
    assert recovery.previous == (
        PreviousStream("OLD-EVENT", "event", clean=True, next_seq=0),
        PreviousStream("OLD-ROUTINE", "routine", clean=True, next_seq=99),
        PreviousStream("A-EVENT", "event", clean=False, next_seq=2),
        PreviousStream("A-ROUTINE", "routine", clean=False, next_seq=47),
    )


@pytest.mark.parametrize("version", SCRIPTS)
def test_a_store_of_an_earlier_version_is_taken_over_with_all_it_holds(
    tmp_path: Path, version: int
) -> None:
    kept = old_store(tmp_path, version)

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        routine, event = run_streams("B")
        _taken_over(await backlog.open((routine, event)), version)
        assert await backlog.append([bundle(event)], {}) == (9,)
        leased = await backlog.lease(9)
        assert [each.row for each in leased] == [5, 6, 7, 8]
        assert [each.bundle for each in leased] == kept
        await backlog.drop([5], "full", AT)
        await backlog.close((routine, event), {})
        after = SqliteBacklog(tmp_path)
        recovery = await after.open(run_streams("C"))
        assert (recovery.bundles, recovery.quarantined) == (4, "")
        assert recovery.losses[:-1] == LOSSES[version]
        await after.close((), {})

    asyncio.run(main())


class Interrupted(sqlite3.Connection):
    """A connection whose power fails at a statement of the migration."""

    at = 0
    seen = 0

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
        if self.in_transaction:
            type(self).seen += 1
            if self.seen == self.at:
                message = "disk I/O error"
                error = sqlite3.OperationalError(message)
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
                raise error
        return super().execute(sql, values)


@pytest.mark.parametrize("at", [1, 4, 8, 12, 16])
def test_a_takeover_that_fails_leaves_the_old_store_for_the_next_start(
    tmp_path: Path, at: int
) -> None:
    old_store(tmp_path)

    class Failing(Interrupted):
        seen = 0

    Failing.at = at
    failing: Connect = lambda path: sqlite3.connect(  # noqa: E731 - a name for its type
        path, isolation_level=None, factory=Failing
    )

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path, connect=failing)
        with pytest.raises(BacklogError):
            await backlog.open(run_streams("B"))
        await backlog.close((), {})
        with closing(connect(tmp_path / "backlog.db")) as store:
            version = store.execute("PRAGMA user_version").fetchone()[0]
            assert version == 1
            assert Failing.seen >= at
        after = SqliteBacklog(tmp_path)
        _taken_over(await after.open(run_streams("B")), 1)
        await after.close((), {})

    asyncio.run(main())


@pytest.mark.parametrize("version", SCRIPTS)
def test_a_damaged_store_of_an_earlier_version_is_salvaged(tmp_path: Path, version: int) -> None:
    old_store(tmp_path, version)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("PRAGMA writable_schema=ON")
        store.execute("DELETE FROM sqlite_schema WHERE name = 'installation'")

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("B"))
        assert recovery.quarantined == backlog.quarantined != ""
        assert (recovery.bundles, recovery.observations) == (4, 49)
        assert [each.next_seq for each in recovery.previous] == [0, 99, 2, 47]
        assert (recovery.losses, recovery.memories) == (LOSSES[version], MEMORIES[version])
        assert recovery.counters == {"one": 7}
        await backlog.close((), {})

    asyncio.run(main())


# What a single altered byte of version 2, which had no seals, can make of a row.
DAMAGES_OF_2: Final = (
    "UPDATE tally SET bundles = -3",
    "UPDATE installation SET session = -5",
    "UPDATE installation SET session = 9223372036854775807",
    "DELETE FROM tally",
    "DELETE FROM installation",
)
# And what no statement can: the tables would not take it.
TYPES_OF_2: Final = (
    ("loss", "last INTEGER NOT NULL", "last TEXT NOT NULL"),
    ("counter", "value INTEGER NOT NULL", "value TEXT NOT NULL"),
    ("stream", "run INTEGER NOT NULL", "run TEXT NOT NULL"),
)


def started(tmp_path: Path) -> tuple[Recovery, int]:
    """Start twice: what the first one finds, and the bundles in it; the second finds it sound."""

    async def main() -> tuple[Recovery, int]:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("B"))
        leased = len(await backlog.lease(99))
        await backlog.close((), {})
        after = SqliteBacklog(tmp_path)
        again = await after.open(run_streams("C"))
        await after.close((), {})
        assert again.quarantined == ""
        assert {each.reason for each in again.losses} <= {"full", "damaged"}
        return recovery, leased

    return asyncio.run(main())


@pytest.mark.parametrize("damage", DAMAGES_OF_2)
def test_an_upgrade_makes_no_sound_row_of_a_damaged_one(tmp_path: Path, damage: str) -> None:
    old_store(tmp_path, 2)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute(damage)
    recovery, leased = started(tmp_path)
    assert recovery.quarantined
    assert leased == 4
    assert 0 <= recovery.session < 1 << 62


@pytest.mark.parametrize(("table", "was", "became"), TYPES_OF_2)
def test_a_value_of_another_type_in_an_old_store_is_left_behind_and_does_not_stop_the_start(
    tmp_path: Path, table: str, was: str, became: str
) -> None:
    old_store(tmp_path, 2)
    _retyped(tmp_path / "backlog.db", table, was, became)
    recovery, leased = started(tmp_path)
    assert recovery.quarantined
    assert leased == 4
    assert (recovery.losses == LOSSES[2]) == (table != "loss")
    assert (recovery.counters == {"one": 7}) == (table != "counter")
    assert recovery.unclean


def _retyped(path: Path, table: str, was: str, became: str) -> None:
    """Have a table hold values of another type than its schema says."""
    select = f"SELECT sql FROM sqlite_schema WHERE name = '{table}'"  # noqa: S608 - our own words
    set_ = f"UPDATE sqlite_schema SET sql = ? WHERE name = '{table}'"  # noqa: S608 - our own words
    with closing(connect(path)) as store:
        (sql,) = store.execute(select).fetchone()
        assert was in sql
        store.execute("PRAGMA writable_schema=ON")
        store.execute(set_, (sql.replace(was, became),))
    with closing(connect(path)) as store:
        column = was.split(maxsplit=1)[0]
        store.execute(f"UPDATE {table} SET {column} = {column}")  # noqa: S608 - our own words
    with closing(connect(path)) as store:
        store.execute("PRAGMA writable_schema=ON")
        store.execute(set_, (sql,))


def test_a_damaged_list_of_free_pages_is_seen_before_the_upgrade_writes_over_what_is_in_use(
    tmp_path: Path,
) -> None:
    old_store(tmp_path, 2)
    path = tmp_path / "backlog.db"
    with closing(connect(path)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    data[32:40] = (pages - 1).to_bytes(4, "big") + (1).to_bytes(4, "big")  # a page in use
    path.write_bytes(data)
    recovery, leased = started(tmp_path)
    assert recovery.quarantined
    assert leased == 4
    kept = bytearray((tmp_path / "backlog.db.corrupt-1").read_bytes())
    assert kept[4096:] == data[4096:], "nothing was written into it"


def test_a_store_of_a_later_version_is_set_aside_and_its_bundles_taken_over(
    tmp_path: Path,
) -> None:
    old_store(tmp_path)
    with closing(connect(tmp_path / "backlog.db")) as store:
        store.execute("PRAGMA user_version=4")

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("B"))
        assert recovery.quarantined == str(tmp_path / "backlog.db.corrupt-1")
        assert recovery.observations == 49
        await backlog.close((), {})

    asyncio.run(main())
