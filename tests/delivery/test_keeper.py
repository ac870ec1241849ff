"""The store in trouble: slow, full, unreadable. What that may cost, and what it may not."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.backlog import DEFAULT_MAX_BYTES
from gateway.books import Parcel
from gateway.delivery import Limits
from gateway.keeper import SAVE_COUNTERS_NS, KeepLimits
from gateway.model import Lane
from tests.delivery.desk import Desk, TrialBacklog, desk, window
from tests.fakes import NS, numbers


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


def test_a_commit_does_not_wait_for_the_next_look_into_the_store() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"oldest"}
        d.offer(d.routine)
        await d.until(lambda: d.backlog.calls["oldest"] == 4)
        d.offer(d.routine)
        due_ns = d.clock.now_ns + NS
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.clock.now_ns < due_ns

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


def test_a_full_store_gives_up_what_is_settled_before_anything_else() -> None:
    async def scene(d: Desk) -> None:
        for _ in range(4):
            d.offer(d.routine, 9, text="x" * 1_000)
            await d.until(lambda: d.health.in_memory() == 0)
        assert d.backlog.max_bytes - d.backlog.bytes_used < 12_000
        d.connect()
        await d.until(lambda: bool(d.uplink.outstanding))
        d.acknowledge()
        d.lose()
        d.offer(d.routine, 9, text="x" * 1_000)
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.backlog.calls["settle"] == 1
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


def test_no_event_is_given_up_for_routine_that_is_being_committed() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine, 40, text="x" * 400)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        tried, d.backlog.gates["append"] = d.backlog.calls["append"], asyncio.Event()
        await d.until(lambda: d.backlog.calls["append"] > tried)
        d.offer(d.event, 200, text="x" * 400)
        rooms = [d.delivery.has_room]
        assert d.health.observations.dropped == 0
        d.backlog.gates["append"].set()
        await d.until(lambda: d.health.observations.dropped > 0)
        rooms.append(d.delivery.has_room)
        assert rooms == [False, True]
        assert {loss.stream for loss in d.delivery.losses[:1]} == {d.routine.id}

    run(scene, window(8, memory_bytes=60_000))


def test_a_store_that_works_again_is_found_out_though_nothing_waits_for_it() -> None:
    async def scene(d: Desk) -> None:
        d.connect()
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.backlog.failing = set()
        d.acknowledge()
        await d.until(lambda: d.delivery.keeper.state == "ok")
        assert d.backlog.calls["append"] == 1

    run(scene)


def test_a_store_that_still_fails_is_not_believed_to_work_because_nothing_waits_for_it() -> None:
    async def scene(d: Desk) -> None:
        d.connect()
        d.backlog.failing = {"append", "remember"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.acknowledge()
        await d.until(lambda: d.backlog.calls["remember"] == 2)
        assert d.delivery.keeper.state == "memory-only"

    run(scene)


def parcels() -> list[Parcel]:
    """Return all there are in the process."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Parcel)]


def test_what_is_condemned_while_the_store_fails_takes_no_more_memory_than_its_bound() -> None:
    async def scene(d: Desk) -> None:
        others = parcels()
        d.connect()
        d.backlog.failing = {"append", "set_aside", "declare", "remember"}
        for _ in range(60):
            d.offer(d.routine, 100, text="x" * 40)
            d.acknowledge(0x99)
            d.clock.pass_s(0.05)
            d.clock.asked = 0
            await asyncio.sleep(0)
        assert d.health.observations.dropped
        d.uplink.sent.clear()
        held = [each for each in parcels() if each not in others]
        assert sum(each.bundle.size for each in held) < 400_000
        d.backlog.failing = set()
        await d.until(lambda: d.acknowledge(0x99) == 0 and not d.health.in_memory())
        await d.until(lambda: d.health.observations.set_aside > 0)

    run(scene, window(8, memory_bytes=100_000))


def test_what_is_being_set_aside_is_not_given_up_meanwhile() -> None:
    async def scene(d: Desk) -> None:
        d.connect()
        d.backlog.failing = {"set_aside"}
        d.offer(d.routine)
        await d.until(lambda: bool(d.uplink.outstanding))
        d.acknowledge(0x99)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.backlog.failing = set()
        setting_aside = d.backlog.gates["set_aside"] = asyncio.Event()
        tried = d.backlog.calls["set_aside"]
        await d.until(lambda: d.backlog.calls["set_aside"] > tried)
        d.offer(d.routine, 1_200, text="y" * 80)
        assert d.health.observations.dropped
        setting_aside.set()
        await d.until(lambda: d.health.observations.set_aside == 1)

    keep = KeepLimits(commit_after_ns=10 * NS, memory_bytes=30_000)
    run(scene, Limits(pace_ns=1_000_000, keep=keep))


def test_lost_numbers_are_not_settled_while_the_store_is_asked_for_its_losses() -> None:
    async def scene(d: Desk) -> None:
        for _ in range(4):
            d.offer(d.routine, 9, text="x" * 1_000)
            await d.until(lambda: d.health.in_memory() == 0)
        await d.until(lambda: d.backlog.calls["oldest"] > 1)
        asking = d.backlog.gates["losses"] = asyncio.Event()
        asked = d.backlog.calls["losses"]
        d.offer(d.routine, 9, text="x" * 1_000)
        await d.until(lambda: d.backlog.calls["losses"] > asked)
        assert d.health.observations.dropped
        assert d.delivery.settled_below(d.routine) == 0
        asking.set()
        await d.until(lambda: bool(d.delivery.loss_desk.untold()))
        assert d.delivery.settled_below(d.routine) == 0

    run(scene, max_bytes=60_000)


def test_each_answer_of_a_slow_store_is_a_sign_of_life() -> None:
    async def scene(d: Desk) -> None:
        await d.until(lambda: d.backlog.calls["oldest"] == 1)
        steps = ("append", "oldest", "first_unsettled")
        for step in steps:
            d.backlog.gates[step] = asyncio.Event()
        before = d.backlog.calls.copy()

        def has_begun(step: str) -> bool:
            return d.backlog.calls[step] > before[step]

        d.offer(d.routine)
        for step in steps:
            await d.until(partial(has_begun, step))
            d.clock.pass_s(50)
            assert "keep" not in d.health.vitals.stuck()
            d.backlog.gates[step].set()

    run(scene)
