"""Waits grow by doubling, are spread over their whole length, and have an end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.backoff import delay_s


@given(attempt=st.integers(0, 10**9), chance=st.floats(0, 1, exclude_max=True))
def test_a_wait_is_a_share_of_the_doubled_first_and_never_above_the_most(
    attempt: int, chance: float
) -> None:
    longest = min(60.0, 2.0 ** min(attempt, 100))
    assert delay_s(attempt, chance, first_s=1.0, most_s=60.0) == chance * longest


def test_waits_double_until_the_most() -> None:
    waits = [delay_s(attempt, 0.5, first_s=0.2, most_s=1.0) for attempt in range(5)]
    assert waits == [0.1, 0.2, 0.4, 0.5, 0.5]
