"""What delivery promises, with a broker that does what the test says."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.delivery import Limits
from gateway.errors import BacklogError
from gateway.keeper import KeepLimits
from gateway.model import Lane
from gateway.sender import SendLimits
from tests.delivery.desk import Desk, desk, window
from tests.fakes import NS, numbers

SLOW_COMMIT = Limits(pace_ns=1_000_000, keep=KeepLimits(commit_after_ns=3600 * NS))


def run(scene: Callable[[Desk], Awaitable[None]], limits: Limits | None = None) -> None:
    """Play a scene in a fresh delivery."""

    async def play() -> None:
        async with desk(limits) if limits else desk() as made:
            await scene(made)

    asyncio.run(play())


def test_after_a_quiet_moment_an_observation_goes_out_at_once() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        assert numbers(d.uplink.sent) == [0]
        assert d.uplink.sent[0].bundle["stream"] == "STREAMROUTINE"
        assert d.uplink.sent[0].lane is Lane.LIVE

    run(scene, SLOW_COMMIT)


def test_what_is_heard_within_the_pace_travels_together() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 5)
        assert len(d.uplink.sent) == 1
        await d.until(lambda: len(d.uplink.sent) == 2)
        assert d.uplink.sent[1].numbers == [1, 2, 3, 4]

    run(scene, SLOW_COMMIT)


def test_a_full_bundle_does_not_wait_for_the_pace() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 101)
        first, second = d.uplink.sent
        assert first.numbers == [0]
        assert second.numbers == list(range(1, 1 + len(second.numbers)))
        assert len(second.numbers) > 50  # 16 kB, the time of each reckoned at its longest

    run(scene, Limits(pace_ns=3600 * NS, keep=KeepLimits(commit_after_ns=3600 * NS)))


def test_a_bundle_is_sealed_before_it_exceeds_its_bytes() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 40, text="x" * 1_000)
        assert len(d.uplink.sent) > 2
        assert all(len(message.payload) <= 16_384 for message in d.uplink.sent)

    run(scene, Limits(pace_ns=3600 * NS, keep=KeepLimits(commit_after_ns=3600 * NS)))


def test_events_go_before_routine_where_both_wait() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 3)
        d.offer(d.event)
        await d.until(lambda: len(d.uplink.sent) == 3)
        assert [message.bundle["class"] for message in d.uplink.sent[1:]] == ["event", "routine"]

    run(scene, SLOW_COMMIT)


def test_never_more_in_flight_than_the_window_and_the_broker_allow() -> None:
    async def scene(d: Desk) -> None:
        d.uplink.receive_maximum = 3
        d.delivery.on_up()
        d.offer(d.routine, 1_000)
        assert len(d.uplink.outstanding) == 3
        while d.acknowledge():
            assert len(d.uplink.outstanding) <= 3
        await d.until(lambda: d.acknowledge() == 0 and d.health.observations.delivered == 1_000)

    run(scene, SLOW_COMMIT)


def test_a_healthy_uplink_writes_nothing_to_the_store() -> None:
    async def scene(d: Desk) -> None:
        for _ in range(200):
            d.offer(d.routine, 3)
            d.clock.pass_s(0.002)
            d.acknowledge()
            await asyncio.sleep(0)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert (d.backlog.commits, d.backlog.bundles) == (0, 0)
        assert d.health.observations.delivered == 600

    run(scene)


def test_what_is_not_acknowledged_in_time_is_committed_and_stays_in_flight() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 3)
        await d.until(lambda: d.health.in_backlog() == 3)
        assert d.health.in_memory() == 0
        assert d.uplink.outstanding
        assert d.backlog.unleased == d.backlog.bundles - len(d.uplink.outstanding)
        d.acknowledge()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 3
        assert sorted(set(numbers(d.uplink.sent))) == [0, 1, 2]

    run(scene)


def test_an_acknowledgement_during_a_commit_settles_at_once_and_the_row_goes() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.gate = asyncio.Event()
        d.offer(d.routine)
        await d.until(lambda: d.backlog.held_up)
        d.acknowledge()
        assert d.health.observations.delivered == 1
        assert (d.health.in_memory(), d.health.in_backlog()) == (0, 0)
        d.backlog.gate.set()
        await d.until(lambda: d.backlog.commits == 1 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 1

    run(scene)


def test_a_lost_connection_loses_nothing_and_order_is_kept() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 250)
        d.lose()
        d.connect()
        await d.until(lambda: numbers(d.uplink.outstanding) == list(range(250)))
        d.acknowledge()
        assert d.health.observations.delivered == 250
        assert d.health.observations.resent > 200

    run(scene, SLOW_COMMIT)


def test_what_was_kept_comes_back_on_the_replay_lane() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 120)
        await d.until(lambda: d.health.in_backlog() == 120)
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert {message.lane for message in d.uplink.sent} == {Lane.REPLAY}
        assert numbers(d.uplink.sent) == list(range(120))

    run(scene)


def test_live_goes_on_while_replay_drains_with_at_most_half_the_window() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        for _ in range(20):
            d.offer(d.routine)
            commits = d.backlog.commits
            await d.until(lambda commits=commits: d.backlog.commits > commits)  # type: ignore[misc]
        d.connect()
        d.offer(d.routine)
        await d.until(lambda: len(d.uplink.outstanding) >= 3)
        replay = [m for m in d.uplink.outstanding if m.lane is Lane.REPLAY]
        assert 1 <= len(replay) <= 4
        assert any(m.lane is Lane.LIVE for m in d.uplink.outstanding)
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 21

    run(scene, window(8))


@pytest.mark.parametrize("size", [1, 2])
def test_live_traffic_that_could_fill_the_window_leaves_replay_its_turn(size: int) -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 600)
        await d.until(lambda: d.health.in_backlog() == 600)
        kept = d.backlog.bundles
        d.connect()
        for _ in range(3 * kept):
            d.offer(d.routine, 2)
            await d.until(lambda: not d.delivery.wanted_rows() or not d.backlog.unleased)
            assert len(d.uplink.outstanding) == size
            d.acknowledge()
        lanes = "".join(message.lane[0] for message in d.uplink.sent)
        assert lanes.count("r") >= kept, "replay has its turn"
        assert (2 * size + 1) * "r" not in lanes, "and live has its own"

    keep = KeepLimits(commit_after_ns=100_000_000)
    run(scene, Limits(pace_ns=0, send=SendLimits(window=size), keep=keep))


def test_what_was_refused_goes_again_before_what_was_heard_later() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 400)
        assert len(d.uplink.outstanding) == 2
        d.acknowledge(0x87)
        await d.until(lambda: d.acknowledge() == 0 and d.health.observations.delivered == 400)
        assert numbers(d.uplink.sent[2:]) == list(range(400))

    run(scene, Limits(pace_ns=1_000_000, send=SendLimits(window=2), keep=SLOW_COMMIT.keep))


def test_a_bundle_grown_old_in_memory_travels_on_the_replay_lane() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine)
        d.clock.pass_s(61)
        d.connect()
        assert [message.lane for message in d.uplink.sent] == [Lane.REPLAY]

    run(scene, SLOW_COMMIT)


def test_a_refusal_keeps_the_bundle_and_holds_up_its_lane_alone() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.acknowledge(0x87)
        assert d.health.observations.delivered == 0
        assert d.health.refusals == {0x87: 1}
        await d.until(lambda: any(m.lane is Lane.REPLAY for m in d.uplink.outstanding))
        d.acknowledge()
        assert d.health.observations.delivered == 1

    run(scene)


def test_no_subscriber_settles_and_is_counted() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.acknowledge(0x10)
        counters = d.health.observations
        assert (counters.delivered, counters.unheard) == (1, 1)

    run(scene)


def test_a_late_acknowledgement_ends_the_connection() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.clock.pass_s(9.9)
        d.delivery.sender.expire()
        assert not d.uplink.dropped
        d.clock.pass_s(1.2)  # 10 s and the time for its bytes at 500 B/s
        d.delivery.sender.expire()
        assert d.uplink.dropped == ["1 of 1 messages not acknowledged in time"]

    run(scene, SLOW_COMMIT)


def test_when_memory_is_full_there_is_no_room_until_a_commit_makes_it() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.backlog.gate = asyncio.Event()
        d.offer(d.routine, 500)
        assert not d.delivery.has_room
        waiting = asyncio.create_task(d.delivery.room(), name="room")
        await asyncio.sleep(0)
        assert not waiting.done()
        d.backlog.gate.set()
        async with asyncio.timeout(10):
            await waiting
        assert d.health.observations.dropped == 0

    run(scene, window(8, memory_bytes=100_000))


def test_a_failing_store_bounds_memory_and_declares_what_it_drops_routine_first() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.backlog.broken = True
        d.offer(d.event, 50)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.offer(d.routine, 2_000)
        counters = d.health.observations
        assert counters.dropped > 0
        assert d.health.in_memory() + counters.dropped == 2_050
        assert [loss.stream for loss in d.delivery.losses] == ["STREAMROUTINE"]
        assert d.delivery.losses[0].first == 0
        assert d.delivery.losses[0].last + 1 == counters.dropped
        d.backlog.broken = False
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.delivery.keeper.state == "ok"
        assert d.health.in_backlog() + counters.dropped == 2_050

    run(scene, window(8, memory_bytes=100_000))


def test_settled_below_never_passes_what_is_unsettled() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        assert d.delivery.settled_below(d.routine) == 0
        d.acknowledge()
        assert d.delivery.settled_below(d.routine) == 1
        d.lose()
        d.offer(d.routine, 5)
        await d.until(lambda: d.health.in_backlog() == 5)
        assert d.delivery.settled_below(d.routine) == 1
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        await d.until(lambda: d.delivery.settled_below(d.routine) == 6)

    run(scene)


def test_the_end_settles_what_it_can_and_commits_the_rest() -> None:
    async def scene() -> None:
        made = Desk(SLOW_COMMIT)
        await made.backlog.open(made.streams)
        tasks = asyncio.create_task(made.delivery.run(), name="delivery")
        made.delivery.on_up()
        made.offer(made.routine, 5)
        ending = asyncio.create_task(made.delivery.settle_rest(), name="end")
        await made.until(lambda: len(made.uplink.sent) == 2)
        made.uplink.outstanding.pop(0).acknowledge()
        made.lose()
        await ending
        await tasks
        await made.delivery.finish()
        assert made.health.observations.delivered == 1
        assert made.health.in_backlog() == 4

    asyncio.run(scene())


def test_an_end_that_cannot_commit_is_no_clean_end() -> None:
    async def scene() -> None:
        made = Desk(SLOW_COMMIT, connected=False)
        await made.backlog.open(made.streams)
        made.backlog.broken = True
        made.offer(made.routine)
        made.delivery.keeper.stop()
        with pytest.raises(BacklogError, match="no space left"):
            await made.delivery.finish()

    asyncio.run(scene())
