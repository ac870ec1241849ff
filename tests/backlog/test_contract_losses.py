"""What every kind of backlog promises of what it gives up: nothing vanishes undeclared."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.backlog import MAX_DROP_BYTES, MAX_MEMORY_CHARACTERS, max_aside_bytes
from gateway.errors import BacklogFullError
from gateway.model import Aside, Bundle, Loss, Moment, Recovery, Row, Stream
from tests.backlog.places import AT, BOOT, Place, Store, bundle, run_streams

LATER = Moment(BOOT, AT.at_ns + 1)


def head(row: int, of: Bundle) -> Row:
    return Row(row, of.stream, of.klass, of.first_seq, len(of.entries))


async def reopened(place: Place, backlog: Store, run: str) -> tuple[Store, Recovery]:
    """End a run cleanly and begin the next."""
    await backlog.close((), {})
    after = place.backlog()
    return after, await after.open(run_streams(run))


async def filled(backlog: Store, routine: Stream, event: Stream) -> list[tuple[int, int]]:
    """Append until there is no room; the rows, in pairs: routine, event."""
    pairs: list[tuple[int, int]] = []
    for _ in range(1000):
        try:
            first, second = await backlog.append([bundle(routine, 100), bundle(event)], {})
        except BacklogFullError:
            return pairs
        pairs.append((first, second))
    pytest.fail("there was always room")


# ----------------------------------------------------------------------------------- drop
def test_dropped_rows_are_gone_leased_or_not_and_stand_in_loss_ranges(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        kept = [bundle(routine, 7), bundle(routine, 3), bundle(event), bundle(routine, 5)]
        rows = await backlog.append(kept, {})
        backlog.release(rows[1:3])
        dropped = await backlog.drop([rows[2], rows[0], rows[0], rows[1], 4711], "full", AT)
        assert dropped == tuple(head(rows[i], kept[i]) for i in (0, 1, 2))
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 5, 0)
        assert await backlog.first_unsettled(routine.id) == 10
        assert await backlog.first_unsettled(event.id) is None
        backlog.release(rows)
        assert [each.row for each in await backlog.lease(9)] == [rows[3]]
        losses = (Loss(routine.id, 0, 9, "full", AT), Loss(event.id, 0, 0, "full", AT))
        assert await backlog.losses() == losses
        assert await backlog.drop(rows[:3], "full", LATER) == ()
        after, recovery = await reopened(place, backlog, "B")
        assert (recovery.losses, recovery.observations) == (losses, 5)
        assert await after.losses() == losses
        await after.close((), {})

    asyncio.run(main())


def test_loss_ranges_that_adjoin_or_overlap_become_one_of_the_newest_moment(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        await backlog.open(run_streams("A"))
        await backlog.declare([Loss("s", 10, 19, "full", AT), Loss("s", 30, 39, "full", AT)])
        await backlog.declare([Loss("s", 20, 24, "store", AT), Loss("t", 20, 24, "full", AT)])
        await backlog.declare([Loss("s", 0, 8, "full", AT)])
        assert len(await backlog.losses()) == 5
        await backlog.declare([Loss("s", 20, 29, "full", LATER)])
        await backlog.declare([Loss("t", 22, 30, "full", LATER)])
        assert await backlog.losses() == (
            Loss("s", 20, 24, "store", AT),
            Loss("s", 0, 8, "full", AT),
            Loss("s", 10, 39, "full", LATER),
            Loss("t", 20, 30, "full", LATER),
        )
        await backlog.declare([])
        await backlog.close((), {})

    asyncio.run(main())


def test_a_loss_range_is_forgotten_only_as_it_was_told(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        await backlog.open(run_streams("A"))
        grows, stays = Loss("s", 5, 9, "full", AT), Loss("t", 0, 9, "full", AT)
        await backlog.declare([grows, stays])
        told = await backlog.losses()
        for more in (Loss("s", 10, 12, "full", AT), Loss("s", 0, 4, "full", AT)):
            await backlog.declare([more])
            await backlog.forget_losses(told)
        assert await backlog.losses() == (Loss("s", 0, 12, "full", AT),)
        await backlog.forget_losses([Loss("s", 0, 12, "full", LATER)])
        after, recovery = await reopened(place, backlog, "B")
        assert recovery.losses == (Loss("s", 0, 12, "full", AT),)
        await after.forget_losses(recovery.losses)
        assert await after.losses() == ()
        await after.close((), {})

    asyncio.run(main())


def test_a_damaged_row_is_told_once_and_can_be_dropped(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        kept = [bundle(routine, 2), bundle(routine, 3), bundle(event)]
        rows = await backlog.append(kept, {})
        await backlog.close((), {})
        place.damage(rows[0])
        place.damage(rows[2])
        after = place.backlog()
        assert (await after.open(run_streams("B"))).observations == 6
        assert [each.row for each in await after.lease(1)] == [rows[1]]
        assert after.damaged() == (head(rows[0], kept[0]),)
        assert (after.damaged(), after.unleased, after.observations) == ((), 1, 6)
        assert await after.oldest() == kept[1]
        assert await after.lease(9) == ()
        assert after.damaged() == (head(rows[2], kept[2]),)
        await after.drop([rows[0], rows[2]], "damaged", AT)
        assert (after.bundles, after.observations, after.unleased) == (1, 3, 0)
        assert [each.reason for each in await after.losses()] == ["damaged", "damaged"]
        await after.close((), {})

    asyncio.run(main())


# ----------------------------------------------------------------------------- drop_oldest
def test_the_oldest_of_a_class_go_until_there_is_room_and_no_further(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog(max_bytes=400_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        pairs = await filled(backlog, routine, event)
        backlog.release([row for pair in pairs for row in pair])
        before = backlog.observations
        dropped = await backlog.drop_oldest("routine", 60_000, AT)
        assert 0 < len(dropped) < len(pairs) - 1
        assert [each.row for each in dropped] == [first for first, _ in pairs[: len(dropped)]]
        assert backlog.max_bytes - backlog.bytes_used >= 60_000
        assert backlog.observations == before - sum(each.count for each in dropped)
        assert await backlog.losses() == (Loss(routine.id, 0, 100 * len(dropped) - 1, "full", AT),)
        assert await backlog.drop_oldest("routine", 60_000, AT) == ()
        await backlog.append([bundle(routine, 100)], {})
        await backlog.close((), {})

    asyncio.run(main())


def test_what_is_leased_is_dropped_only_when_nothing_else_of_the_class_is_left(
    place: Place,
) -> None:
    async def main() -> None:
        backlog = place.backlog(max_bytes=400_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        pairs = await filled(backlog, routine, event)
        backlog.release([row for pair in pairs for row in pair])
        leased = [each.row for each in await backlog.lease(4)]
        assert leased == [*pairs[0], *pairs[1]]
        some = [each.row for each in await backlog.drop_oldest("routine", 60_000, AT)]
        assert some == [first for first, _ in pairs[2 : len(some) + 2]]
        rest = [each.row for each in await backlog.drop_oldest("routine", 10**9, AT)]
        assert sorted(some + rest) == [first for first, _ in pairs]
        assert backlog.observations == len(pairs)  # every event
        backlog.release(rest)
        assert backlog.unleased == len(pairs) - 2
        assert await backlog.drop_oldest("routine", 10**9, AT) == ()
        events = [each.row for each in await backlog.drop_oldest("event", 10**9, AT)]
        assert sorted(events) == [second for _, second in pairs]
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (0, 0, 0)
        await backlog.close((), {})

    asyncio.run(main())


def test_one_call_drops_some_megabytes_at_most(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        bundles = [bundle(routine, 100) for _ in range(100)]
        rows: list[int] = []
        while backlog.bytes_used < 2 * MAX_DROP_BYTES:
            rows += await backlog.append(bundles, {})
        dropped = await backlog.drop_oldest("routine", 10**9, AT)
        assert len(rows) * 0.3 < len(dropped) < len(rows) * 0.7
        await backlog.close((), {})

    asyncio.run(main())


def test_losses_are_told_oldest_first_whoever_held_the_rows(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        rows = await backlog.append(
            [bundle(routine, 2), bundle(routine, 2), bundle(routine, 2)], {}
        )
        await backlog.drop([rows[1]], "damaged", AT)
        backlog.release([rows[2]])  # what nobody holds goes first
        dropped = await backlog.drop_oldest("routine", 10**9, LATER)
        assert [each.row for each in dropped] == [rows[0], rows[2]]
        assert await backlog.losses() == (
            Loss(routine.id, 2, 3, "damaged", AT),
            Loss(routine.id, 0, 1, "full", LATER),
            Loss(routine.id, 4, 5, "full", LATER),
        )
        await backlog.close((), {})

    asyncio.run(main())


# ----------------------------------------------------------------------------- set aside
def test_what_is_set_aside_is_counted_there_and_no_longer_in_the_backlog(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        kept, other, fresh = bundle(routine, 7), bundle(routine, 3), bundle(event)
        rows = await backlog.append([kept, other], {})
        assert (backlog.asides, backlog.aside_bytes) == (0, 0)
        asides = [Aside(kept, "payload invalid", rows[0]), Aside(fresh, "topic invalid")]
        assert await backlog.set_aside(asides, AT) == ()
        assert (backlog.bundles, backlog.observations, backlog.unleased) == (1, 3, 0)
        assert (backlog.asides, backlog.aside_bytes) == (2, kept.size + fresh.size)
        assert await backlog.losses() == ()
        after, recovery = await reopened(place, backlog, "B")
        assert (recovery.bundles, recovery.losses) == (1, ())
        assert (after.asides, after.aside_bytes) == (2, kept.size + fresh.size)
        await after.close((), {})

    asyncio.run(main())


def test_beyond_its_bound_the_oldest_set_aside_are_given_up_and_declared(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog(max_bytes=3_000_000)
        bound = max_aside_bytes(3_000_000)
        routine, event = run_streams("A")
        await backlog.open((routine, event))
        lost: list[Loss] = []
        for number in range(12):
            refused = bundle(routine, 100) if number % 3 else bundle(event, 90)
            lost += await backlog.set_aside([Aside(refused, "too often")], AT)
            assert backlog.aside_bytes <= bound
        assert backlog.asides + len(lost) == 12
        assert 0 < len(lost) < 12
        assert {each.reason for each in lost} == {"aside"}
        numbers = _numbers(lost)
        assert len(numbers) == sum(each.last - each.first + 1 for each in lost)
        assert _numbers(await backlog.losses()) == numbers
        await backlog.close((), {})

    asyncio.run(main())


def _numbers(losses: Sequence[Loss]) -> set[tuple[str, int]]:
    return {(each.stream, seq) for each in losses for seq in range(each.first, each.last + 1)}


# ------------------------------------------------------------------------------- memories
def test_a_word_is_remembered_until_it_is_made_empty(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        assert (await backlog.open(run_streams("A"))).memories == {}
        await backlog.remember("one", "first")
        await backlog.remember("two", "2")
        await backlog.remember("one", "ümlaut")
        await backlog.remember("never", "")
        killed = place.as_killed()
        await backlog.remember("two", "")
        after, recovery = await reopened(place, backlog, "B")
        assert recovery.memories == {"one": "ümlaut"}
        await after.close((), {})
        after_kill = await killed.backlog().open(run_streams("B"))
        assert after_kill.memories == {"one": "ümlaut", "two": "2"}

    asyncio.run(main())


def test_a_word_too_long_to_be_remembered_is_refused(place: Place) -> None:
    async def main() -> None:
        backlog = place.backlog()
        await backlog.open(run_streams("A"))
        await backlog.remember("most", "x" * MAX_MEMORY_CHARACTERS)
        with pytest.raises(ValueError, match="more"):
            await backlog.remember("more", "x" * (MAX_MEMORY_CHARACTERS + 1))
        await backlog.close((), {})

    asyncio.run(main())
