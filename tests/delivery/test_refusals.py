"""What becomes of a bundle the broker refuses, by reason code; and of its lane."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from gateway.delivery import DEFERRED, Limits
from gateway.keeper import KeepLimits
from gateway.model import Lane
from gateway.sender import SendLimits
from tests.delivery.desk import SOON, Desk, TrialBacklog, desk, play, window
from tests.fakes import NS, numbers

SLOW_COMMIT: Final = KeepLimits(commit_after_ns=3600 * NS)
AT_ONCE: Final = Limits(pace_ns=0, keep=SLOW_COMMIT)
TEXT: Final = "x" * 1_000


def run(scene: Callable[[Desk], Awaitable[None]], limits: Limits = AT_ONCE) -> None:
    """Play a scene in a fresh delivery."""
    play(scene, limits)


def refusals_told(d: Desk) -> list[tuple[object, object]]:
    """Return reason code and lane of what was told of refusals."""
    told = [dict(notice.fields) for notice in d.notices if notice.kind == "uplink.refused"]
    return [(fields["reasonCode"], fields["lane"]) for fields in told]


@pytest.mark.parametrize("code", [0x90, 0x99])
def test_what_the_broker_will_never_take_is_set_aside(code: int) -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.acknowledge(code)
        await d.until(lambda: d.health.observations.set_aside == 1)
        (aside,) = d.backlog.aside
        assert (aside.bundle.key, aside.row) == (("STREAMROUTINE", 0), None)
        assert f"0x{code:02x}" in aside.reason
        assert len(d.uplink.sent) == 1
        assert d.health.refusals == {code: 1}
        assert d.delivery.settled_below(d.routine) == 1

    run(scene)


def test_until_it_is_durably_aside_a_bundle_stays_in_the_books_and_is_not_sent_again() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"set_aside"}
        d.offer(d.routine)
        d.acknowledge(0x99)
        await d.until(lambda: d.backlog.calls["set_aside"] == 2)
        assert d.health.observations.set_aside == 0
        assert d.health.in_memory() + d.health.in_backlog() == 1
        assert not d.uplink.outstanding
        d.backlog.failing = set()
        await d.until(lambda: d.health.observations.set_aside == 1)
        assert d.health.in_memory() + d.health.in_backlog() == 0
        assert len(d.uplink.sent) == 1

    run(scene, SOON)


def test_a_row_set_aside_leaves_the_backlog_with_it() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 3)
        await d.until(lambda: d.health.in_backlog() == 3)
        d.connect()
        await d.until(lambda: bool(d.uplink.outstanding))
        d.acknowledge(0x99)
        await d.until(lambda: d.health.observations.set_aside == 3)
        assert d.backlog.aside[0].row is not None
        assert (d.backlog.bundles, d.backlog.calls["settle"]) == (0, 0)

    run(scene, SOON)


def test_losses_of_what_overflows_aside_are_told() -> None:
    async def scene() -> None:
        async with desk(AT_ONCE, backlog=TrialBacklog(max_bytes=512_000)) as d:
            await overflow(d)

    async def overflow(d: Desk) -> None:
        for _ in range(3):
            d.offer(d.routine, text="x" * 15_000)
            d.acknowledge(0x99)
            await d.until(lambda: not d.health.in_memory())
        (loss,) = d.delivery.loss_desk.untold()
        assert (loss.first, loss.reason) == (0, "aside")
        assert (d.health.observations.set_aside, d.health.observations.dropped) == (3, 0)

    asyncio.run(scene())


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x91, 0x97])
def test_what_is_refused_for_now_is_kept_and_travels_by_the_other_lane(code: int) -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.acknowledge(code)
        assert [message.lane for message in d.uplink.sent] == [Lane.LIVE, Lane.REPLAY]
        d.offer(d.routine)
        assert len(d.uplink.sent) == 2, "its own lane is left alone"
        d.acknowledge()
        await d.until(lambda: d.acknowledge() > 0)
        assert d.health.observations.delivered == 2
        assert d.health.observations.resent == 1

    run(scene)


def test_within_a_stream_the_live_lane_never_goes_back() -> None:
    async def scene(d: Desk) -> None:
        for _ in range(4):
            d.offer(d.routine)
        d.uplink.outstanding.pop(1).acknowledge(0x80)
        d.acknowledge()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        live = [message for message in d.uplink.sent if message.lane is Lane.LIVE]
        assert numbers(live) == [0, 1, 2, 3]
        assert d.health.observations.delivered == 4

    run(scene)


def test_five_refusals_set_one_bundle_aside_while_others_of_the_lane_are_taken() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 3, text="x" * 15_000)
        d.clock.pass_s(61)
        d.connect()
        while not d.health.observations.set_aside:
            await d.until(lambda: bool(d.uplink.outstanding or d.health.observations.set_aside))
            for message in list(d.uplink.outstanding):
                d.uplink.outstanding.remove(message)
                message.acknowledge(0x80 if message.numbers == [1] else 0)
        assert d.health.refusals == {0x80: 5}
        assert d.health.observations.delivered == 2
        assert d.backlog.aside[0].bundle.first_seq == 1

    run(scene)


def test_a_lane_that_refuses_everything_sets_nothing_aside() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        for _ in range(12):
            assert d.acknowledge(0x87) == 1
            d.clock.pass_s(60)
            d.delivery.pump()
        assert d.health.observations.set_aside == 0
        assert d.health.in_memory() == 1

    run(scene)


def test_one_bundle_that_is_refused_does_not_hold_up_its_lane_at_window_1() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 4, text="x" * 15_000)
        d.clock.pass_s(61)
        d.connect()

        def answer() -> bool:
            if d.uplink.outstanding:
                message = d.uplink.outstanding.pop()
                message.acknowledge(0x80 if message.numbers == [0] else 0)
            return d.health.observations.delivered == 3

        await d.until(answer)
        assert d.health.refusals[0x80] >= 2

    run(scene, Limits(pace_ns=0, send=SendLimits(window=1), keep=SLOW_COMMIT))


@pytest.mark.parametrize("size", [1, 2, 8])
def test_however_many_the_broker_refuses_all_others_are_delivered(size: int) -> None:
    poison = set(range(20))

    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 50, text="x" * 15_000)
        await d.until(lambda: d.health.in_backlog() == 50)
        d.connect()

        def is_over() -> bool:
            waiting, d.uplink.outstanding = d.uplink.outstanding, []
            for message in waiting:
                message.acknowledge(0x83 if poison.intersection(message.numbers) else 0)
            d.clock.pass_s(60)  # the longest back-off
            d.delivery.pump()
            counted = d.health.observations
            return counted.delivered + counted.set_aside == counted.observed

        await d.until(is_over)
        assert d.health.observations.delivered == 30
        aside = [each.bundle.first_seq for each in d.backlog.aside]
        assert sorted(aside) == sorted(poison)
        assert d.health.in_backlog() == 0

    run(scene, window(size))


def test_a_replay_lane_that_is_denied_holds_few_rows_and_sets_none_aside() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 90, text="x" * 15_000)
        await d.until(lambda: d.health.in_backlog() == 90)
        d.connect()
        for _ in range(400):
            d.clock.asked = 0
            d.clock.pass_s(60)  # the longest back-off
            d.delivery.pump()
            d.acknowledge(0x87)
            await asyncio.sleep(0)
        assert d.health.refusals[0x87] > 2 * DEFERRED
        assert d.backlog.unleased >= 90 - DEFERRED - 2 * 2
        assert d.health.observations.set_aside == 0
        d.clock.pass_s(60)
        d.delivery.pump()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_backlog() == 0)
        assert d.health.observations.delivered == 90

    run(scene, window(2))


def test_a_refusal_is_told_once_per_change_and_once_a_minute() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine)
        d.clock.pass_s(61)
        d.connect()
        answer_later(d, 0x87)
        answer_later(d, 0x87)
        assert refusals_told(d) == [(0x87, "replay")]
        answer_later(d, 0x97)
        assert refusals_told(d) == [(0x87, "replay")], "too soon after the last"
        d.clock.pass_s(60)
        answer_later(d, 0x97)
        assert refusals_told(d) == [(0x87, "replay"), (0x97, "replay")]

    run(scene)


def answer_later(d: Desk, reason_code: int) -> None:
    """Refuse what is on its way, and let the back-off pass."""
    assert d.acknowledge(reason_code) == 1
    d.clock.pass_s(10)
    d.delivery.pump()


def test_that_nobody_listens_is_counted_and_told() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.acknowledge(0x10)
        counted = d.health.observations
        assert (counted.delivered, counted.unheard) == (1, 1)
        assert refusals_told(d) == [(0x10, "live")]

    run(scene)


def test_where_a_subscriber_is_required_a_bundle_waits_for_one_and_is_never_set_aside() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 2, text="x" * 15_000)
        d.clock.pass_s(61)
        d.connect()
        for _ in range(8):
            for message in list(d.uplink.outstanding):
                d.uplink.outstanding.remove(message)
                message.acknowledge(0x10 if message.numbers == [0] else 0)
            d.clock.pass_s(60)
            d.delivery.pump()
        counted = d.health.observations
        assert (counted.delivered, counted.unheard, counted.set_aside) == (1, 0, 0)
        d.acknowledge()
        assert counted.delivered == 2
        assert d.health.refusals == {0x10: 8}

    send = SendLimits(require_subscriber=True)
    run(scene, Limits(pace_ns=0, send=send, keep=SLOW_COMMIT))


# --------------------------------------------------------------------------------------- too large
def test_what_is_too_large_is_sent_in_parts_with_the_same_observations() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 12, text=TEXT)
        d.connect()
        assert len(d.uplink.outstanding) == 1
        d.acknowledge(0x95)
        assert len(d.uplink.outstanding) == 3, "of half the size at most, with what comes around"
        assert numbers(d.uplink.outstanding) == list(range(12))
        assert {message.lane for message in d.uplink.sent} == {Lane.LIVE}
        d.acknowledge()
        assert d.health.observations.delivered == 12
        d.offer(d.routine, 12, text=TEXT)
        assert all(len(message.payload) < 8_000 for message in d.uplink.sent[1:])

    run(scene)


def test_a_broker_that_disconnects_over_a_packet_gets_the_largest_in_parts() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine)
        d.offer(d.event, 1)
        d.lose()
        d.offer(d.routine, 12, text=TEXT)
        d.connect()
        assert len(d.uplink.outstanding) == 3
        d.lose(0x95)
        d.connect()
        assert len(d.uplink.outstanding) == 5
        d.acknowledge()
        assert d.health.observations.delivered == 14
        assert d.health.refusals == {0x95: 1}

    run(scene)


def test_one_observation_too_large_for_the_broker_is_set_aside_unsent() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, text="x" * 3_000)
        d.offer(d.routine)
        d.uplink.max_packet_bytes = 2_000
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        counted = d.health.observations
        assert (counted.set_aside, counted.delivered) == (1, 1)
        assert numbers(d.uplink.sent) == [1]

    run(scene)


def test_one_observation_over_which_the_broker_disconnects_twice_is_set_aside() -> None:
    async def scene(d: Desk) -> None:
        d.offer(d.routine, text=TEXT)
        d.lose(0x95)
        assert d.health.in_memory() == 1
        d.connect()
        d.lose(0x95)
        d.connect()
        await d.until(lambda: d.health.observations.set_aside == 1)
        assert not d.uplink.outstanding

    run(scene)


def test_a_row_is_deleted_when_all_of_its_parts_are_settled_and_not_before() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 12, text=TEXT)
        await d.until(lambda: d.health.in_backlog() == 12)
        d.uplink.max_packet_bytes = 6_000
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) > 1)
        first = d.uplink.outstanding.pop(0)
        first.acknowledge()
        assert d.health.in_backlog() == 12 - len(first.numbers)
        d.lose()
        assert d.backlog.unleased == 0, "what is left of it waits in memory"
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 12
        assert d.backlog.calls["lease"] == 1

    run(scene, SOON)


def test_parts_of_which_none_is_settled_go_back_as_one_row() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 12, text=TEXT)
        await d.until(lambda: d.health.in_backlog() == 12)
        d.uplink.max_packet_bytes = 6_000
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) > 1)
        d.lose()
        assert d.backlog.unleased == 1
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert d.health.observations.delivered == 12
        assert d.health.observations.resent > 0, "also from another lease"

    run(scene, SOON)
