"""Slow links: less on the way, smaller bundles, and fresh observations never behind old ones."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.delivery import Limits
from gateway.keeper import KeepLimits
from gateway.model import Lane
from gateway.sender import SendLimits
from gateway.throttle import Throttle
from tests.delivery.desk import Desk, play, window
from tests.fakes import NS, numbers

SLOW_COMMIT: Final = Limits(pace_ns=0, keep=KeepLimits(commit_after_ns=3600 * NS))


def run(
    scene: Callable[[Desk], Awaitable[None]],
    limits: Limits = SLOW_COMMIT,
    *,
    probing: bool = False,
) -> None:
    """Play a scene in a fresh delivery."""
    play(scene, limits, probing=probing)


def time_out(d: Desk) -> None:
    """Let no acknowledgement come in time."""
    d.clock.pass_s(3600)
    d.delivery.sender.expire()
    d.delivery.on_down()


def test_after_a_timeout_half_as_much_is_on_its_way_in_half_as_large_bundles() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 40, text="x" * 1_000)
        time_out(d)
        assert (d.delivery.sender.window, d.delivery.sender.max_bundle_bytes) == (4, 8_192)
        d.connect()
        assert len(d.uplink.outstanding) == 4
        assert all(len(message.payload) <= 8_192 for message in d.uplink.outstanding)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert d.health.observations.delivered == 40

    run(scene)


def test_what_a_slow_link_has_taught_outlives_the_connection_and_has_an_end() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 40, text="x" * 1_000)
        for _ in range(6):
            time_out(d)
            d.connect()
        assert (d.delivery.sender.window, d.delivery.sender.max_bundle_bytes) == (1, 2_000)
        assert len(d.uplink.outstanding) == 1
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert d.health.observations.delivered == 40

    run(scene)


def test_what_else_is_on_its_way_on_the_connection_is_given_time_too() -> None:
    async def scene(d: Desk) -> None:
        d.uplink.other_bytes = 30_000  # a minute at 500 B/s: a birth that tells of many streams
        d.offer(d.routine)
        d.clock.pass_s(69)
        d.delivery.sender.expire()
        assert not d.uplink.dropped
        d.clock.pass_s(3)
        d.delivery.sender.expire()
        assert d.uplink.dropped

    run(scene)


def test_slow_acknowledgements_narrow_too_once_for_all_that_was_on_its_way() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 40, text="x" * 1_000)
        assert len(d.uplink.outstanding) == 8
        for _ in range(8):
            d.clock.pass_s(6)
            d.uplink.outstanding.pop(0).acknowledge()
        await d.until(lambda: d.delivery.sender.window < 8)
        assert (d.delivery.sender.window, d.delivery.sender.max_bundle_bytes) == (4, 8_192)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert d.health.observations.delivered == 40

    run(scene)


def test_what_is_neither_slow_nor_quick_leaves_things_as_they_are() -> None:
    throttle = Throttle(8)
    throttle.timed_out()
    before = throttle.window, throttle.max_bundle_bytes
    for sent in range(100):
        throttle.acknowledged(sent, sent + 3 * NS)
    assert (throttle.window, throttle.max_bundle_bytes) == before


def test_a_backlog_begins_with_one_bundle_until_that_has_shown_how_fast_the_link_is() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 200, text="x" * 300)
        await d.until(lambda: d.health.in_backlog() == 200)
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 1)
        d.offer(d.routine)
        await d.until(lambda: len(d.uplink.outstanding) == 2)
        assert d.uplink.outstanding[1].lane is Lane.LIVE, "fresh ones wait for one at most"
        d.uplink.outstanding[0].acknowledge()
        await d.until(lambda: len(d.uplink.outstanding) > 3)

    run(scene, Limits(pace_ns=0), probing=True)


def test_a_connection_that_is_lost_at_once_teaches_nothing() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, 40, text="x" * 1_000)
        d.lose()
        d.connect()
        assert (d.delivery.sender.window, d.delivery.sender.max_bundle_bytes) == (8, 16_384)

    run(scene)


def test_each_acknowledged_window_widens_by_a_step_up_to_what_is_configured() -> None:
    throttle = Throttle(8)
    for _ in range(6):
        throttle.timed_out()
    steps: list[tuple[int, int]] = []
    for _ in range(40):
        throttle.acknowledged(0, 0)
        now = throttle.window, throttle.max_bundle_bytes
        if not steps or now != steps[-1]:
            steps.append(now)
    assert steps[:3] == [(2, 4_000), (3, 6_000), (4, 8_000)]
    for _ in range(100):
        throttle.acknowledged(0, 0)
    assert (throttle.window, throttle.max_bundle_bytes) == (8, 16_384)


def test_the_broker_s_limits_hold_whatever_was_learned() -> None:
    throttle = Throttle(8)
    throttle.opened(receive_maximum=2, max_packet_bytes=4_000)
    assert (throttle.window, throttle.max_bundle_bytes) == (2, 4_000 - 512)
    throttle.opened(receive_maximum=65_535, max_packet_bytes=268_435_455)
    assert (throttle.window, throttle.max_bundle_bytes) == (8, 16_384)


def test_what_was_committed_fresh_still_travels_live_before_the_backlog() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 600)
        await d.until(lambda: d.health.in_backlog() == 600)
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 1)
        d.offer(d.routine, 5)
        await d.until(lambda: d.health.in_memory() == 0)
        d.uplink.outstanding.pop().acknowledge()
        assert [(m.lane, m.numbers) for m in d.uplink.outstanding] == [
            (Lane.LIVE, [600, 601, 602, 603, 604])
        ]

    run(scene, window(1))


def test_what_is_committed_waits_in_the_live_lane_while_it_is_fresh_and_no_longer() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.offer(d.routine)
        await d.until(lambda: d.health.in_backlog() == 2)
        assert d.backlog.unleased == 0
        d.clock.pass_s(61)
        d.acknowledge()
        await d.until(lambda: bool(d.uplink.outstanding))
        assert [m.lane for m in d.uplink.sent] == [Lane.LIVE, Lane.REPLAY]

    run(scene, window(1))


def test_the_live_lane_keeps_two_windows_of_committed_bundles_and_they_are_the_newest() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.event)
        d.offer(d.routine, 60, text="x" * 1_000)
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.backlog.bundles > 4
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        routine = [m for m in d.uplink.sent if m.bundle["class"] == "routine"]
        live = [m for m in routine if m.lane is Lane.LIVE]
        assert len(live) == 2 < len(routine)
        assert numbers(live) == list(range(live[0].numbers[0], 60))

    run(scene, window(1))


def test_events_go_before_routine_in_the_live_lane() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 30, text="x" * 1_000)
        d.offer(d.event, 3)
        d.connect()
        assert [m.bundle["class"] for m in d.uplink.outstanding][:2] == ["event", "routine"]

    run(scene)


def test_a_row_goes_back_when_the_connection_does() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.offer(d.routine)
        await d.until(lambda: d.health.in_backlog() == 2)
        d.lose()
        assert d.backlog.unleased == 2

    run(scene, window(1))


def test_age_is_that_of_the_oldest_observation_wherever_it_stands() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine)
        d.clock.now_ns -= 50 * NS
        d.offer(d.routine)
        d.clock.now_ns += 50 * NS
        d.clock.pass_s(20)
        d.connect()
        assert [m.lane for m in d.uplink.sent] == [Lane.REPLAY]

    run(scene)


# ------------------------------------------------------------------------------------------ strict
STRICT: Final = Limits(pace_ns=0, keep=KeepLimits(strict=True, commit_after_ns=3600 * NS))


def test_strict_publishes_nothing_before_it_is_committed() -> None:
    async def scene(d: Desk) -> None:
        committing = d.backlog.gates["append"] = asyncio.Event()
        d.offer(d.routine)
        await d.until(lambda: d.backlog.calls["append"] == 1)
        d.offer(d.routine, 4)
        assert not d.uplink.sent
        committing.set()
        await d.until(lambda: d.acknowledge() == 0 and d.health.observations.delivered == 5)
        assert [m.numbers for m in d.uplink.sent] == [[0], [1, 2, 3, 4]], "in two commits"
        assert {m.lane for m in d.uplink.sent} == {Lane.LIVE}
        assert d.backlog.commits == 2

    run(scene, STRICT)


def test_strict_sends_from_memory_when_there_is_nothing_else() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.offer(d.routine)
        await d.until(lambda: d.acknowledge() == 0 and d.health.observations.delivered == 2)

    run(scene, STRICT)


def test_other_limits_hold_from_now_on() -> None:
    async def scene(d: Desk) -> None:
        d.delivery.retune(Limits(pace_ns=0, send=SendLimits(window=2), keep=SLOW_COMMIT.keep))
        for _ in range(4):
            d.offer(d.routine)
        assert len(d.uplink.outstanding) == 2
        assert numbers(d.uplink.outstanding) == [0, 1]

    run(scene)
