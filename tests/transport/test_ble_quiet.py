"""What silence is usual for an adapter: nobody takes a site of hourly sensors for a broken one."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.transport.ble.quiet import Quiet

S = 1_000_000_000
MINUTE, HOUR, DAY = 60, 3600, 86_400


def used_to(every_s: int, *, since_s: int = 0, times: int = 30) -> tuple[Quiet, int]:
    """Return what has heard something so often, and when it did last."""
    quiet = Quiet(10)
    quiet.listening(since_s * S)
    for number in range(1, times + 1):
        quiet.heard((since_s + number * every_s) * S)
    return quiet, since_s + times * every_s


def test_silence_is_unusual_three_times_as_long_as_the_longest_that_has_ended() -> None:
    quiet, last_s = used_to(10 * MINUTE)
    end_s = last_s + 30 * MINUTE
    assert quiet.unusual_since_ns(end_s * S - 1) is None
    assert quiet.unusual_since_ns((end_s + 5) * S) == end_s * S


def test_where_too_little_was_heard_no_silence_is_known_to_be_unusual() -> None:
    for times, unusual in ((0, False), (9, False), (10, True)):
        quiet, last_s = used_to(MINUTE, times=times)
        assert (quiet.unusual_since_ns((last_s + DAY) * S) is not None) == unusual


def test_a_silence_that_something_was_done_against_and_ended_soon_makes_little_usual() -> None:
    quiet, last_s = used_to(MINUTE)
    for _ in range(3):
        quiet.done((last_s + 270) * S)
        last_s += 270 + 80
        quiet.heard(last_s * S)
    assert quiet.unusual_since_ns((last_s + 3 * 80) * S) is not None


def test_one_that_went_on_in_spite_of_it_does() -> None:
    quiet, last_s = used_to(MINUTE)
    quiet.done((last_s + 270) * S)
    last_s += 10 * MINUTE
    quiet.heard(last_s * S)
    assert quiet.unusual_since_ns((last_s + 30 * MINUTE) * S - 1) is None
    assert quiet.unusual_since_ns((last_s + 30 * MINUTE) * S) is not None


def test_time_in_which_nobody_listened_is_no_silence() -> None:
    quiet, last_s = used_to(MINUTE)
    quiet.deaf()
    assert quiet.unusual_since_ns((last_s + DAY // 2) * S) is None
    again_s = last_s + DAY // 2
    quiet.listening(again_s * S)
    quiet.listening((again_s + MINUTE) * S)  # another scan of it
    quiet.heard((again_s + 2 * MINUTE) * S)
    assert quiet.unusual_since_ns((again_s + 8 * MINUTE) * S) is not None


def test_what_was_usual_the_day_before_yesterday_is_forgotten() -> None:
    quiet, _ = used_to(HOUR, times=20)
    for minute in range(20 * 60 + 1, 4 * 24 * 60):
        quiet.heard(minute * MINUTE * S)
    last_s = (4 * 24 * 60 - 1) * MINUTE
    assert quiet.unusual_since_ns((last_s + 3 * MINUTE) * S) is not None


@given(st.integers(2 * MINUTE, 12 * HOUR), st.integers(1, 15 * MINUTE))
def test_a_sensor_that_keeps_its_time_is_never_unusual_however_often_the_scan_is_restarted(
    every_s: int, restarted_s: int
) -> None:
    quiet = Quiet(10)
    quiet.listening(0)
    for number in range(80):
        last_s = number * every_s
        quiet.heard(last_s * S)
        for done_s in range(
            last_s + restarted_s, last_s + every_s, max(restarted_s, every_s // 7)
        ):
            assert quiet.unusual_since_ns(done_s * S) is None or number < 10
            quiet.done(done_s * S)
