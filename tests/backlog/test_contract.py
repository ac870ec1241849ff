"""What every kind of backlog promises of its rows (gateway.backlog.contract.Backlog)."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import BacklogError, BacklogFullError
from gateway.model import Kept, PreviousStream, Recovery, Stream
from tests.backlog.places import AT, Place, Store, bundle, run_streams

NOTHING: dict[str, int] = {}


def rows(kept: Sequence[Kept]) -> list[int]:
    return [each.row for each in kept]


async def reopened(place: Place, backlog: Store, run: str) -> tuple[Store, Recovery]:
    """End a run cleanly and begin the next."""
    await backlog.close((), NOTHING)
    after = place.backlog()
    return after, await after.open(run_streams(run))


async def filled(backlog: Store, routine: Stream, event: Stream) -> list[int]:
    """Append until there is no room; the rows that were taken."""
    rows: list[int] = []
    for _ in range(1000):
        try:
            rows += await backlog.append([bundle(routine, 100), bundle(event)], NOTHING)
        except BacklogFullError:
            return rows
    pytest.fail("there was always room")


# --------------------------------------------------------------------------------- rows
def test_what_is_appended_is_leased_to_who_brought_it_until_it_is_released(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        first, second = bundle(routine, 7), bundle(event)
        appended = await backlog.append([first, second], NOTHING)
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (2, 8, 0)
        assert await backlog.lease(10) == ()
        backlog.release(appended[1:])
        assert backlog.unleased == 1
        assert await backlog.lease(10) == (Kept(appended[1], second),)
        backlog.release(appended)
        assert [each.bundle for each in await backlog.lease(10)] == [first, second]
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_leases_are_handed_out_oldest_first_also_after_a_release(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        appended = await backlog.append([bundle(routine) for _ in range(6)], NOTHING)
        backlog.release(appended)
        first, second = rows(await backlog.lease(2)), rows(await backlog.lease(2))
        assert first + second == list(appended[:4])
        backlog.release(second)
        backlog.release(first[:1])
        assert rows(await backlog.lease(4)) == [first[0], *second, appended[4]]
        assert (backlog.bundles, backlog.unleased) == (6, 1)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_settled_rows_are_gone_for_good(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        appended = await backlog.append([bundle(routine, 3), bundle(routine, 4)], NOTHING)
        await backlog.settle(appended[:1])
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 4, 0)
        after, recovery = await reopened(place, backlog, "B")
        assert (recovery.bundles, recovery.observations) == (1, 4)
        assert [each.bundle.first_seq for each in await after.lease(9)] == [3]
        await after.close((), NOTHING)

    asyncio.run(main())


def test_rows_nobody_holds_can_be_neither_settled_nor_released(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        appended = await backlog.append([bundle(routine), bundle(routine)], NOTHING)
        backlog.release(appended[:1])
        backlog.release(appended[:1])
        await backlog.settle([appended[0], appended[1], appended[1], 4711])
        await backlog.settle(appended)
        backlog.release([*appended, 4711])
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 1, 1)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_a_row_number_is_never_used_twice_in_a_run(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        first = await backlog.append([bundle(routine)], NOTHING)
        await backlog.settle(first)
        second = await backlog.append([bundle(routine)], NOTHING)
        backlog.release(first)  # by a holder who comes too late
        assert (second[0] > first[0], backlog.unleased) == (True, 0)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_a_bundle_comes_back_as_it_was_kept(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        kept = [bundle(routine, 100), bundle(event)]
        await backlog.append(kept, NOTHING)
        assert await backlog.oldest() == kept[0]
        after, _ = await reopened(place, backlog, "B")
        assert [each.bundle for each in await after.lease(2)] == kept
        await after.close((), NOTHING)

    asyncio.run(main())


def test_the_oldest_bundle_is_known_whether_or_not_it_is_leased(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        assert await backlog.oldest() is None
        first, second = bundle(routine), bundle(event)
        appended = await backlog.append([first, second], NOTHING)
        assert await backlog.oldest() == first
        await backlog.settle(appended[:1])
        assert await backlog.oldest() == second
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_the_first_unsettled_number_is_exact_for_each_stream(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        assert await backlog.first_unsettled(routine.id) is None
        first = await backlog.append([bundle(routine, 7), bundle(event), bundle(routine, 3)], {})
        assert await backlog.first_unsettled(routine.id) == 0
        assert await backlog.first_unsettled(event.id) == 0
        await backlog.settle(first[:2])
        assert await backlog.first_unsettled(routine.id) == 7
        assert await backlog.first_unsettled(event.id) is None
        second = await backlog.append([bundle(event)], NOTHING)
        assert await backlog.first_unsettled(event.id) == 1
        await backlog.settle([*first, *second])
        assert await backlog.first_unsettled(routine.id) is None
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_a_bundle_kept_again_in_parts_still_counts_for_the_first_unsettled_number(
    place: Place,
) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        whole, later = await backlog.append([bundle(routine, 10), bundle(routine, 10)], NOTHING)
        assert await backlog.first_unsettled(routine.id) == 0
        parts = await backlog.append(
            [bundle(routine, 5, first_seq=5), bundle(routine, 5, first_seq=0)], NOTHING
        )
        await backlog.settle([whole])
        assert await backlog.first_unsettled(routine.id) == 0
        await backlog.settle(parts[1:])
        assert await backlog.first_unsettled(routine.id) == 5
        await backlog.settle(parts)
        assert await backlog.first_unsettled(routine.id) == 10
        await backlog.settle([later])
        assert await backlog.first_unsettled(routine.id) is None
        await backlog.close((), NOTHING)

    asyncio.run(main())


# --------------------------------------------------------------------------------- full
def test_a_full_backlog_takes_none_of_the_bundles_and_takes_them_after_settling(
    place: Place,
) -> None:
    async def main() -> None:
        backlog = place.backlog(max_bytes=300_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        kept = await filled(backlog, routine, event)
        assert len(kept) >= 4
        assert (backlog.bundles, backlog.unleased) == (len(kept), 0)
        assert 200_000 < backlog.bytes_used <= 300_000
        await backlog.settle(kept[:-2])
        assert backlog.bytes_used < 150_000
        await backlog.append([bundle(routine, 100)], NOTHING)
        assert backlog.bundles == 3
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_a_full_backlog_still_opens_leases_settles_and_closes(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog(max_bytes=300_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await filled(backlog, routine, event)
        await backlog.close((routine, event), {"C0:FF:EE:00:00:01": 1})
        after = place.backlog(max_bytes=300_000)
        recovery = await after.open(run_streams("B"))
        assert recovery.bundles == after.bundles > 0
        while leased := await after.lease(8):
            await after.settle(rows(leased))
        assert (after.bundles, after.observations, after.unleased) == (0, 0, 0)
        await after.close((), NOTHING)

    asyncio.run(main())


# ------------------------------------------------------------------------------ restart
def test_a_clean_end_is_told_to_the_next_run_with_where_its_streams_ended(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        found = await backlog.open((routine, event))
        assert found == Recovery(session=found.session)
        await backlog.append([bundle(routine, 5)], NOTHING)
        routine.next_seq = 9  # four went out without being kept
        await backlog.close((routine, event), NOTHING)
        recovery = await place.backlog().open(run_streams("B"))
        assert recovery.previous == (
            PreviousStream(event.id, "event", clean=True, next_seq=0),
            PreviousStream(routine.id, "routine", clean=True, next_seq=9),
        )
        assert not recovery.unclean
        assert recovery.quarantined == ""

    asyncio.run(main())


def test_an_unclean_end_is_judged_by_what_was_kept_and_only_once(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.append([bundle(routine, 5), bundle(routine, 2)], NOTHING)
        ended = (
            PreviousStream(event.id, "event", clean=False, next_seq=0),
            PreviousStream(routine.id, "routine", clean=False, next_seq=7),
        )
        second = place.as_killed()
        after = second.backlog()
        recovery = await after.open(run_streams("B"))
        assert (recovery.previous, recovery.unclean) == (ended, True)
        await after.settle(rows(await after.lease(2)))
        last, recovery = await reopened(second, after, "C")
        assert recovery.previous[:2] == ended
        assert recovery.unclean  # run B was closed without its streams
        await last.close((), NOTHING)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_what_was_settled_and_dropped_before_a_kill_is_not_counted_after_it(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        bundles = [bundle(routine, 7), bundle(event, 2), bundle(routine, 4), bundle(event)]
        appended = await backlog.append(bundles, NOTHING)
        await backlog.settle(appended[:1])
        await backlog.drop(appended[1:2], "full", AT)
        await backlog.append([bundle(routine, 3)], NOTHING)
        after = place.as_killed().backlog()
        recovery = await after.open(run_streams("B"))
        assert (recovery.bundles, recovery.observations) == (3, 8)
        assert [each.next_seq for each in recovery.previous] == [3, 14]
        assert len(await after.lease(9)) == 3
        await after.close((), NOTHING)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_an_unclean_end_tells_how_far_a_stream_was_kept_though_all_is_settled(
    place: Place,
) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.settle(await backlog.append([bundle(routine, 7)], NOTHING))
        after = place.as_killed().backlog()
        recovery = await after.open(run_streams("B"))
        assert [each.next_seq for each in recovery.previous] == [0, 7]
        await after.close((), NOTHING)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_earlier_runs_are_told_until_they_are_forgotten_and_their_bundles_stay(
    place: Place,
) -> None:
    async def main() -> None:
        backlog = place.backlog()
        first = run_streams("A")
        await backlog.open(first)
        await backlog.append([bundle(first[0], 5)], NOTHING)
        await backlog.close(first, NOTHING)
        second, third = run_streams("B"), run_streams("C")
        backlog = place.backlog()
        await backlog.open(second)
        await backlog.close(second, NOTHING)
        backlog = place.backlog()
        recovery = await backlog.open(third)
        assert [each.id[0] for each in recovery.previous] == ["A", "A", "B", "B"]
        await backlog.forget_previous()
        await backlog.close(third, NOTHING)
        backlog = place.backlog()
        recovery = await backlog.open(run_streams("D"))
        assert [each.id[0] for each in recovery.previous] == ["C", "C"]
        assert (recovery.observations, recovery.unclean) == (5, False)
        await backlog.close((), NOTHING)

    asyncio.run(main())


def test_session_numbers_never_come_twice(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        first = (await backlog.open(run_streams("A"))).session
        reserved = await backlog.reserve_sessions()
        killed = place.as_killed()
        await backlog.close((), NOTHING)
        after = killed.backlog()
        second = (await after.open(run_streams("B"))).session
        assert (reserved, second) == (first + 1000, first + 2000)
        await after.close((), NOTHING)

    asyncio.run(main())


def test_session_numbers_are_raised_and_never_lowered(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        first = (await backlog.open(run_streams("A"))).session
        high = first + 1_000_000
        assert await backlog.reserve_sessions(high) == high
        assert await backlog.reserve_sessions(first) == high + 1000
        killed = place.as_killed()
        await backlog.close((), NOTHING)
        after = killed.backlog()
        assert (await after.open(run_streams("B"))).session == high + 2000
        await after.close((), NOTHING)

    asyncio.run(main())


def test_counters_are_kept_with_an_append_alone_and_at_the_end(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        await backlog.append([bundle(routine)], {"one": 1, "two": 2})
        await backlog.save_counters({"one": 1, "two": 3})
        killed = place.as_killed()
        await backlog.close((routine, event), {"two": 3, "three": 4})
        clean = await place.backlog().open(run_streams("B"))
        assert clean.counters == {"one": 1, "two": 3, "three": 4}
        after_kill = await killed.backlog().open(run_streams("B"))
        assert after_kill.counters == {"one": 1, "two": 3}

    asyncio.run(main())


def test_a_backlog_that_is_not_open_says_so(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        with pytest.raises(BacklogError, match="not open"):
            await backlog.append([bundle(routine)], NOTHING)
        await backlog.open((routine, event))
        await backlog.close((routine, event), NOTHING)
        with pytest.raises(BacklogError, match="not open"):
            await backlog.forget_previous()
        await backlog.close((routine, event), NOTHING)

    asyncio.run(main())


def test_a_backlog_that_was_never_opened_closes(place: Place) -> None:
    asyncio.run(place.backlog().close(run_streams("A"), NOTHING))
