"""The fuller the backlog, the less routine devices are asked; events are never held back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Limits
from gateway.model import Level
from tests.fakes import NS
from tests.pipeline.bench import NODE, PLAIN, SEALED, Bench, sealed

MINUTE_S = 60
HELD_BACK = [(Level.ELEVATED, 60), (Level.CRITICAL, 600), (Level.FULL, 600)]


def says(value: int) -> bytes:
    """Return a BTHome payload of a temperature."""
    return b"\x40\x02" + value.to_bytes(2, "little")


@pytest.mark.parametrize(("level", "interval_s"), HELD_BACK)
def test_a_routine_device_gives_one_observation_per_interval(
    level: Level, interval_s: int
) -> None:
    bench = Bench()
    bench.health.level = level
    for value in range(3 * interval_s + 1):
        bench.advertise(says(value))
        bench.clock.pass_s(1)
    assert [taken.results[0][1] for taken in bench.shelf.taken] == [
        0,
        interval_s,
        2 * interval_s,
        3 * interval_s,
    ]
    assert bench.health.frames.thinned == 3 * interval_s - 3


def test_events_are_never_thinned() -> None:
    bench = Bench()
    bench.health.level = Level.FULL
    for value in range(30):
        bench.receive(b"0067%04x" % value)
        bench.work()
    assert len(bench.shelf.taken) == 30
    assert bench.health.frames.thinned == 0


def test_what_is_thinned_takes_no_number_and_costs_the_device_nothing_of_its_rate() -> None:
    bench = Bench(Limits(burst=2, per_second=0))
    bench.health.level = Level.ELEVATED
    for value in range(100):
        bench.advertise(says(value))
    bench.clock.pass_s(MINUTE_S)
    bench.advertise(says(100))
    assert [(taken.seq, taken.results[0][1]) for taken in bench.shelf.taken] == [(0, 0), (1, 100)]
    assert bench.health.frames.limited == 0


@pytest.mark.parametrize("nothing", ["4002ca", "40", "60"], ids=["refused", "empty", "version"])
def test_a_frame_that_became_no_observation_spends_no_minute(nothing: str) -> None:
    bench = Bench()
    bench.health.level = Level.ELEVATED
    bench.advertise(nothing)
    bench.advertise("4002ca09")
    assert len(bench.shelf.taken) == 1
    assert bench.health.frames.thinned == 0


def test_a_repeat_stays_a_duplicate_and_a_thinned_frame_is_nobodys_copy() -> None:
    bench = Bench()
    bench.health.level = Level.ELEVATED
    bench.advertise(says(1))
    bench.advertise(says(1))
    bench.advertise(says(2))
    bench.advertise(says(2))
    bench.clock.pass_s(MINUTE_S)
    bench.advertise(says(3))
    assert (bench.health.frames.duplicate, bench.health.frames.thinned) == (1, 2)
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 2]


def test_what_waits_when_the_level_rises_or_an_observation_comes_is_thinned_too() -> None:
    bench = Bench()
    bench.advertise(says(1))
    bench.hear(PLAIN, ((0x16, 0xFCD2, says(2)),))
    bench.health.level = Level.ELEVATED
    bench.work()
    bench.advertise(says(2))  # the content that was thinned: a repeat, and no copy of value 1
    bench.clock.pass_s(MINUTE_S)
    bench.advertise(says(3))
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 1]
    assert bench.health.frames.thinned == 1


def test_a_level_that_falls_lets_the_next_frame_through() -> None:
    bench = Bench()
    bench.health.level = Level.FULL
    bench.advertise(says(1))
    bench.advertise(says(2))
    bench.health.level = Level.NORMAL
    bench.advertise(says(3))
    assert [taken.results[0][1] for taken in bench.shelf.taken] == [1, 3]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PLAIN, SEALED, NODE]),
            st.integers(0, 3),
            st.sampled_from([*Level]),
            st.sampled_from([0, 1, 30, 61, 601]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_whatever_the_level_does_intervals_are_kept_and_each_frame_ends_in_one_counter(
    heard: list[tuple[str, int, Level, int, bool]],
) -> None:
    bench = Bench(Limits(burst=5, per_second=1))
    for counter, (address, value, level, wait_s, work) in enumerate(heard):
        bench.clock.now_ns += wait_s * NS
        bench.health.level = level
        before = len(bench.shelf.taken)
        last = _last(bench, address)
        if address == NODE:
            bench.receive(b"0067%04x" % value)
        else:
            data = says(value) if address == PLAIN else sealed(counter)
            bench.hear(address, ((0x16, 0xFCD2, data),))
        if work:
            bench.work()
        interval_ns = dict(HELD_BACK).get(level, 0) * NS
        for taken in bench.shelf.taken[before:]:
            if taken.device == bench.plain.urn and address == PLAIN and last is not None:
                assert taken.heard_at_ns - last >= interval_ns
    bench.work()
    assert bench.health.frames.heard == len(heard)


def _last(bench: Bench, address: str) -> int | None:
    """Return when the device's last observation was heard."""
    device = next(d for d in (bench.plain, bench.sealed, bench.node) if d.address == address)
    times = [taken.heard_at_ns for taken in bench.shelf.taken if taken.device == device.urn]
    return times[-1] if times else None
