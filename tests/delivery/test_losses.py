"""What was given up is said until the platform knows, also by the next run."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.losses import LATEST, Losses
from gateway.model import Loss, Moment
from tests.delivery.desk import SOON, Desk, TrialBacklog, desk, window
from tests.fakes import FakeClock

TEXT = "x" * 1_000
AT = Moment("b0075eed-0000-4000-8000-000000000000", 5)
SMALL = window(8, memory_bytes=20_000)


def run(scene: Callable[[Desk], Awaitable[None]], backlog: TrialBacklog | None = None) -> None:
    """Play a scene in a fresh delivery that is not connected and has little memory."""

    async def play() -> None:
        store = backlog or TrialBacklog()
        async with desk(SMALL, connected=False, backlog=store) as made:
            await scene(made)

    asyncio.run(play())


async def lose_some(d: Desk) -> None:
    """Have some routine observations dropped in memory."""
    d.backlog.failing = {"append", "declare"}
    d.offer(d.routine)
    await d.until(lambda: d.delivery.keeper.state == "memory-only")
    d.offer(d.routine, 60, text=TEXT)
    assert d.health.observations.dropped


def test_what_memory_gave_up_is_written_down_as_soon_as_the_store_works() -> None:
    async def scene(d: Desk) -> None:
        await lose_some(d)
        assert not d.backlog.medium.losses
        (loss,) = d.delivery.loss_desk.untold()
        d.backlog.failing = set()
        await d.until(lambda: d.backlog.medium.losses == [loss])
        assert loss.last - loss.first + 1 == d.health.observations.dropped
        assert loss.at.wall_offset_ns == d.clock.epoch_ns

    run(scene)


def test_a_loss_is_kept_until_it_is_told_and_then_forgotten() -> None:
    async def scene(d: Desk) -> None:
        await lose_some(d)
        d.backlog.failing = set()
        await d.until(lambda: bool(d.backlog.medium.losses))
        d.delivery.loss_desk.told(d.delivery.loss_desk.untold())
        assert not d.delivery.loss_desk.untold()
        await d.until(lambda: not d.backlog.medium.losses)
        assert len(d.delivery.losses) == 1, "status still tells it"

    run(scene)


def test_a_loss_that_has_grown_meanwhile_is_told_again() -> None:
    async def scene(d: Desk) -> None:
        await lose_some(d)
        told = d.delivery.loss_desk.untold()
        d.offer(d.routine, 20, text=TEXT)
        d.delivery.loss_desk.told(told)
        (loss,) = d.delivery.loss_desk.untold()
        assert loss.first == told[0].first
        assert loss.last > told[0].last
        d.backlog.failing = set()
        await d.until(lambda: bool(d.backlog.medium.losses))

    run(scene)


def test_who_tells_the_platform_is_called_when_there_is_something_to_tell() -> None:
    async def scene(d: Desk) -> None:
        called: list[int] = []
        d.delivery.loss_desk.on_loss = lambda: called.append(1)
        d.offer(d.routine)
        await d.until(lambda: d.health.in_memory() == 0)
        assert not called
        await lose_some(d)
        assert called
        d.backlog.failing = set()
        await d.until(lambda: bool(d.backlog.medium.losses))

    run(scene)


def test_losses_of_the_run_before_are_told_by_this_one() -> None:
    store = TrialBacklog()
    before = Loss("STREAMBEFORE", 3, 7, "full", AT)
    store.medium.losses.append(before)

    async def scene(d: Desk) -> None:
        assert d.delivery.loss_desk.untold() == [before]
        assert d.delivery.losses == (before,)
        assert d.health.observations.dropped == 0
        d.delivery.loss_desk.told([before])
        await d.until(lambda: not d.backlog.medium.losses)

    run(scene, store)


def test_what_is_told_while_the_store_is_dead_is_remembered_by_nobody() -> None:
    losses = Losses(FakeClock())
    for number in range(0, 1_000, 2):
        loss = Loss("S", number, number, "store", AT)
        losses.undeclared.append(loss)
        losses.told([loss])
    assert not losses.untold()
    assert not losses.to_forget(), "the store has none of them"


def test_settled_below_does_not_pass_what_is_lost_and_not_told() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.event)
        await lose_some(d)
        (loss,) = d.delivery.loss_desk.untold()
        d.backlog.failing = set()
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.delivery.settled_below(d.routine) == loss.first
        assert d.delivery.settled_below(d.event) == d.event.next_seq
        d.delivery.loss_desk.told([loss])
        assert d.delivery.settled_below(d.routine) == d.routine.next_seq

    run(scene)


def test_status_tells_the_latest_losses_only() -> None:
    losses = Losses(FakeClock())
    for number in range(100):
        losses.remember(Loss("S", 2 * number, 2 * number, "full", AT))
    assert [loss.first for loss in losses.latest] == [2 * n for n in range(100 - LATEST, 100)]


def test_a_clean_end_writes_down_what_memory_gave_up() -> None:
    async def scene() -> None:
        made = Desk(SMALL, connected=False)
        await made.backlog.open(made.streams)
        task = asyncio.create_task(made.delivery.run(), name="delivery")
        await lose_some(made)
        made.delivery.keeper.stop()
        made.backlog.failing = set()
        await task
        await made.delivery.finish()
        assert made.backlog.medium.losses == list(made.delivery.losses)

    asyncio.run(scene())


def test_an_end_does_not_wait_for_a_store_that_hangs() -> None:
    async def scene() -> None:
        made = Desk(SOON, connected=False)
        await made.backlog.open(made.streams)
        task = asyncio.create_task(made.delivery.run(), name="delivery")
        hanging = made.backlog.gates["append"] = asyncio.Event()
        made.offer(made.routine)
        await made.until(lambda: made.backlog.calls["append"] == 1)
        made.delivery.keeper.stop()
        loop = asyncio.get_running_loop()
        was = loop.time
        ending = asyncio.create_task(made.delivery.finish(), name="end")
        await asyncio.sleep(0)
        loop.time = lambda: was() + 11  # type: ignore[method-assign]
        done, _ = await asyncio.wait([ending], timeout=20)
        loop.time = was  # type: ignore[method-assign]
        assert "did not answer within 10 s" in str(done.pop().exception())
        hanging.set()
        await task

    asyncio.run(scene())
