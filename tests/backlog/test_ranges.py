"""Loss ranges stay few, and say too much rather than too little."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.backlog import ranges
from gateway.model import Loss
from tests.backlog.places import AT

LOSSES = st.lists(
    st.builds(
        lambda stream, first, length, reason: Loss(stream, first, first + length, reason, AT),
        st.sampled_from("st"),
        st.integers(0, 60),
        st.integers(0, 9),
        st.sampled_from(["full", "store"]),
    ),
    max_size=30,
)


def _numbers(losses: list[Loss]) -> set[tuple[str, str, int]]:
    return {(x.stream, x.reason, n) for x in losses for n in range(x.first, x.last + 1)}


@given(LOSSES)
def test_joined_ranges_hold_the_same_numbers_and_none_twice(losses: list[Loss]) -> None:
    joined = ranges.joined(losses)
    assert _numbers(joined) == _numbers(losses)
    assert sum(each.last - each.first + 1 for each in joined) == len(_numbers(losses))
    apart = sorted(joined, key=lambda each: (each.stream, each.reason, each.first))
    for a, b in itertools.pairwise(apart):
        assert (a.stream, a.reason) != (b.stream, b.reason) or a.last + 1 < b.first


def test_too_many_ranges_become_fewer_by_joining_the_nearest() -> None:
    near = [Loss("s", n * 3, n * 3, "full", AT) for n in range(3000)]
    far = [Loss("t", n * 9, n * 9, "full", AT) for n in range(ranges.MAX_LOSSES - 3000)]
    assert ranges.bounded(near + far) == near + far
    one_more = Loss("u", 0, 0, "full", AT)
    bounded = ranges.bounded([*near, *far, one_more])
    assert len(bounded) < ranges.MAX_LOSSES
    assert [each for each in bounded if each.stream == "t"] == far
    assert bounded[-1] == one_more
    assert _numbers(near) <= _numbers(bounded)
    lengths = {each.last - each.first for each in bounded if each.stream == "s"}
    assert max(lengths) > 0


def test_ranges_without_a_neighbour_stay_however_many_they_are() -> None:
    lonely = [Loss(f"stream {n}", 0, 9, "full", AT) for n in range(ranges.MAX_LOSSES + 5)]
    assert ranges.bounded(lonely) == lonely
