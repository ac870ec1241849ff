"""Who goes first, and who waits: neither class nor lane starves, a denied lane is left alone."""

from gateway.delivery import Limits
from gateway.keeper import KeepLimits
from gateway.model import Lane
from gateway.sender import SendLimits
from tests.delivery.desk import SOON, Desk, play
from tests.fakes import NS, numbers

SLOW_COMMIT = KeepLimits(commit_after_ns=3600 * NS)


def test_many_events_do_not_keep_routine_from_going_out_live() -> None:
    async def scene(d: Desk) -> None:
        for _ in range(100):
            d.offer(d.event)
            d.offer(d.routine)
            await d.until(lambda: d.acknowledge() > 0)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert d.health.observations.delivered == 200
        assert d.backlog.commits == 0, "a healthy uplink writes nothing"

    play(scene, SOON)


def test_a_denied_replay_lane_is_left_alone_by_what_grew_old_in_memory() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 250)
        d.clock.pass_s(61)
        d.connect()
        for _ in range(20):
            d.acknowledge(0x87)
        assert d.health.refusals[0x87] <= 8, "one window, then it waits"
        d.uplink.sent.clear()
        d.offer(d.routine)
        assert [(m.lane, m.numbers) for m in d.uplink.sent] == [(Lane.LIVE, [250])]
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert sorted(numbers(d.uplink.sent)) == list(range(251))

    play(scene, Limits(pace_ns=0, keep=SLOW_COMMIT))


def test_what_grew_old_in_memory_leaves_live_its_half_of_the_window() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 800)
        d.clock.pass_s(61)
        d.offer(d.event)
        d.connect()
        lanes = [message.lane for message in d.uplink.outstanding]
        assert lanes == [Lane.LIVE, Lane.REPLAY, Lane.REPLAY]
        d.offer(d.event)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert d.health.observations.delivered == 802

    play(scene, Limits(pace_ns=0, send=SendLimits(window=4), keep=SLOW_COMMIT))
