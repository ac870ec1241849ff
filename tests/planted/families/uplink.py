"""Defects of the way to the broker, and which tests see them."""

from typing import Final

from tests.planted.defect import Defect

ACKNOWLEDGEMENTS: Final = "tests/mqtt/test_acknowledgements.py"
CODES: Final = "tests/mqtt/test_reason_codes.py"
CONNECTION: Final = "tests/mqtt/test_connection.py"
DELIVERY: Final = "tests/delivery/test_delivery.py"
DIAL: Final = "tests/mqtt/test_dial.py"
HERD: Final = "tests/uplink/test_herd.py"
INSIDE: Final = "tests/scenarios/test_broker_inside.py"
NAMES: Final = "tests/scenarios/test_names.py"
REFUSALS: Final = "tests/delivery/test_refusals.py"
TLS: Final = "tests/mqtt/test_tls.py"
UNASKED: Final = "tests/mqtt/test_unasked.py"
UPLINK: Final = "tests/uplink/test_mqtt_uplink.py"

ACKNOWLEDGED: Final = (
    Defect(
        name="takes a refusal for an acknowledgement",
        file="gateway/core/puback.py",
        before="    if reason_code < FAILURE:\n",
        after="    if reason_code < 2 * FAILURE:\n",
        red=(
            f"{CODES}::test_every_code_of_a_puback_decides_as_it_was_designed_to",
            (
                f"{INSIDE}::test_every_refusal_there_is_holds_up_nothing_and_only_what_is_hopeless_"
                "is_set_aside"
            ),
            (
                "tests/scenarios/test_broker.py::"
                "test_denied_on_both_lanes_everything_waits_in_the_store"
            ),
        ),
        like="Vector #12145",
    ),
    Defect(
        name="settles one message with the acknowledgement of another",
        file="gateway/mqtt.py",
        before="        waiting = self._outstanding.pop(packet_id, None)\n",
        after=(
            "        own = next(iter(self._outstanding), None)\n"
            "        waiting = self._outstanding.pop(own, None) if own else None\n"
        ),
        red=(
            f"{ACKNOWLEDGEMENTS}::test_an_acknowledgement_of_another_message_settles_nothing",
            (
                f"{ACKNOWLEDGEMENTS}::"
                "test_acknowledgements_in_any_order_settle_the_messages_they_name"
            ),
        ),
    ),
    Defect(
        name="takes the end of the connection for an acknowledgement",
        file="gateway/mqtt.py",
        before="            self._finish(done, Outcome(None, str(error), code))\n",
        after="            self._finish(done, _SUCCESS)\n",
        red=(
            (
                f"{ACKNOWLEDGEMENTS}::"
                "test_a_broker_that_goes_with_half_of_a_message_read_has_acknowledged_nothing"
            ),
            f"{CODES}::test_every_code_of_a_disconnect_ends_the_connection_and_settles_nothing",
        ),
        like="NanoMQ #2432",
    ),
    Defect(
        name="does not count what nobody has heard",
        file="gateway/sender.py",
        before="                self._health.observations.unheard += parcel.count\n",
        after="                pass\n",
        red=(
            f"{DELIVERY}::test_no_subscriber_settles_and_is_counted",
            (
                "tests/scenarios/test_broker_codes.py::"
                "test_what_nobody_subscribes_to_counts_as_unheard"
            ),
        ),
    ),
)

PATIENT: Final = (
    Defect(
        name="leaves it to the keepalive to miss an acknowledgement",
        file="gateway/sender.py",
        before="        if overdue:\n",
        after="        if overdue and not self._flights:\n",
        red=(
            f"{DELIVERY}::test_a_late_acknowledgement_ends_the_connection",
            (
                f"{INSIDE}::test_a_connection_that_is_half_open_is_noticed_within_its_deadline_"
                "and_loses_nothing"
            ),
        ),
    ),
    Defect(
        name="waits for the acknowledgement of its status for ever",
        file="gateway/uplink/said.py",
        before="        if overdue:\n",
        after="        if overdue and not self._due_ns:\n",
        red=(
            f"{INSIDE}::test_an_acknowledgement_of_anything_else_that_is_lost_silences_nothing",
            (
                "tests/uplink/test_said.py::"
                "test_a_message_that_nobody_acknowledges_ends_the_connection_after_a_minute"
            ),
        ),
    ),
    Defect(
        name="gives up over a status where link and broker are known to be slow",
        file="gateway/uplink/said.py",
        before="self._patience_ns(under_way) + MORE_NS",
        after="MORE_NS",
        red=(
            (
                "tests/uplink/test_said.py::"
                "test_what_is_said_is_given_more_time_than_an_observation_however_much_that_is"
            ),
        ),
    ),
    Defect(
        name="never asks whether the broker lives",
        file="gateway/mqtt.py",
        before="            self._paho.loop_misc()\n",
        after="            pass\n",
        red=(
            f"{CONNECTION}::test_a_broker_that_gives_no_sign_of_life_is_given_up",
            (
                "tests/mqtt/test_severed.py::"
                "test_a_connection_whose_network_has_gone_is_given_up_and_nothing_on_it_is_settled"
            ),
        ),
        like="MQTTnet #2259",
    ),
    Defect(
        name="comes back without jitter",
        file="gateway/core/backoff.py",
        before="    return chance * min(",
        after="    return 0.99 * min(",
        red=(
            f"{HERD}::test_they_are_spread_over_the_first_second_and_thin_out_from_then_on",
            (
                f"{HERD}::test_when_the_broker_is_back_they_return_within_a_minute_and_never_many_"
                "in_one_second"
            ),
        ),
    ),
    Defect(
        name="waits ever longer, without bound",
        file="gateway/core/backoff.py",
        before="min(most_s, first_s * (1 << doublings))",
        after="first_s * (1 << doublings)",
        red=(
            f"{HERD}::test_none_waits_for_longer_than_a_minute_and_none_asks_all_the_time",
            (
                f"{INSIDE}::test_days_without_a_broker_are_made_up_for_and_it_was_asked_for_about_"
                "twice_a_minute"
            ),
        ),
    ),
    Defect(
        name="begins its back-off anew after every connection, however short",
        file="gateway/uplink/patience.py",
        before="        if self._cut.is_set() or steady:\n",
        after="        if self._cut.is_set() or not steady or steady:\n",
        red=(f"{UPLINK}::test_connections_that_do_not_last_are_made_ever_more_slowly",),
    ),
)

LIMITS: Final = (
    Defect(
        name="sends what is too large again as it is",
        file="gateway/core/puback.py",
        before="        return SPLIT\n",
        after="        return KEEP\n",
        red=(
            f"{CODES}::test_every_code_of_a_puback_decides_as_it_was_designed_to",
            f"{REFUSALS}::test_what_is_too_large_is_sent_in_parts_with_the_same_observations",
        ),
    ),
    Defect(
        name="learns nothing from a broker that hangs up over large messages",
        file="gateway/sender.py",
        before="            self._suspect(largest)\n",
        after="            pass\n",
        red=(
            f"{REFUSALS}::test_a_broker_that_disconnects_over_a_packet_gets_the_largest_in_parts",
            (
                f"{REFUSALS}::test_one_observation_over_which_the_broker_disconnects_twice_is_"
                "set_aside"
            ),
            (
                "tests/scenarios/test_broker_codes.py::test_a_broker_that_hangs_up_over_large_"
                "messages_without_having_said_so_gets_small_ones"
            ),
        ),
    ),
    Defect(
        name="sends packets larger than the broker's Maximum Packet Size",
        file="gateway/mqtt.py",
        before="        if size > self._max_packet_bytes:\n",
        after="        if size > MAX_PACKET_BYTES:\n",
        red=(
            (
                f"{CONNECTION}::"
                "test_a_message_larger_than_the_broker_takes_is_not_sent_and_the_connection_stays"
            ),
        ),
    ),
    Defect(
        name="has more on the way than the broker's Receive Maximum",
        file="gateway/mqtt.py",
        before="        elif len(self._outstanding) >= self._receive_maximum:\n",
        after="        elif len(self._outstanding) >= RECEIVE_MAXIMUM:\n",
        red=(
            (
                f"{CONNECTION}::"
                "test_the_broker_never_holds_more_unacknowledged_than_its_receive_maximum"
            ),
        ),
    ),
    Defect(
        name="opens its window as if the broker had set no bound",
        file="gateway/throttle.py",
        before="        self.window = min(self._window, self._broker_window)\n",
        after="        self.window = self._window\n",
        red=(f"{DELIVERY}::test_never_more_in_flight_than_the_window_and_the_broker_allow",),
    ),
    Defect(
        name="holds up its lane with one refused bundle",
        file="gateway/lanes.py",
        before="    return _is_deferred(parcel), row, parcel.bundle.first_seq\n",
        after="    return False, row, parcel.bundle.first_seq\n",
        red=(
            f"{REFUSALS}::test_one_bundle_that_is_refused_does_not_hold_up_its_lane_at_window_1",
            f"{CODES}::test_whatever_the_code_the_bundle_ends_once_and_the_others_are_not_held_up",
        ),
    ),
    Defect(
        name="sends what is late before what is fresh",
        file="gateway/delivery.py",
        before="        while self._send_live() or self._send_replay():\n",
        after="        while self._send_replay() or self._send_live():\n",
        red=(
            f"{DELIVERY}::test_live_traffic_that_could_fill_the_window_leaves_replay_its_turn",
            (
                "tests/delivery/test_slow_links.py::"
                "test_what_was_committed_fresh_still_travels_live_before_the_backlog"
            ),
        ),
    ),
    Defect(
        name="answers a broker that only asks until memory is full",
        file="gateway/packet_socket.py",
        before="        if self._answers > _MAX_ANSWERS_BYTES:\n",
        after="        if not self._answers > -_MAX_ANSWERS_BYTES:\n",
        red=(
            (
                "tests/mqtt/test_packet_socket.py::test_a_peer_that_asks_and_never_reads_is_"
                "given_up_before_the_answers_fill_the_memory"
            ),
        ),
    ),
)

UNWANTED: Final = (
    Defect(
        name="keeps what a broker never releases",
        file="gateway/mqtt.py",
        before="        while unreleased:\n",
        after="        while len(unreleased) > 65_535:\n",
        red=(f"{UNASKED}::test_it_is_answered_and_forgotten_and_our_messages_go_on",),
    ),
    Defect(
        name="forgets a message with QoS 2 where somebody listens",
        file="gateway/mqtt.py",
        before="            self._paho._handle_on_message(message)",
        after="            del message",
        red=(f"{UNASKED}::test_who_listens_gets_it_once_also_with_more_qos_than_it_asked_for",),
    ),
    Defect(
        name="hangs up on a broker that subscribes its clients by itself, with QoS 2",
        file="gateway/packet_socket.py",
        before="frozenset(range(0x30, 0x40)) - {",
        after="frozenset(range(0x30, 0x40)) - {0x34, 0x35, 0x3C, 0x3D, ",
        red=(f"{UNASKED}::test_it_is_answered_and_forgotten_and_our_messages_go_on",),
    ),
    Defect(
        name="hangs up over a message that is too large to be kept",
        file="gateway/packet_socket.py",
        before="        if length > MAX_INCOMING_BYTES and head[0] in _PUBLISHES:\n",
        after="        if length > MAX_INCOMING_BYTES and head[0] not in _FIRST_BYTES:\n",
        red=(
            f"{UNASKED}::test_one_that_is_larger_than_anything_we_would_keep_ends_nothing",
            (
                "tests/mqtt/test_packet_socket.py::test_a_message_too_large_to_be_kept_passes_"
                "and_what_comes_behind_it_is_read"
            ),
        ),
    ),
)

TRUST: Final = (
    Defect(
        name="goes on in clear text where TLS fails",
        file="gateway/dial.py",
        before='        raise _tls_error(error, f"{host}:{port}") from error\n',
        after="        return await reach(addresses, timeout_s=timeout_s)\n",
        red=(
            f"{UPLINK}::test_a_broker_that_speaks_no_tls_is_never_spoken_to_in_clear",
            f"{TLS}::test_a_broker_of_an_unknown_authority_is_refused",
        ),
    ),
    Defect(
        name="verifies no certificate",
        file="gateway/dial.py",
        before="        context = ssl.create_default_context(cafile=tls.ca)\n",
        after=(
            "        context = ssl.create_default_context(cafile=tls.ca)\n"
            "        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE\n"
        ),
        red=(
            f"{TLS}::test_a_broker_of_an_unknown_authority_is_refused",
            (
                f"{TLS}::test_a_broker_that_has_signed_its_own_certificate_is_refused_unless_it_is_"
                "named"
            ),
            (
                f"{TLS}::test_a_key_that_can_be_broken_is_refused_though_its_certificate_is_the_"
                "named_one"
            ),
        ),
    ),
    Defect(
        name="takes any host's certificate",
        file="gateway/dial.py",
        before="        context = ssl.create_default_context(cafile=tls.ca)\n",
        after=(
            "        context = ssl.create_default_context(cafile=tls.ca)\n"
            "        context.check_hostname = False\n"
        ),
        red=(f"{TLS}::test_a_certificate_that_does_not_hold_is_refused_with_its_fault",),
    ),
    Defect(
        name="gives a handshake a third of its time",
        file="gateway/dial.py",
        before="        sock.settimeout(timeout_s)",
        after="        sock.settimeout(timeout_s / 3)",
        red=(f"{TLS}::test_a_handshake_over_a_slow_line_is_waited_for",),
    ),
    Defect(
        name="falls back to MQTT 3.1.1 after a timeout",
        file="gateway/uplink/mqtt.py",
        before="        except VersionRefusedError as error:\n",
        after="        except (VersionRefusedError, UplinkError) as error:\n",
        red=(f"{UPLINK}::test_silence_is_no_refusal_of_the_version",),
    ),
    Defect(
        name="forgets that MQTT 5 has worked there",
        file="gateway/uplink/mqtt.py",
        before="            if self._five_at == _where(settings):\n",
        after='            if self._five_at == "":\n',
        red=(f"{UPLINK}::test_where_version_5_has_worked_there_is_no_way_back",),
    ),
)

NAMED: Final = (
    Defect(
        name="asks the name server in the event loop",
        file="gateway/dial.py",
        before='            return await aside(lambda: resolve(host, port), name="dial")\n',
        after="            return resolve(host, port)\n",
        red=(
            f"{DIAL}::test_a_name_server_that_does_not_answer_is_named_and_the_loop_goes_on",
            (
                f"{NAMES}::test_while_a_name_server_does_not_answer_all_that_is_heard_is_kept_"
                "and_the_end_is_in_order"
            ),
        ),
    ),
    Defect(
        name="tries a host's addresses one after the other",
        file="gateway/reach.py",
        before="happy_eyeballs_delay=STAGGER_S, ",
        after="",
        red=(
            (
                f"{DIAL}::test_addresses_that_lead_nowhere_hold_up_the_one_that_answers_by_moments_"
                "only"
            ),
        ),
    ),
    Defect(
        name="takes the same of several addresses first for ever",
        file="gateway/reach.py",
        before="    random.shuffle(found)\n",
        after="    random.shuffle([])\n",
        red=(
            (
                f"{DIAL}::test_one_that_takes_connections_and_is_no_broker_any_more_is_not_"
                "first_for_ever"
            ),
        ),
    ),
    Defect(
        name="tries all addresses of one family first",
        file="gateway/reach.py",
        before="interleave=1",
        after="interleave=0",
        red=(f"{DIAL}::test_the_families_take_turns",),
    ),
    Defect(
        name="keeps a connection that it was given up on in the same moment",
        file="gateway/reach.py",
        before="            if task and task.cancelling() > asked:\n",
        after="            if not task:\n",
        red=(f"{DIAL}::test_given_up_at_any_moment_it_ends_as_given_up_and_leaves_no_socket",),
    ),
    Defect(
        name="leaves a handshake open that nobody waits for",
        file="gateway/dial.py",
        before=', name="dial", unwanted=socket.socket.close)\n',
        after=', name="dial")\n',
        red=(f"{DIAL}::test_a_handshake_that_comes_about_after_it_was_given_up_is_closed",),
    ),
)

DEFECTS: tuple[Defect, ...] = (*ACKNOWLEDGED, *PATIENT, *LIMITS, *UNWANTED, *TRUST, *NAMED)
