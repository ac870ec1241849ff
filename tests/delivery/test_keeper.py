"""The store in trouble: slow, full, unreadable. What that may cost, and what it may not."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.delivery import Limits
from gateway.keeper import SAVE_COUNTERS_NS, KeepLimits
from gateway.model import Lane
from tests.delivery.desk import Desk, TrialBacklog, desk, window
from tests.fakes import numbers


def run(
    scene: Callable[[Desk], Awaitable[None]],
    limits: Limits | None = None,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> None:
    """Play a scene in a fresh delivery that is not connected."""

    async def play() -> None:
        store = TrialBacklog(max_bytes=max_bytes)
        async with desk(limits or window(8), connected=False, backlog=store) as made:
            await scene(made)

    asyncio.run(play())


def test_a_failing_store_is_waited_for_at_rest_though_counters_are_due() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        tried = d.backlog.calls["append"]
        d.clock.now_ns += SAVE_COUNTERS_NS
        await d.until(lambda: d.backlog.calls["append"] > tried)
        d.backlog.failing = set()
        await d.until(lambda: d.health.in_backlog() == 1)

    run(scene)


def test_counters_that_could_not_be_saved_are_tried_again_and_the_store_is_well_again() -> None:
    async def scene(d: Desk) -> None:
        await d.until(lambda: d.backlog.calls["oldest"] == 1)
        d.counters["C0:FF:EE:00:00:02"] = 1001
        d.backlog.failing = {"save_counters", "reserve_sessions"}
        d.clock.now_ns += SAVE_COUNTERS_NS
        d.delivery.keeper.order(d.backlog.reserve_sessions)
        await d.until(lambda: d.backlog.calls["save_counters"] == 2)
        assert d.delivery.keeper.state == "memory-only"
        d.backlog.failing = {"reserve_sessions"}
        await d.until(lambda: d.backlog.calls["reserve_sessions"] == 2)
        d.backlog.failing = set()
        await d.until(lambda: d.delivery.keeper.state == "ok")

    run(scene)


def test_an_acknowledgement_right_after_a_commit_is_not_forgotten() -> None:
    async def scene(d: Desk) -> None:
        d.connect()
        await d.until(lambda: d.backlog.calls["oldest"] == 1)
        looking = d.backlog.gates["oldest"] = asyncio.Event()
        d.offer(d.routine)
        await d.until(lambda: d.backlog.calls["oldest"] == 2)
        d.acknowledge()
        looking.set()
        await d.until(lambda: d.backlog.bundles == 0)
        assert numbers(d.uplink.sent) == [0]
        assert (d.health.observations.delivered, d.health.in_backlog()) == (1, 0)

    run(scene)


def test_a_store_that_cannot_be_looked_into_still_keeps() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"oldest", "first_unsettled"}
        for _ in range(3):
            d.offer(d.routine)
            await d.until(lambda: d.health.in_memory() == 0)
            assert d.delivery.keeper.state == "ok"
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.delivery.keeper.state == "ok"
        assert {message.lane for message in d.uplink.sent} == {Lane.REPLAY}

    run(scene)


def test_what_status_tells_of_the_store_is_read_again_after_a_failure() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine)
        await d.until(lambda: d.health.in_backlog() == 1)
        d.backlog.failing = {"oldest"}
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        asked = d.backlog.calls["oldest"]
        assert d.delivery.settled_below(d.routine) == 0
        d.backlog.failing = set()
        await d.until(lambda: d.delivery.settled_below(d.routine) == 1)
        assert d.delivery.keeper.oldest is None
        assert d.backlog.calls["oldest"] <= asked + 3

    run(scene)


def test_a_backlog_that_cannot_be_read_is_not_asked_with_every_acknowledgement() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        await d.until(lambda: d.health.in_backlog() == 1)
        d.backlog.failing = {"lease"}
        d.connect()
        await d.until(lambda: d.backlog.calls["lease"] == 1)
        for _ in range(50):
            d.offer(d.routine)
            d.clock.pass_s(0.002)
            await asyncio.sleep(0)
            assert d.acknowledge()
        assert d.backlog.calls["lease"] == 1
        d.backlog.failing = set()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 51

    run(scene, Limits(pace_ns=0, keep=KeepLimits(commit_after_ns=100_000_000)))


def test_a_full_store_gives_up_what_is_settled_and_takes_more() -> None:
    async def scene(d: Desk) -> None:
        while d.delivery.keeper.state == "ok":
            d.offer(d.routine, 10, text="x" * 1_000)
            await d.until(lambda: d.health.in_memory() == 0 or d.delivery.keeper.state != "ok")
        kept = d.health.in_backlog()
        d.connect()
        while d.health.in_backlog() == kept:  # the broker takes replay, and denies live
            await d.until(lambda: bool(d.uplink.outstanding))
            message = d.uplink.outstanding.pop()
            message.acknowledge(0x87 if message.lane is Lane.LIVE else 0)
        d.lose()
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.health.observations.dropped == 0

    run(scene, max_bytes=60_000)


def test_the_end_makes_room_in_a_full_store_for_what_is_left() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 9, text="x" * 1_000)
        await d.until(lambda: d.health.in_backlog() == 9)
        d.connect()
        await d.until(lambda: bool(d.uplink.outstanding))
        d.backlog.failing = {"settle"}
        d.acknowledge()
        await d.until(lambda: d.backlog.calls["settle"] == 1)
        d.backlog.failing = set()
        d.lose()
        d.offer(d.routine, 9, text="x" * 1_000)
        d.delivery.keeper.stop()
        await d.delivery.finish()
        assert (d.health.in_memory(), d.health.in_backlog()) == (0, 9)

    run(scene, max_bytes=15_000)


def test_a_deletion_does_not_make_a_commit_late() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        await d.until(lambda: d.health.in_backlog() == 1)
        d.connect()
        await d.until(lambda: bool(d.uplink.outstanding))
        d.acknowledge()
        d.offer(d.routine)
        deleting = d.backlog.gates["settle"] = asyncio.Event()
        await d.until(lambda: d.backlog.calls["settle"] == 1)
        assert d.health.in_memory() == 0, "committed first"
        deleting.set()

    # The deletion is due after 0.25 s, 0.15 s before the commit.
    run(scene, Limits(pace_ns=0, keep=KeepLimits(commit_after_ns=400_000_000)))


def test_losses_of_two_classes_by_turns_are_two_ranges() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        for _ in range(60):
            d.offer(d.routine, 7, text="x" * 2_000)
            d.offer(d.event, 14, text="x" * 2_000)
        declared = {
            (loss.stream, number)
            for loss in d.delivery.losses
            for number in range(loss.first, loss.last + 1)
        }
        assert {stream for stream, _ in declared} == {"STREAMROUTINE", "STREAMEVENT"}
        assert len(declared) == d.health.observations.dropped

    run(scene, window(8, memory_bytes=20_000))


def test_what_is_being_committed_is_not_dropped_to_make_room() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine, 40, text="x" * 400)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.backlog.failing = set()
        committing = d.backlog.gates["append"] = asyncio.Event()
        tried = d.backlog.calls["append"]
        await d.until(lambda: d.backlog.calls["append"] > tried)
        d.offer(d.routine, 400, text="x" * 400)
        assert d.health.observations.dropped > 0
        committing.set()
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.delivery.losses[0].first >= 40
        assert d.health.in_backlog() + d.health.observations.dropped == 440

    run(scene, window(8, memory_bytes=60_000))
