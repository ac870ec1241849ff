"""Time: clocks that are wrong, machines that sleep, and years without anybody who looks."""

from typing import Final

from tests.survival.fault import Fault

BUNDLE: Final = "tests/delivery/test_bundle.py"
DESCRIPTORS: Final = "tests/scenarios/test_descriptors.py"
FLATNESS: Final = "tests/soak/test_flatness.py"
INSIDE: Final = "tests/sim/test_inside_time.py"
SCENES: Final = "tests/scenarios/test_time.py"
TLS: Final = "tests/scenarios/test_tls.py"
YEARS: Final = "tests/scenarios/test_years.py"

CLOCKS: Final = (
    Fault(
        row=8,
        name="The clock steps by ten years, forward or back",
        happens=(
            "Nothing but the times depends on the wall clock: no connection is made anew, nothing "
            "expires, nothing is written early. The step is told as an event. What was heard "
            "before it and after it each has the time that the clock was vouched to show then."
        ),
        lost="nothing",
        tests=(
            f"{INSIDE}::test_a_step_of_ten_years_changes_nothing_but_the_times",
            f"{BUNDLE}::test_what_was_heard_before_and_after_a_step_never_shares_a_bundle",
            "tests/test_clock_watch.py::test_a_step_is_told_once_with_its_direction",
        ),
        scenario="wrong-time",
        soak="make soak-long",
    ),
    Fault(
        row=8,
        name="The gateway starts in 1970, and learns the time late",
        happens=(
            "Until something vouches for the clock, observations carry boot and uptime instead of "
            "a time. When the time is known, what still waits is dated and says that it was "
            "reconstructed; what was sent already can be dated by the status."
        ),
        lost="nothing",
        tests=(
            f"{SCENES}::test_started_in_1970_it_tells_no_time_until_it_is_known_and_then_the_right_one",
            f"{BUNDLE}::test_what_was_heard_before_the_clock_was_set_is_reconstructed_in_the_same_boot",
        ),
        scenario="wrong-time",
    ),
    Fault(
        row=8,
        name="A boot in 1970 ends before the time is known",
        happens=(
            "What it heard is never given a time that would be a guess. It arrives with boot and "
            "uptime, in the order in which it was heard, however many such boots there were."
        ),
        lost="nothing but the times, which nobody knows",
        tests=(
            f"{INSIDE}::test_what_two_boots_in_1970_heard_keeps_its_order_and_the_third_is_dated",
            f"{SCENES}::test_what_another_boot_could_not_date_stays_undated_and_keeps_its_order",
        ),
    ),
    Fault(
        row=8,
        name="The store of a gateway is new, and its clock shows 1970",
        happens=(
            "Session numbers begin with the clock's time, so they would lie below those of the "
            "gateway that this one replaces, and a platform would take its statuses for late "
            "ones. As soon as the time is known the numbers are raised, once, and the connection "
            "is made anew."
        ),
        lost="nothing",
        tests=(
            f"{INSIDE}::test_a_store_made_in_1970_numbers_sessions_above_those_of_a_gateway_it_replaces",
            f"{INSIDE}::test_a_new_store_whose_clock_is_right_keeps_its_connection",
            "tests/backlog/test_contract.py::test_session_numbers_are_raised_and_never_lowered",
        ),
    ),
    Fault(
        row=8,
        name="A leap second, and a clock that drifts",
        happens=(
            "A second that is stepped or smeared is followed, and is no event. A clock that "
            "nothing keeps right any more is not believed: times go on from when it last was "
            "right, and say that they are held over."
        ),
        lost="nothing",
        tests=(
            f"{INSIDE}::test_a_leap_second_is_no_event_and_dates_what_comes_after",
            "tests/test_clock.py::test_in_holdover_boot_time_goes_on_counting_whoever_sets_the_clock",
        ),
        scenario="wrong-time",
    ),
    Fault(
        row=8,
        name="The machine was suspended",
        happens=(
            "Hours pass while nothing runs. Afterwards there is one new connection, no sensor is "
            "called silent for the time in which nobody listened, and no more is sent than in "
            "any other five minutes."
        ),
        lost="nothing that was heard",
        tests=(
            f"{INSIDE}::test_a_machine_that_was_asleep_accuses_nobody_and_loses_nothing",
            "tests/test_clock.py::test_suspend_moves_both_clocks_and_nothing_else",
        ),
    ),
)

YEARS_LONG: Final = (
    Fault(
        row=26,
        name="The gateway runs for years: does it leak?",
        happens=(
            "In half an hour of a real gateway whose broker, adapter, modem and bluetoothd come "
            "and go, which is reloaded and looked at, memory, open files and threads stay as "
            "they are; what grows would be named with its line. After 400 simulated days in one "
            "run it holds what it held after 40."
        ),
        lost="nothing",
        tests=(
            f"{YEARS}::test_hundreds_of_connections_leave_nothing_behind",
            f"{DESCRIPTORS}::test_connections_leave_no_descriptor_open",
            f"{FLATNESS}::test_a_few_kilobytes_a_round_are_seen_and_their_line_is_named",
            f"{FLATNESS}::test_one_descriptor_more_is_seen_and_its_kind_is_named",
        ),
        soak="make soak-agent",
    ),
    Fault(
        row=32,
        name="400 days of outages, power cuts, full cards and wrong clocks",
        happens=(
            "Each number that was ever given to an observation has arrived or was declared lost, "
            "and both laws of the counters balance in every status there was. The long run takes "
            "minutes; a short one is part of every test."
        ),
        lost="nothing that the broker's absence or a full card did not cost, and that is declared",
        tests=(
            f"{YEARS}::test_days_with_ends_and_starts_and_outages_are_accounted_for_to_the_last_number",
        ),
        soak="make soak-long",
    ),
    Fault(
        row=32,
        name="Away for longer than the certificates hold",
        happens=(
            "The gateway goes on collecting, whoever's certificate has expired; the log and the "
            "page say whose. It never goes on without checking. A new certificate is taken up "
            "as soon as its file is there, and all that was kept is delivered."
        ),
        lost="nothing, as long as the store has room",
        tests=(
            f"{SCENES}::test_away_for_longer_than_certificates_hold_it_collects_and_is_back_when_they_are_renewed",
            f"{TLS}::test_whatever_is_wrong_with_our_certificate_is_named_and_a_repair_is_taken_up_at_once",
        ),
    ),
    Fault(
        row=32,
        name="Counters and numbers come to the end of their bits",
        happens=(
            "A sensor's packet number begins anew after 255 or 65,535, and nothing is taken for a "
            "repeat. The gateway's own numbers and its uptime have no end: not after 24.8 or 49.7 "
            "days, and not after 2 to the power of 31, 32 or 53."
        ),
        lost="nothing",
        tests=(
            f"{INSIDE}::test_counters_of_sensors_that_begin_anew_lose_nothing",
            f"{INSIDE}::test_numbers_go_on_beyond_any_number_of_bits",
            "tests/esp32/test_clock.py::test_uptime_goes_on_where_the_ticks_wrap",
        ),
    ),
)

FAULTS: tuple[Fault, ...] = (*CLOCKS, *YEARS_LONG)
