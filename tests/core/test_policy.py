"""The decisions of delivery, as docs/explanation/delivery.md states them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import policy

SECOND_NS = 1_000_000_000
FLIGHT = st.integers(0, 20)


def test_an_acknowledgement_may_take_what_the_bytes_need_on_the_slowest_link() -> None:
    deadline_ns = policy.acknowledgement_deadline_ns(7 * SECOND_NS, 10 * SECOND_NS, 16_000, 500)
    assert deadline_ns == (7 + 10 + 32) * SECOND_NS


@given(window=st.integers(1, 20), live=FLIGHT, replay=FLIGHT, waiting=st.integers(0, 3))
def test_replay_takes_free_slots_and_half_the_window_at_most_beside_live(
    window: int, live: int, replay: int, waiting: int
) -> None:
    slots = policy.replay_slots(window, live, replay, waiting)
    assert slots >= 0
    if slots:
        assert live + replay + slots <= window
        if live or waiting:
            assert replay + slots <= max(1, window // 2)


@given(window=st.integers(1, 20), replay=FLIGHT)
def test_replay_has_the_whole_window_while_live_is_quiet(window: int, replay: int) -> None:
    assert policy.replay_slots(window, 0, replay, 0) == max(0, window - replay)


def test_replay_keeps_one_slot_in_the_smallest_window() -> None:
    assert policy.replay_slots(1, 0, 0, 1) == 1


@pytest.mark.parametrize(("age_s", "lane"), [(0, "live"), (60, "live"), (60.001, "replay")])
def test_what_is_older_than_the_live_limit_travels_on_the_replay_lane(
    age_s: float, lane: str
) -> None:
    assert policy.lane(int(age_s * SECOND_NS), 60 * SECOND_NS) == lane


@given(reason_code=st.integers(0, 255))
def test_only_what_the_broker_has_is_settled(reason_code: int) -> None:
    verdict = policy.verdict(reason_code)
    if reason_code >= 0x80:
        assert verdict == policy.KEEP
    elif reason_code == 0x10:
        assert verdict == policy.SETTLE_UNHEARD
    else:
        assert verdict == policy.SETTLE


@pytest.mark.parametrize("same_boot", [True, False])
@pytest.mark.parametrize("synchronised_now", [True, False])
def test_time_is_as_sealed_or_reconstructed_in_its_own_boot_or_unknown(
    *, same_boot: bool, synchronised_now: bool
) -> None:
    def quality(sealed: str) -> str:
        return policy.time_quality(sealed, same_boot=same_boot, synchronised_now=synchronised_now)

    assert quality("exact") == "exact"
    assert quality("holdover") == "holdover"
    assert quality("") == ("reconstructed" if same_boot and synchronised_now else "unknown")


def test_the_next_bundle_that_is_not_full_waits_for_the_pace() -> None:
    assert policy.next_publish_ns(5 * SECOND_NS, 20_000_000) == 5_020_000_000
