"""Histories in which gateways that many trust have lost data, as their public trackers tell them.

Each is played here step by step; whose it was stands above it. tests/planted makes the agent do as
they did, and these tests go red.
"""

from tests.delivery.desk import Desk, TrialBacklog, desk, play, window
from tests.fakes import NS, numbers

ROWS = 12


async def keep(d: Desk, rows: int = ROWS) -> None:
    """Have bundles of one observation each committed, while the broker is away."""
    for _ in range(rows):
        d.offer(d.routine)
        await d.until(lambda: d.health.in_memory() == 0)


async def moments_later(d: Desk) -> None:
    """Let whatever was begun be done."""
    then_ns = d.clock.now_ns + NS // 50
    await d.until(lambda: d.clock.now_ns > then_ns)


# NanoMQ #2432: what it resends it deletes when it reads it, and the link is already dead.
def test_a_link_that_falls_silent_while_a_backlog_drains_costs_nothing() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        await keep(d)
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 2)
        d.acknowledge()  # two arrive, the next two go into the void
        await d.until(lambda: len(d.uplink.outstanding) == 2 and d.backlog.bundles <= ROWS - 2)
        assert d.backlog.bundles == ROWS - 2
        d.lose()
        assert d.backlog.unleased == ROWS - 2
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_backlog() == 0)
        assert set(numbers(d.uplink.sent)) == set(range(ROWS))
        assert d.health.observations.delivered == ROWS

    play(scene, window(2))


# ThingsBoard Gateway #2124: each time it connects, it makes its SQLite file anew.
def test_however_often_the_broker_comes_and_goes_the_store_stays_as_it_is() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        await keep(d)
        for _ in range(3):
            d.connect()
            await moments_later(d)
            d.lose()
            assert (d.backlog.bundles, d.backlog.unleased) == (ROWS, ROWS)
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_backlog() == 0)
        assert d.health.observations.delivered == ROWS

    play(scene)


# Telegraf #16314, #15868: the buffer on disk is flushed for a while, and then no more.
def test_a_backlog_drains_to_its_end_while_live_goes_on_and_in_one_connection() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        await keep(d, 4 * ROWS)
        d.connect()
        for _ in range(40 * ROWS):
            d.offer(d.routine)
            d.clock.pass_s(0.002)
            await d.until(lambda: d.acknowledge() == 0)
            if not d.health.in_backlog():
                break
        assert d.health.in_backlog() == 0
        assert set(range(4 * ROWS)) <= set(numbers(d.uplink.sent))

    play(scene, window(2))


# Telegraf #18085, ThingsBoard #7060: each message is a transaction with a sync of its own, and the
# inputs wait for them; at ten a second four of ten were kept.
def test_all_that_waits_is_kept_with_one_sync() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        d.offer(d.routine, 250)
        d.offer(d.event, 10)
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.backlog.bundles > 3
        assert d.backlog.calls["append"] == 1

    play(scene)


# Telegraf #16500: at each start it sends the whole file again, delivered or not.
def test_what_was_delivered_is_not_sent_again_by_the_run_after() -> None:
    async def scene(d: Desk) -> None:
        d.lose()
        await keep(d)
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_backlog() == 0)
        await d.until(lambda: d.backlog.bundles == 0)
        after = TrialBacklog(medium=d.backlog.medium)  # as it would be found after SIGKILL now
        async with desk(backlog=after) as following:
            assert following.health.observations.recovered == 0
            assert following.uplink.sent == []

    play(scene)


# ThingsBoard Gateway #1579: of messages with one time stamp the last one is sent.
def test_what_was_heard_at_the_same_moment_is_all_sent() -> None:
    async def scene(d: Desk) -> None:
        d.uplink.receive_maximum = 1
        d.connect()
        d.offer(d.routine, 5)  # time stands still
        d.offer(d.event, 5)
        await d.until(lambda: d.acknowledge() == 0 and d.health.in_memory() == 0)
        assert sorted(numbers(d.uplink.sent)) == sorted([*range(5), *range(5)])
        assert d.health.observations.delivered == 10

    play(scene)
