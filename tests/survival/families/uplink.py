"""The way to the broker: away, slow, silent, refusing, misnamed, mistrusted, hostile."""

from typing import Final

from tests.survival.fault import Fault, Later

ACKNOWLEDGEMENTS: Final = "tests/mqtt/test_acknowledgements.py"
BROKER: Final = "tests/scenarios/test_broker.py"
CODES: Final = "tests/mqtt/test_reason_codes.py"
CONNECTION: Final = "tests/mqtt/test_connection.py"
DIAL: Final = "tests/mqtt/test_dial.py"
DIFFICULT: Final = "tests/scenarios/test_broker_codes.py"
GATE: Final = "tests/web/test_gate.py"
HERD: Final = "tests/uplink/test_herd.py"
INSIDE: Final = "tests/scenarios/test_broker_inside.py"
LONG: Final = "tests/sim/test_inside_long.py"
NAMES: Final = "tests/scenarios/test_names.py"
RELOAD: Final = "tests/scenarios/test_service.py"
SLOW: Final = "tests/scenarios/test_slow_link.py"
SPLIT: Final = "tests/delivery/test_refusals.py"
TLS: Final = "tests/mqtt/test_tls.py"
TLS_SCENES: Final = "tests/scenarios/test_tls.py"
UPLINK: Final = "tests/uplink/test_mqtt_uplink.py"
WEB: Final = "tests/web/test_server.py"


def _in(file: str, *names: str) -> tuple[str, ...]:
    """Return the node ids of tests in one file."""
    return tuple(f"{file}::{name}" for name in names)


FAULTS: tuple[Fault, ...] = (
    Fault(
        row=1,
        name="The broker is away for hours, days, two weeks",
        happens=(
            "Sensors are heard and kept. The gateway tries again after 1 to 60 s, at random "
            "(full jitter), about twice a minute; one line of log says why it cannot. When the "
            "broker is back, fresh observations go first, and what was kept follows on a topic "
            "of its own."
        ),
        lost="nothing, as long as the store has room (512 MB)",
        tests=_in(
            INSIDE,
            "test_days_without_a_broker_are_made_up_for_and_it_was_asked_for_about_twice_a_minute",
            "test_what_is_heard_while_hours_of_backlog_drain_over_a_slow_line_is_not_late",
        )
        + _in(
            BROKER,
            "test_a_broker_away_for_a_minute_costs_nothing_and_live_data_does_not_wait_for_late_"
            "data",
        )
        + _in(LONG, "test_a_day_without_a_broker_is_made_up_for_in_full"),
        scenario="broker-away",
        soak="make soak-long",
    ),
    Fault(
        row=2,
        name="The broker or the line is slow: 1 kB/s",
        happens=(
            "As much is on its way as a slow line carries in seconds: the window and the bundles "
            "halve with each acknowledgement that is late, and grow again. Memory stays bounded, "
            "the backlog drains, and what is fresh waits for one late bundle at most. A TLS "
            "handshake is given the time that such a line needs."
        ),
        lost="nothing",
        tests=_in(
            SLOW,
            "test_what_is_heard_while_a_backlog_drains_waits_for_one_late_bundle_at_most",
            "test_a_link_too_slow_for_large_bundles_makes_progress_with_small_ones",
        )
        + _in(
            INSIDE, "test_what_is_heard_while_hours_of_backlog_drain_over_a_slow_line_is_not_late"
        )
        + _in(TLS, "test_a_handshake_over_a_slow_line_is_waited_for"),
        scenario="bad-line",
    ),
    Fault(
        row=3,
        name="Half-open TCP: the broker freezes, or the network swallows everything",
        happens=(
            "The gateway gives the connection up 10 s after a message was sent that nobody has "
            "acknowledged (later by what was outstanding, at 500 B/s), and on a quiet connection "
            "after two keepalives, also where its own question is stuck behind a message. No row "
            "is deleted; all of it is sent again on the next connection."
        ),
        lost="nothing; the platform may see an observation twice, under the same key",
        tests=_in(BROKER, "test_a_frozen_broker_is_noticed_and_costs_nothing")
        + _in(
            INSIDE,
            "test_a_connection_that_is_half_open_is_noticed_within_its_deadline_and_loses_nothing",
            "test_a_quiet_connection_with_a_keepalive_of_hours_is_missed_by_its_status",
        )
        + _in(
            ACKNOWLEDGEMENTS,
            "test_a_broker_that_reads_no_more_is_missed_though_the_ping_is_stuck_behind_a_message",
            "test_a_broker_that_only_listens_is_missed_though_we_go_on_sending",
        )
        + _in(
            "tests/mqtt/test_severed.py",
            "test_a_connection_whose_network_has_gone_is_given_up_and_nothing_on_it_is_settled",
        )
        + _in(
            CONNECTION,
            "test_nobody_waits_for_a_black_hole_that_has_been_given_up",
            "test_nobody_waits_for_a_handshake_that_has_been_given_up",
        ),
        scenario="bad-line",
    ),
    Fault(
        row=4,
        name="Acknowledgements lost, late, double, out of order, of another message, cut in half",
        happens=(
            "A message is settled by the whole acknowledgement with its own number, and by "
            "nothing else. Without one the connection is given up and the message sent again, and "
            "the status with it; bytes that are no acknowledgement end the connection."
        ),
        lost="nothing; the platform may see an observation twice, under the same key",
        tests=_in(
            ACKNOWLEDGEMENTS,
            "test_an_acknowledgement_of_another_message_settles_nothing",
            "test_acknowledgements_in_any_order_settle_the_messages_they_name",
            "test_a_puback_cut_off_by_the_end_settles_nothing_until_it_is_whole",
            "test_a_broker_that_goes_with_half_of_a_message_read_has_acknowledged_nothing",
            "test_what_is_no_puback_ends_the_connection_and_settles_nothing",
            "test_a_puback_is_read_whatever_it_says_beside_its_code",
        )
        + _in(
            DIFFICULT,
            "test_acknowledgements_late_twice_and_of_nothing_cost_nothing",
            "test_acknowledgements_lost_or_for_another_message_end_the_connection_and_nothing_"
            "else",
        )
        + _in(
            INSIDE,
            "test_every_tenth_message_without_its_acknowledgement_costs_nothing",
            "test_an_acknowledgement_of_anything_else_that_is_lost_silences_nothing",
        ),
        scenario="difficult-broker",
    ),
    Fault(
        row=5,
        name="The broker refuses: every reason code of MQTT 5, and those it does not know",
        happens=(
            "Each code has its consequence: a payload or topic that will never be taken is set "
            "aside for inspection; what is too large is sent in parts; all else is kept and tried "
            "again with growing waits, and set aside after five refusals while others are taken. "
            "The refused bundle lets the others go first, an alarm names code and lane, and "
            "the log says every CONNACK and DISCONNECT by name, or by its number."
        ),
        lost="nothing; what is set aside is counted and can be read with "
        "`ugw backlog set-aside list`",
        tests=_in(
            CODES,
            "test_every_code_of_a_connack_but_success_is_a_refusal_and_told_by_name_or_number",
            "test_every_code_of_a_connack_of_3_1_1_but_success_is_a_refusal",
            "test_every_code_of_a_disconnect_ends_the_connection_and_settles_nothing",
            "test_every_code_of_a_suback_grants_or_is_an_error",
            "test_every_code_of_a_puback_reaches_whoever_waits_for_it",
            "test_every_code_of_a_puback_decides_as_it_was_designed_to",
            "test_whatever_the_code_the_bundle_ends_once_and_the_others_are_not_held_up",
        )
        + _in(
            INSIDE,
            "test_every_refusal_there_is_holds_up_nothing_and_only_what_is_hopeless_is_set_aside",
            "test_a_broker_that_ends_the_connection_with_every_code_there_is_loses_nothing",
        )
        + _in(SPLIT, "test_what_is_too_large_is_sent_in_parts_with_the_same_observations")
        + _in(
            DIFFICULT,
            "test_a_bundle_that_is_refused_for_what_it_is_is_set_aside_and_holds_up_nothing",
            "test_what_nobody_subscribes_to_counts_as_unheard",
        ),
        scenario="difficult-broker",
    ),
    Fault(
        row=6,
        name="DNS fails, is slow, answers wrongly; the address moves; a captive portal answers",
        happens=(
            "The name is asked for anew with every attempt, aside: nothing else waits for it. "
            "`ugw status` and the log tell a name that does not exist, a name server that fails "
            "and one that does not answer apart, and something that answers without MQTT. Of "
            "several addresses the first that answers is used; dead ones, IPv6 among them, cost a "
            "quarter of a second each. No address of old is used instead."
        ),
        lost="nothing",
        tests=_in(
            NAMES,
            "test_whatever_the_name_server_says_is_told_apart_and_everything_heard_is_kept",
            "test_while_a_name_server_does_not_answer_all_that_is_heard_is_kept_and_the_end_is_"
            "in_order",
            "test_a_broker_that_moves_is_found_where_it_is_now_and_dead_addresses_cost_moments",
        )
        + _in(
            DIAL,
            "test_addresses_that_lead_nowhere_hold_up_the_one_that_answers_by_moments_only",
            "test_the_families_take_turns",
            "test_one_that_takes_connections_and_is_no_broker_any_more_is_not_first_for_ever",
            "test_the_name_is_asked_for_with_every_attempt",
        )
        + _in(
            CONNECTION,
            "test_what_answers_with_something_else_is_told_at_once_though_it_stays_connected",
        ),
    ),
    Fault(
        row=7,
        name="The broker's certificate: expired, not yet valid, another host's, unknown, weak",
        happens=(
            "The gateway does not connect and says which of these it is and what helps; a clock "
            "that stands in 1970 makes every certificate one that is not valid yet. It goes on "
            "hearing and keeping, tries again with growing waits, and at once when a file "
            "changes. There is no switch that turns verification off, and nothing is ever sent "
            "in clear text instead."
        ),
        lost="nothing",
        tests=_in(
            TLS_SCENES,
            "test_whatever_is_wrong_with_the_brokers_certificate_is_named_while_collection_goes_on",
        )
        + _in(
            TLS,
            "test_a_certificate_that_does_not_hold_is_refused_with_its_fault",
            "test_a_broker_of_an_unknown_authority_is_refused",
            "test_a_broker_that_has_signed_its_own_certificate_is_refused_unless_it_is_named",
            "test_a_key_that_can_be_broken_is_refused_though_its_certificate_is_the_named_one",
            "test_a_port_without_tls_is_told_apart",
        )
        + _in(UPLINK, "test_a_broker_that_speaks_no_tls_is_never_spoken_to_in_clear"),
    ),
    Fault(
        row=7,
        name="The gateway's own certificate: expired, revoked, missing, of an unknown authority",
        happens=(
            "The broker refuses it; the gateway says with which reason, goes on hearing and "
            "keeping, and takes up a new certificate as soon as its file is there, without a "
            "restart. In the last three weeks of its own it warns once a day."
        ),
        lost="nothing",
        tests=_in(
            TLS_SCENES,
            "test_whatever_is_wrong_with_our_certificate_is_named_and_a_repair_is_taken_up_at_once",
            "test_a_gateway_whose_certificate_is_missing_or_revoked_says_so_and_keeps_all_it_hears",
            "test_a_renewal_costs_no_observation_and_no_alarm",
        )
        + _in(
            TLS,
            "test_what_the_broker_has_against_our_certificate_is_named",
            "test_under_tls_1_2_it_is_named_too",
        )
        + _in(
            "tests/uplink/test_certificates.py",
            "test_when_our_own_certificate_ends_is_known_and_said_once_a_day_in_the_last_three_"
            "weeks",
        ),
    ),
    Fault(
        row=24,
        name="A hostile broker: garbage, huge or endless packets, messages nobody asked for",
        happens=(
            "The gateway subscribes to nothing of its own broker and takes no command from it. "
            "What comes all the same, with whatever QoS, is answered and forgotten; a message of "
            "more than 64 kB passes unread. What is no MQTT ends the connection, and a CONNACK "
            "that trickles is given up after 15 s. Memory stays bounded, whatever is sent."
        ),
        lost="nothing",
        tests=_in(
            CONNECTION,
            "test_what_nobody_subscribed_to_is_forgotten_and_ends_nothing",
            "test_garbage_instead_of_mqtt_is_an_error_and_no_crash",
            "test_a_connack_that_trickles_is_not_waited_for",
        )
        + _in(
            "tests/mqtt/test_unasked.py",
            "test_it_is_answered_and_forgotten_and_our_messages_go_on",
            "test_one_that_is_larger_than_anything_we_would_keep_ends_nothing",
        )
        + _in(
            "tests/mqtt/test_packet_socket.py",
            "test_what_no_broker_sends_ends_the_connection_once",
            "test_a_message_too_large_to_be_kept_passes_and_what_comes_behind_it_is_read",
            "test_a_peer_that_asks_and_never_reads_is_given_up_before_the_answers_fill_the_memory",
            "test_whatever_a_broker_says_is_an_answer_or_an_error_and_never_a_crash",
        ),
        soak="make soak-fuzz",
    ),
    Fault(
        row=25,
        name="A configuration that is broken, half written, or changed under traffic",
        happens=(
            "A reload (SIGHUP) is checked as a whole before anything of it holds. A file with an "
            "error changes nothing: the gateway goes on with what it has, and every error is said "
            "with line and column. The store stays as it is."
        ),
        lost="nothing",
        tests=_in(
            RELOAD,
            "test_a_broken_file_changes_nothing_and_is_said_everywhere",
            "test_reloads_under_traffic_lose_nothing_and_make_no_gap",
            "test_another_way_to_the_broker_is_taken_under_traffic_and_nothing_is_lost",
        ),
    ),
    Fault(
        row=30,
        name="Thundering herd: three hundred gateways after a restart of their broker",
        happens=(
            "They come back spread over the first second, those that fail over two, four, up to "
            "sixty: after minutes about ten of three hundred ask in a second, never all at once, "
            "and none waits for longer than a minute. Each drains its backlog through its own "
            "window, live data first."
        ),
        lost="nothing",
        tests=_in(
            HERD,
            "test_they_are_spread_over_the_first_second_and_thin_out_from_then_on",
            "test_none_waits_for_longer_than_a_minute_and_none_asks_all_the_time",
            "test_when_the_broker_is_back_they_return_within_a_minute_and_never_many_in_one_second",
        )
        + _in(
            "tests/sim/test_fleet.py",
            "test_what_waits_while_the_broker_is_away_arrives_when_it_is_back",
        ),
        scenario="district",
        soak="make fleet",
    ),
    Fault(
        row=31,
        name="Abuse of the status page: slow requests, another site's name, names with markup",
        happens=(
            "The page only shows; nothing can be done with it. It answers to its own names alone "
            "(no DNS rebinding), to a token where it listens beyond the machine, and allows no "
            "other site to frame or read it. Whoever is slow or too many is cut off. What people, "
            "sensors and brokers call themselves is text on it, never markup."
        ),
        lost="nothing",
        tests=_in(
            WEB,
            "test_whoever_is_silent_or_trickles_is_cut_off",
            "test_a_connection_too_many_is_refused_and_room_is_made_by_one_that_ends",
            "test_a_head_that_does_not_end_is_refused",
        )
        + _in(
            GATE,
            "test_other_names_are_not",
            "test_a_request_without_one_host_is_refused",
            "test_nothing_can_be_done_but_looking",
            "test_no_answer_is_stored_framed_or_given_to_another_site",
            "test_without_the_token_nobody_is_answered_not_even_this_machine",
        )
        + _in(
            "tests/web/test_shown.py", "test_whatever_people_and_brokers_say_is_text_on_the_page"
        )
        + _in(
            "tests/web/test_turns.py",
            "test_between_two_long_answers_everything_else_has_its_turn",
        ),
    ),
)
LATER: tuple[Later, ...] = (
    Later(
        row=24,
        name="Hostile commands: unsigned, old, replayed, on the wrong topic",
        why="The gateway takes no commands over MQTT: it subscribes to nothing of its broker.",
    ),
    Later(
        row=25,
        name="Configuration pushed from afar: bad, half, downgraded, flapping",
        why="There is no push: configuration is a file, and a reload is checked as a whole.",
    ),
)
