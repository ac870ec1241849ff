"""The decisions of delivery, as docs/explanation/delivery.md states them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import narrowing, policy, puback

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


@given(reason_code=st.integers(0, 255), demanding=st.booleans())
def test_only_what_the_broker_has_is_settled(*, reason_code: int, demanding: bool) -> None:
    verdict = puback.verdict(reason_code, require_subscriber=demanding)
    settles = verdict in {puback.SETTLE, puback.SETTLE_UNHEARD}
    assert settles == (reason_code < 0x80 and not (demanding and reason_code == 0x10))


@pytest.mark.parametrize(
    ("reason_code", "verdict"),
    [
        (0x00, puback.SETTLE),
        (0x10, puback.SETTLE_UNHEARD),
        (0x80, puback.KEEP),
        (0x83, puback.KEEP),
        (0x87, puback.KEEP),
        (0x90, puback.SET_ASIDE),
        (0x91, puback.KEEP),
        (0x95, puback.SPLIT),
        (0x97, puback.KEEP),
        (0x99, puback.SET_ASIDE),
    ],
)
def test_each_reason_code_has_its_verdict(reason_code: int, verdict: str) -> None:
    assert puback.verdict(reason_code, require_subscriber=False) == verdict


def test_what_nobody_subscribes_to_is_kept_where_a_subscriber_is_required() -> None:
    assert puback.verdict(0x10, require_subscriber=True) == puback.KEEP


@pytest.mark.parametrize(
    ("refusals", "others", "hopeless"), [(4, 9, False), (5, 0, False), (5, 1, True)]
)
def test_five_refusals_condemn_a_bundle_if_others_were_taken_meanwhile(
    *, refusals: int, others: int, hopeless: bool
) -> None:
    assert puback.is_hopeless(refusals, others) is hopeless


@pytest.mark.parametrize(
    ("percent", "before", "level"),
    [
        (49, "normal", "normal"),
        (50, "normal", "elevated"),
        (45, "elevated", "elevated"),
        (44, "elevated", "normal"),
        (90, "elevated", "critical"),
        (85, "critical", "critical"),
        (84, "critical", "elevated"),
        (100, "critical", "full"),
        (95, "full", "full"),
        (94, "full", "critical"),
        (44, "full", "normal"),
        (99, "normal", "critical"),
    ],
)
def test_a_level_is_left_lower_than_it_is_entered(percent: int, before: str, level: str) -> None:
    assert policy.level(percent, 100, before, refused=False) == level


@given(used=st.integers(0, 100), before=st.sampled_from(["normal", "elevated", "full"]))
def test_who_was_refused_for_want_of_room_is_full(used: int, before: str) -> None:
    assert policy.level(used, 100, before, refused=True) == "full"


@pytest.mark.parametrize(
    ("level", "seconds"), [("normal", 0), ("elevated", 60), ("critical", 600), ("full", 600)]
)
def test_the_fuller_the_rarer_a_routine_device_is_let_in(level: str, seconds: int) -> None:
    assert policy.thinning_ns(level) == seconds * SECOND_NS


@given(window=st.integers(1, 1000), target=st.integers(2_000, 16_384))
def test_a_slow_link_narrows_to_one_small_bundle_and_widens_back(window: int, target: int) -> None:
    now = window, target
    for _ in range(12):
        now = narrowing.narrowed(*now)
    assert now == (1, 2_000)
    for _ in range(1000):
        now = narrowing.widened(*now, window, target)
    assert now == (window, target)


def test_who_found_a_packet_too_large_is_sent_half_of_it_next_time() -> None:
    assert narrowing.learned_limit(12_000) == 6_000
    assert narrowing.learned_limit(3_000) == 2_000


@pytest.mark.parametrize("same_boot", [True, False])
@pytest.mark.parametrize("synchronised_since", [True, False])
def test_time_is_as_sealed_or_reconstructed_in_its_own_boot_or_unknown(
    *, same_boot: bool, synchronised_since: bool
) -> None:
    def quality(sealed: str) -> str:
        return policy.time_quality(
            sealed, same_boot=same_boot, synchronised_since=synchronised_since
        )

    assert quality("exact") == "exact"
    assert quality("holdover") == "holdover"
    assert quality("") == ("reconstructed" if same_boot and synchronised_since else "unknown")


def test_the_next_bundle_that_is_not_full_waits_for_the_pace() -> None:
    assert policy.next_publish_ns(5 * SECOND_NS, 20_000_000) == 5_020_000_000
