"""Calls of the store beside keeping: none holds up another, and none is lost."""

import asyncio
from collections import Counter

from gateway.errors import BacklogFullError
from tests.delivery.desk import Desk
from tests.delivery.test_keeper import run
from tests.fakes import NS


def test_an_errand_that_finds_no_room_is_put_off_alone() -> None:
    tried = Counter[str]()

    async def refused() -> None:
        tried["refused"] += 1
        cause = "the medium is full"
        raise BacklogFullError(cause)

    async def modest() -> None:
        tried["modest"] += 1

    async def scene(d: Desk) -> None:
        d.delivery.keeper.order(refused)
        d.delivery.keeper.order(modest)
        await d.until(lambda: tried["refused"] == 3)
        assert tried["modest"] == 1
        d.offer(d.routine)
        due_ns = d.clock.now_ns + NS
        await d.until(lambda: d.health.in_backlog() == 1)
        assert d.clock.now_ns < due_ns, "it waits for no errand"
        assert not [notice for notice in d.notices if notice.kind == "store"]

    run(scene)


def test_an_errand_that_fails_lets_the_others_pass() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"reserve_sessions", "append"}
        d.delivery.keeper.order(d.backlog.reserve_sessions)
        d.delivery.keeper.order(d.backlog.losses)
        read = d.backlog.calls["losses"]
        await d.until(lambda: d.backlog.calls["losses"] > read)

    run(scene)


def test_an_errand_takes_the_room_it_needs() -> None:
    async def scene(d: Desk) -> None:
        async def greedy() -> None:
            if d.backlog.bytes_used > 20_000:
                cause = "the backlog has reached its bytes"
                raise BacklogFullError(cause)
            done.set()

        done = asyncio.Event()
        for _ in range(2):
            d.offer(d.routine, 9, text="x" * 1_000)
            await d.until(lambda: d.health.in_memory() == 0)
        d.delivery.keeper.order(greedy)
        await d.until(done.is_set)
        assert d.health.observations.dropped == 9

    run(scene, max_bytes=25_000)
