"""What every kind of backlog promises of earlier runs: remembered, but not without end."""

import asyncio

from gateway.backlog import MOST_PREVIOUS
from tests.backlog.places import Place, bundle, run_streams


def test_of_runs_cut_off_while_nobody_could_be_told_the_newest_are_remembered(
    place: Place,
) -> None:
    async def main() -> None:
        before = place
        for number in range(MOST_PREVIOUS):
            backlog = before.backlog()
            routine, event = run_streams(f"{number:03}")
            recovery = await backlog.open((routine, event))
            assert len(recovery.previous) == min(2 * number, MOST_PREVIOUS)
            assert recovery.unclean == (number > 0)
            await backlog.append([bundle(routine, 3)], {})
            before = before.as_killed()
            await backlog.close((), {})
        backlog = before.backlog()
        recovery = await backlog.open(run_streams("last"))
        newest = [f"{number:03}" for number in range(MOST_PREVIOUS // 2, MOST_PREVIOUS)]
        assert [each.id[:3] for each in recovery.previous[1::2]] == newest
        assert [each.next_seq for each in recovery.previous] == [0, 3] * (MOST_PREVIOUS // 2)
        assert recovery.observations == 3 * MOST_PREVIOUS, "what they kept stays"
        await backlog.close((), {})

    asyncio.run(main())


def test_a_run_that_kept_something_outlives_a_crash_loop_of_runs_that_kept_nothing(
    place: Place,
) -> None:
    async def main() -> None:
        before = place
        for number in range(MOST_PREVIOUS):
            backlog = before.backlog()
            routine, event = run_streams(f"{number:03}")
            recovery = await backlog.open((routine, event))
            assert recovery.unclean == (number > 0)
            if number == 0:
                await backlog.append([bundle(routine, 3)], {})
            before = before.as_killed()
            await backlog.close((), {})
        backlog = before.backlog()
        recovery = await backlog.open(run_streams("last"))
        runs = [int(each.id[:3]) for each in recovery.previous[1::2]]
        assert runs == [0, *range(MOST_PREVIOUS // 2 + 1, MOST_PREVIOUS)]
        assert recovery.previous[1].next_seq == 3
        assert recovery.unclean
        await backlog.close((), {})

    asyncio.run(main())
