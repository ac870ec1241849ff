"""No room: who goes, in which order, what is said of it, and what is never done for nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import pytest

from gateway.condition import SHEDDING_NS
from gateway.delivery import Limits
from gateway.errors import BacklogFullError
from gateway.keeper import KeepLimits
from gateway.model import Bundle, Lane, Level, Stream
from tests.delivery.desk import Desk, TrialBacklog, desk, window

CAP: Final = 60_000  # five bundles of 12 kB do not fit
TEXT: Final = "x" * 1_000


class FullMedium(TrialBacklog):
    """A store on a medium that others have filled: whatever it gives up, nothing more fits."""

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        if self.broken:
            self.calls["append"] += 1
            cause = "no space left on device"
            raise BacklogFullError(cause)
        return await super().append(bundles, counters)


def run(
    scene: Callable[[Desk], Awaitable[None]],
    limits: Limits | None = None,
    *,
    backlog: TrialBacklog | None = None,
) -> None:
    """Play a scene in a fresh delivery that is not connected."""

    async def play() -> None:
        store = backlog or TrialBacklog(max_bytes=CAP)
        async with desk(limits or window(8), connected=False, backlog=store) as made:
            await scene(made)

    asyncio.run(play())


async def keep(d: Desk, stream: Stream, times: int = 1) -> None:
    """Have bundles of 12 kB committed."""
    for _ in range(times):
        d.offer(stream, 9, text=TEXT)
        await d.until(lambda: d.health.in_memory() == 0)


def lost(d: Desk) -> dict[str, tuple[int, int, str]]:
    """Return the loss ranges by stream."""
    return {loss.stream: (loss.first, loss.last, loss.reason) for loss in d.delivery.losses}


def test_a_full_store_gives_up_its_oldest_routine_rows_and_keeps_events_that_are_older() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.event)
        await keep(d, d.routine, 6)
        assert [row.klass for row in d.backlog.dropped] == ["routine"] * 3
        assert lost(d) == {"STREAMROUTINE": (0, 26, "full")}
        assert d.health.observations.dropped == 27
        assert d.delivery.keeper.state == "ok"
        assert d.health.level is Level.FULL

    run(scene)


def test_an_event_row_goes_only_when_there_is_no_routine_in_the_store_or_in_memory() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.event, 4)
        await keep(d, d.routine)
        assert lost(d) == {"STREAMROUTINE": (0, 8, "full")}
        d.offer(d.routine, 2)
        d.offer(d.event, 9, text=TEXT)
        await d.until(lambda: d.health.in_memory() == 0)
        assert lost(d)["STREAMROUTINE"] == (0, 10, "full")
        assert lost(d)["STREAMEVENT"] == (0, 8, "full")

    run(scene)


def test_a_row_dropped_while_it_is_on_its_way_stays_lost_though_it_is_acknowledged() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 4)
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 4)
        d.offer(d.event, 9, text=TEXT)
        await d.until(lambda: d.health.observations.dropped == 9)
        d.acknowledge()
        counted = d.health.observations
        assert (counted.delivered, counted.dropped) == (36, 9)  # three rows, and the events
        await d.until(lambda: d.backlog.bundles == 0)

    run(scene)


def test_what_is_acknowledged_while_rows_are_dropped_is_counted_once() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 4)
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 4)
        d.uplink.receive_maximum = 4
        d.delivery.on_up()
        dropping = d.backlog.gates["drop_oldest"] = asyncio.Event()
        d.offer(d.event, 9, text=TEXT)
        await d.until(lambda: d.backlog.calls["drop_oldest"] == 1)
        d.acknowledge()
        assert d.health.observations.delivered == 0, "not known yet which of them are dropped"
        dropping.set()
        await d.until(lambda: d.health.observations.delivered > 0)
        counted = d.health.observations
        assert (counted.delivered, counted.dropped) == (27, 9)

    run(scene)


def test_what_is_acknowledged_before_events_would_have_to_go_is_room_enough() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.event, 4)
        d.uplink.receive_maximum = 4
        d.connect()
        await d.until(lambda: len(d.uplink.outstanding) == 4)
        looking_for_routine = d.backlog.gates["drop_oldest"] = asyncio.Event()
        d.offer(d.event, 9, text=TEXT)
        await d.until(lambda: d.backlog.calls["drop_oldest"] == 1)
        d.acknowledge()
        looking_for_routine.set()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        counted = d.health.observations
        assert (counted.delivered, counted.dropped) == (45, 0)

    run(scene)


def test_a_medium_that_others_fill_costs_nothing_but_room_in_memory() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.broken = True
        d.offer(d.routine, 9, text=TEXT)
        d.offer(d.event, 9, text=TEXT)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        assert d.health.in_memory() == 18
        assert d.health.observations.dropped == 0

    run(scene, backlog=FullMedium(max_bytes=CAP))


def test_rows_are_not_given_up_for_nothing() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 40)
        d.backlog.broken = True
        d.offer(d.routine, 9, text=TEXT)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        dropped, tried = d.backlog.calls["drop_oldest"], d.backlog.calls["append"]
        await d.until(lambda: d.backlog.calls["append"] == tried + 2)
        assert d.backlog.calls["drop_oldest"] == dropped
        assert d.health.observations.dropped < 350
        d.backlog.broken = False
        await d.until(lambda: d.health.in_memory() == 0)

    run(scene, backlog=FullMedium(max_bytes=10_000_000))


def test_the_level_follows_the_store_up_and_down() -> None:
    async def scene(d: Desk) -> None:
        levels: list[Level] = []
        d.health.on_change = lambda: levels.append(d.health.level)
        await keep(d, d.routine, 4)
        assert levels == [Level.ELEVATED]
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert levels == [Level.ELEVATED, Level.NORMAL]

    run(scene)


def test_a_store_that_was_full_and_is_drained_is_normal_again() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 6)
        assert d.health.level is Level.FULL
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        await d.until(lambda: d.health.level.value == "normal")

    run(scene)


def test_a_medium_that_was_full_is_believed_to_be_for_a_minute() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.broken = True
        d.connect()
        d.offer(d.routine)
        await d.until(lambda: d.health.level is Level.FULL)
        d.acknowledge()
        d.clock.pass_s(61)
        d.delivery.keeper.order(d.backlog.losses)
        await d.until(lambda: d.health.level.value == "normal")

    run(scene, backlog=FullMedium(max_bytes=CAP))


def test_while_there_is_only_memory_the_level_is_that_of_memory() -> None:
    async def scene(d: Desk) -> None:
        levels: list[Level] = []
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.health.on_change = lambda: levels.append(d.health.level)
        d.offer(d.routine, 85, text=TEXT)
        assert levels == [Level.ELEVATED, Level.CRITICAL]
        d.backlog.failing = set()
        await d.until(lambda: d.health.in_memory() == 0)
        assert levels[-1] is Level.NORMAL

    run(scene, window(8, memory_bytes=100_000), backlog=TrialBacklog())


def test_a_failing_store_is_told_once_and_so_is_its_return() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.backlog.calls["append"] == 3)
        d.backlog.failing = set()
        await d.until(lambda: d.health.in_memory() == 0)
        told = [dict(notice.fields)["state"] for notice in d.notices if notice.kind == "store"]
        assert told == ["memory-only", "ok"]

    run(scene)


def test_a_store_that_was_quarantined_says_so() -> None:
    class Quarantined(TrialBacklog):
        @property
        def quarantined(self) -> str:
            return "backlog.db.corrupt-1"

        @property
        def is_whole(self) -> bool:
            return False

    async def scene(d: Desk) -> None:
        await d.until(lambda: bool(d.notices))
        assert d.delivery.keeper.state == "quarantined"
        told = dict(d.notices[0].fields)
        assert told["state"] == "quarantined"
        assert "backlog.db.corrupt-1; losses that were to be told" in str(told["cause"])

    run(scene, backlog=Quarantined())


def test_a_damaged_row_is_declared_and_the_others_are_delivered() -> None:
    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 3)
        d.backlog.medium.damaged.add(min(d.backlog.medium.rows) + 1)
        d.connect()
        await d.until(lambda: d.acknowledge() == 0 and d.backlog.bundles == 0)
        assert lost(d) == {"STREAMROUTINE": (9, 17, "damaged")}
        counted = d.health.observations
        assert (counted.delivered, counted.dropped) == (18, 9)
        assert {message.lane for message in d.uplink.sent} == {Lane.REPLAY}

    run(scene)


def test_events_in_memory_go_only_after_all_routine_even_if_it_is_on_its_way() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.connect()
        d.offer(d.routine, 1, text=TEXT)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        d.lose()
        d.offer(d.event, 17, text=TEXT)
        d.connect()
        d.offer(d.event, 20, text=TEXT)
        assert lost(d)["STREAMROUTINE"] == (0, 0, "store")

    limits = Limits(pace_ns=0, keep=KeepLimits(commit_after_ns=20_000_000, memory_bytes=20_000))
    run(scene, limits, backlog=TrialBacklog())


SCARCE: Final = "beside the store are less than 64000000 bytes free: store.keep_free"


class ScarceMedium(TrialBacklog):
    """A store that others leave little room: what is in it makes place for the new."""

    scarce = True

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        if self.scarce and self.bytes_used + sum(each.size for each in bundles) > CAP:
            raise BacklogFullError(SCARCE, "free space on the medium")
        return await super().append(bundles, counters)


def test_why_the_old_is_given_up_is_said_once_with_what_helps_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    backlog = ScarceMedium()  # far below its cap

    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 8)
        assert d.health.observations.dropped
        assert (d.health.store.cause, d.health.store.remedy) == (
            SCARCE,
            "free space on the medium",
        )
        backlog.scarce = False
        d.clock.now_ns += SHEDDING_NS
        d.offer(d.routine)
        await d.until(lambda: not d.health.store.cause)
        assert d.health.level is Level.NORMAL

    run(scene, backlog=backlog)
    lines = [
        each.getMessage() for each in caplog.records if "room" in each.msg or "old" in each.msg
    ]
    cause, end = lines
    assert SCARCE in cause
    assert "free space on the medium" in cause
    assert end == "store has room again"


def test_the_platform_is_told_why_old_observations_are_given_up_and_when_that_ends() -> None:
    backlog = ScarceMedium()

    async def scene(d: Desk) -> None:
        await keep(d, d.routine, 8)
        backlog.scarce = False
        d.clock.now_ns += SHEDDING_NS
        d.offer(d.routine)
        await d.until(lambda: not d.health.store.cause)
        told = [dict(notice.fields) for notice in d.notices if notice.kind == "store"]
        assert [each["state"] for each in told] == ["ok", "ok"]
        assert f"{SCARCE}: free space on the medium" in str(told[0]["cause"])
        assert told[1]["cause"] == "there is room again"

    run(scene, backlog=backlog)


def test_what_a_failing_store_failed_with_is_known_until_it_works() -> None:
    async def scene(d: Desk) -> None:
        d.backlog.failing = {"append"}
        d.offer(d.routine)
        await d.until(lambda: d.delivery.keeper.state == "memory-only")
        assert d.health.store.cause == "append: input/output error"
        d.backlog.failing = set()
        await d.until(lambda: d.health.in_memory() == 0)
        assert d.health.store.cause == ""

    run(scene)
