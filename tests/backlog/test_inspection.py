"""The store in people's hands: seen as it is, and nothing vanishes undeclared."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from gateway.backlog import inspection
from gateway.backlog.sqlite import SqliteBacklog
from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Aside, Bundle, Loss
from tests.backlog.places import AT, SqlitePlace, bundle, run_streams
from tests.backlog.test_damage import PAGE, fill, leaves, overwrite
from tests.backlog.test_versions import old_store

ROUTINE, EVENT = run_streams("A")


def filled(directory: Path) -> list[Bundle]:
    """Leave a store behind: four bundles kept, one set aside, one lost; the first five."""
    routine, event = run_streams("A")
    bundles = [bundle(routine, 7), bundle(event), bundle(routine, 3), bundle(event, 2)]
    refused = bundle(routine, 5)

    async def main() -> None:
        backlog = SqliteBacklog(directory)
        await backlog.open((routine, event))
        await backlog.append(bundles, {})
        await backlog.set_aside([Aside(refused, "payload invalid")], AT)
        await backlog.declare([Loss(routine.id, 90, 99, "store", AT)])
        await backlog.close((routine, event), {})

    asyncio.run(main())
    return [*bundles, refused]


def _digest(directory: Path) -> str:
    return hashlib.sha256((directory / "backlog.db").read_bytes()).hexdigest()


def test_what_is_there_is_counted_by_class_and_stream(tmp_path: Path) -> None:
    first, *_, last, refused = filled(tmp_path)
    with inspection.opened(tmp_path) as store:
        stats = store.stats()
    assert (stats.bundles, stats.observations) == (4, 13)
    assert stats.classes == {"routine": (2, 10), "event": (2, 3)}
    assert stats.streams == {ROUTINE.id: 10, EVENT.id: 3}
    assert (stats.oldest, stats.newest) == (first, last)
    assert (stats.asides, stats.aside_bytes) == (1, refused.size)
    assert stats.losses == (Loss(ROUTINE.id, 90, 99, "store", AT),)
    assert (stats.quarantined, stats.unclean) == ((), False)
    assert 0 < stats.bytes_used <= stats.file_bytes


def test_looking_changes_nothing(tmp_path: Path) -> None:
    bundles = filled(tmp_path)
    before = _digest(tmp_path)
    with inspection.opened(tmp_path) as store:
        assert [each.bundle for each in store.peek(2)] == bundles[:2]
        assert [each.bundle for each in store.peek(2, newest=True)] == [bundles[3], bundles[2]]
        exported = list(store.export())
        assert [each.bundle for each in exported] == bundles
        assert [each.row for each in exported] == [1, 2, 3, 4, None]
        (aside,) = store.asides()
        assert exported[-1].aside == aside
        assert (aside.at, aside.aside.reason) == (AT, "payload invalid")
    assert _digest(tmp_path) == before


@pytest.mark.parametrize(
    ("which", "left", "lost"),
    [
        ({"klass": "routine"}, 3, {(ROUTINE.id, 0, 9)}),
        ({"stream": EVENT.id}, 10, {(EVENT.id, 0, 2)}),
        ({"klass": "event", "stream": ROUTINE.id}, 13, set()),
        ({}, 0, {(ROUTINE.id, 0, 9), (EVENT.id, 0, 2)}),
    ],
)
def test_what_is_purged_is_declared(
    tmp_path: Path, which: dict[str, str], left: int, lost: set[tuple[str, int, int]]
) -> None:
    filled(tmp_path)
    with inspection.opened(tmp_path) as store:
        purged = store.purge(AT, **which)  # type: ignore[arg-type] # one of two words
    assert purged.observations == 13 - left

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("B"))
        assert recovery.observations == left
        declared = {(e.stream, e.first, e.last) for e in recovery.losses if e.reason == "purged"}
        assert declared == lost
        await backlog.close((), {})

    asyncio.run(main())


def test_what_was_set_aside_can_be_put_back_or_given_up(tmp_path: Path) -> None:
    *_, refused = filled(tmp_path)
    with inspection.opened(tmp_path) as store:
        (aside,) = store.asides()
        assert store.requeue([aside.id + 1]) == 0
        assert store.requeue([aside.id, aside.id]) == 1
        assert store.asides() == []
        assert store.peek(1, newest=True)[0].bundle == refused
        assert store.stats().observations == 18

    async def again() -> None:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("B"))
        assert (recovery.observations, backlog.asides) == (18, 0)
        kept = (await backlog.lease(9))[-1]
        assert kept.bundle == refused
        await backlog.set_aside([Aside(kept.bundle, "again", kept.row)], AT)
        await backlog.close((), {})

    asyncio.run(again())
    with inspection.opened(tmp_path) as store:
        (aside,) = store.asides()
        assert store.drop_asides([aside.id, aside.id, 4711], AT) == 1
        assert store.asides() == []
        assert Loss(ROUTINE.id, 10, 14, "purged", AT) in store.stats().losses


def test_a_full_store_takes_nothing_back(tmp_path: Path) -> None:
    filled(tmp_path)
    with inspection.opened(tmp_path, max_bytes=4096) as store:
        (aside,) = store.asides()
        with pytest.raises(BacklogFullError):
            store.requeue([aside.id])
        assert store.asides() == [aside]


def test_an_unclean_end_and_quarantined_files_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        place = SqlitePlace(tmp_path)
        backlog = place.backlog()
        await backlog.open(run_streams("A"))
        killed = place.as_killed()
        await backlog.close((), {})
        assert isinstance(killed, SqlitePlace)
        (killed.directory / "backlog.db.corrupt-1").write_bytes(b"damaged")
        with inspection.opened(killed.directory) as store:
            assert store.stats().unclean
            assert store.stats().quarantined == (str(killed.directory / "backlog.db.corrupt-1"),)

    asyncio.run(main())


# --------------------------------------------------------------------------------- refused
def test_there_must_be_a_store(tmp_path: Path) -> None:
    with (
        pytest.raises(BacklogError, match="no store in"),
        inspection.opened(tmp_path / "nowhere"),
    ):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_no_agent_may_be_using_it(tmp_path: Path) -> None:
    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        await backlog.open(run_streams("A"))
        with (
            pytest.raises(BacklogError, match="the agent is running") as refused,
            inspection.opened(tmp_path),
        ):
            pass
        assert refused.value.remedy == "stop it first: systemctl stop ugw"
        await backlog.close((), {})
        with inspection.opened(tmp_path) as store:
            assert store.stats().bundles == 0
        await backlog.open(run_streams("B"))
        await backlog.close((), {})

    asyncio.run(main())


def test_what_is_found_damaged_while_it_is_read_is_left_to_the_agent_too(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "backlog.db"
    overwrite(path, leaves(path)[20], bytes(PAGE))
    with (
        pytest.raises(BacklogError, match="is damaged") as refused,
        inspection.opened(tmp_path) as store,
    ):
        store.stats()
    assert "start the agent anew" in refused.value.remedy


@pytest.mark.parametrize("damage", ["version 1", "garbage", "being replaced"])
def test_what_only_a_start_can_mend_is_left_to_the_agent(tmp_path: Path, damage: str) -> None:
    old_store(tmp_path)
    if damage == "garbage":
        (tmp_path / "backlog.db").write_bytes(b"garbage" * 1000)
    elif damage == "being replaced":
        (tmp_path / "backlog.db").rename(tmp_path / "backlog.db.ready")
    before = sorted(path.name for path in tmp_path.glob("backlog.db*"))
    with pytest.raises(BacklogError) as refused, inspection.opened(tmp_path):
        pass
    assert "start the agent once" in refused.value.remedy
    assert sorted(path.name for path in tmp_path.glob("backlog.db*")) == before
