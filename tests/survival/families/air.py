"""Faults of radios, of what hangs on a wire, and of what strangers send."""

from tests.survival.fault import Fault

HARDWARE = "tests/scenarios/test_hardware.py"
BAD_AIR = "tests/scenarios/test_bad_air.py"
WEDGE = "tests/scenarios/test_wedge.py"
TALKER = "tests/scenarios/test_one_talks_too_much.py"
LORAWAN = "tests/scenarios/test_lorawan.py"
MODEMS = "tests/scenarios/test_modems.py"
SERIAL = "tests/transport/test_serial.py"
SERIAL_MODEMS = "tests/transport/test_serial_modems.py"
LINE = "tests/transport/test_serial_flood.py"
BLE = "tests/transport/test_ble.py"
BLE_FAULTS = "tests/transport/test_ble_faults.py"
RECOVERY = "tests/transport/test_ble_recovery.py"
LADDER = "tests/transport/test_ble_ladder.py"
KILLED = "tests/transport/test_ble_killed.py"
STRANGERS = "tests/transport/test_ble_strangers.py"
PIPELINE = "tests/pipeline/test_pipeline.py"
UPLINKS = "tests/pipeline/test_uplinks.py"
DRIVERS = "tests/drivers/test_modems.py"

_WHILE_DEAF = "Nothing the gateway heard; what is sent while it cannot hear, nobody has."

_WIRES: tuple[Fault, ...] = (
    Fault(
        row=16,
        name="A USB modem is pulled and comes back as another tty",
        happens="The gateway closes the port at once, so that its name is free again, says that it"
        " was unplugged, and opens it by its stable name under /dev/serial/by-id as soon as it is"
        " back, whatever number it has then. Half a packet from before is not put together with"
        " what comes after. Bluetooth goes on meanwhile.",
        lost=_WHILE_DEAF,
        tests=(
            f"{HARDWARE}::test_a_modem_that_is_replugged_under_another_name_is_found_again",
            f"{LINE}::test_a_pulled_port_is_let_go_of_at_once_so_that_its_name_is_free",
            f"{SERIAL}::test_a_replug_that_nobody_could_see_is_noticed_too",
            f"{SERIAL}::test_half_a_packet_of_the_last_opening_spoils_no_packet_of_the_next",
            f"{SERIAL}::test_a_modem_that_is_plugged_in_later_is_found",
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=17,
        name="Noise, half packets and flipped bits on the serial line",
        happens="Each modem's driver finds the beginning of the next whole packet by itself,"
        " after any bytes, any packet that was cut short and any flipped bit, and counts what was"
        " none. A packet that stops halfway is given up after a second of silence.",
        lost="Packets that the line has damaged, counted as garbage_bytes and bad_frames.",
        tests=(
            f"{HARDWARE}::test_garbage_on_the_line_costs_no_packet_that_comes_whole",
            f"{DRIVERS}::test_a_modem_driver_keeps_its_promise",
            f"{MODEMS}::test_a_modem_is_set_up_heard_and_mended",
            f"{SERIAL}::test_after_any_garbage_it_hears_again",
            f"{SERIAL}::test_a_packet_that_stops_halfway_is_given_up_and_the_next_one_heard",
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=17,
        name="Ten megabytes on the serial line without an end",
        happens="They are counted. The gateway holds no more than one packet of any modem, and"
        " hears the next one that is whole.",
        lost="Nothing.",
        tests=(
            f"{LINE}::test_ten_megabytes_without_an_end_are_counted_and_take_no_memory",
            f"{SERIAL}::test_a_flood_is_taken_whole_and_others_have_their_turn",
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=17,
        name="A wrong baud rate, and bytes the kernel loses",
        happens="A modem that does not answer is asked at its other baud rates too, and the status"
        " says which one to configure. Overruns, framing and parity errors that the kernel has"
        " counted since the port was opened stand in the gateway's counters.",
        lost="What was damaged or overrun, counted as damaged_bytes and kernel_overruns.",
        tests=(
            f"{SERIAL_MODEMS}::test_a_modem_at_another_baud_rate_is_found_and_the_rate_said",
            f"{SERIAL_MODEMS}::test_bytes_at_another_speed_are_not_understood_either_way",
            f"{LINE}::test_what_the_kernel_loses_and_damages_is_counted_from_the_opening_on",
            f"{SERIAL}::test_what_the_kernel_lost_is_read_from_its_counters",
        ),
        scenario="radio-trouble",
    ),
)
_BLUETOOTH: tuple[Fault, ...] = (
    Fault(
        row=18,
        name="Bluetooth is wedged: every command succeeds, and nothing is heard",
        happens="After 90 seconds of silence the scan is started anew; where that does not help,"
        " the adapter is switched off and on after some four minutes, and after some ten"
        " bluetoothd is restarted, where the site's polkit permits it. Each is bounded: every"
        " quarter of an hour and every hour at most, and ever more seldom where it brings nothing."
        " A step that is not permitted is told once, with the remedy. The status, an event and the"
        " log say all the while what is wrong, and LoRa goes on. Where sensors speak seldom"
        " the adapter is left alone for longer: a silence counts once it lasts three times as long"
        " as any of today and yesterday, and none does while too few were heard to know. While a"
        " device is connected through the adapter its power is left alone. If the agent is killed"
        " in the second without power, its next start switches the adapter on; what somebody else"
        " has switched off stays off.",
        lost=_WHILE_DEAF,
        tests=(
            f"{WEDGE}::test_a_wedge_is_mended_by_the_least_that_mends_it",
            (
                f"{WEDGE}::test_a_wedge_that_nobody_mends_is_told_and_tried_for_hours_without_wearing"
                "_anything_out"
            ),
            (
                f"{WEDGE}::test_an_adapter_that_wedges_again_and_again_is_not_cycled_more_than_every_"
                "quarter_hour"
            ),
            f"{WEDGE}::test_where_no_sensor_was_ever_heard_nobody_takes_silence_for_a_wedge",
            (
                f"{WEDGE}::test_nobody_takes_the_usual_silence_of_sensors_that_speak_seldom_for_a"
                "_wedge"
            ),
            f"{WEDGE}::test_a_wedge_where_sensors_speak_seldom_is_mended_when_they_are_missed",
            f"{RECOVERY}::test_what_only_power_mends_is_mended_without_the_service",
            (
                f"{RECOVERY}::test_what_only_a_restart_of_the_service_mends_is_mended_where_it_is"
                "_permitted"
            ),
            (
                f"{RECOVERY}::test_where_the_restart_is_not_permitted_that_is_told_once_with_the"
                "_remedy"
            ),
            f"{RECOVERY}::test_an_adapter_through_which_somebody_is_connected_keeps_its_power",
            f"{RECOVERY}::test_an_adapter_is_never_left_without_power",
            (
                f"{KILLED}::test_the_next_run_switches_on_what_a_killed_one_has_left_off_and_what_a"
                "_person_has_never"
            ),
            (
                f"{RECOVERY}::test_nothing_is_finished_where_power_may_not_be_touched_nor_on_another"
                "_adapter"
            ),
            f"{LADDER}::test_no_rung_is_the_last_one_forever",
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=18,
        name="bluetoothd refuses each scan, answers nothing, or has crashed",
        happens="A start that is refused or not answered is given up and tried again, and said"
        " with its cause. If it stays so, the same steps are taken. A bluetoothd that has crashed"
        " is started again; one that somebody has stopped stays stopped.",
        lost=_WHILE_DEAF,
        tests=(
            f"{BLE_FAULTS}::test_a_start_that_bluez_refuses_is_tried_again",
            f"{BLE_FAULTS}::test_a_start_that_bluez_never_answers_is_given_up_and_tried_again",
            (
                f"{BLE_FAULTS}::test_a_session_that_a_failed_start_left_in_bluez_is_not_in_the_way"
                "_for_ever"
            ),
            f"{RECOVERY}::test_a_bluetoothd_that_answers_nothing_is_restarted_by_systemd",
            (
                f"{RECOVERY}::test_a_bluetoothd_that_has_crashed_is_started_and_one_that_was_stopped"
                "_is_not"
            ),
            (
                f"{HARDWARE}::test_whatever_ends_the_scan_is_told_mended_and_costs_only_what_nobody"
                "_could_hear"
            ),
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=19,
        name="The Bluetooth adapter is pulled, numbered anew, replaced, or switched off",
        happens="The gateway says that it has no adapter, or that it has no power (rfkill), and"
        " with what it comes back. It follows an adapter by its address when Linux gives it"
        " another number, and takes a new one under the configured name for its replacement. Of"
        " two adapters the other one goes on, and so does LoRa.",
        lost=_WHILE_DEAF,
        tests=(
            f"{BLE_FAULTS}::test_it_hears_again_after",
            f"{BLE_FAULTS}::test_two_adapters_share_the_fate_of_bluetoothd_and_not_each_others",
            f"{BLE_FAULTS}::test_an_adapter_that_is_stuck_does_not_silence_the_other_for_long",
            (
                f"{HARDWARE}::test_whatever_ends_the_scan_is_told_mended_and_costs_only_what_nobody"
                "_could_hear"
            ),
        ),
        scenario="radio-trouble",
    ),
)
_STRANGERS: tuple[Fault, ...] = (
    Fault(
        row=20,
        name="A street full of strangers, each phone with a new address every few minutes",
        happens="A stranger is counted and forgotten before anything of it is looked at. Not a"
        " byte of it stays in the gateway, BlueZ is asked nothing because of it, and above 5,000"
        " devices in BlueZ's own list the gateway has BlueZ forget strangers, and nobody else."
        " `python -m tests.benchmarks --only strangers` measures 100,000 of them.",
        lost="Nothing.",
        tests=(
            f"{STRANGERS}::test_nothing_is_kept_of_any_stranger_not_even_a_byte",
            f"{STRANGERS}::test_what_a_stranger_says_is_not_even_looked_at",
            f"{STRANGERS}::test_bluez_is_asked_nothing_because_of_a_stranger",
            (
                f"{STRANGERS}"
                "::test_a_bluez_that_does_not_answer_is_not_waited_for_stranger_by_stranger"
            ),
            f"{BLE}::test_nothing_of_an_unlisted_device_is_kept_or_logged",
            f"{BLE}::test_above_the_limit_bluez_and_bleak_forget_strangers_and_nobody_else",
            f"{BAD_AIR}::test_a_flood_is_counted_and_costs_no_other_sensor_a_frame",
        ),
        scenario="crowd",
    ),
    Fault(
        row=21,
        name="Malformed advertisements and packets in the name of a listed sensor",
        happens="Every example of a driver, cut off at every byte and with every bit flipped, is"
        " decoded or refused by a reason that is counted (truncated, bad_length, bad_mic and"
        " others). Nothing of it ends the agent or holds up another sensor.",
        lost="Nothing that was a measurement; each refusal is counted by its reason.",
        tests=(
            (
                f"{BAD_AIR}::test_nonsense_from_listed_devices_is_counted_and_costs_no_other_sensor_a"
                "_frame"
            ),
            "tests/drivers/test_examples.py::test_a_driver_keeps_its_promise",
            f"{PIPELINE}::test_whatever_is_heard_every_frame_ends_in_one_counter",
        ),
        scenario="radio-trouble",
    ),
    Fault(
        row=22,
        name="Somebody sends in the name of a listed sensor",
        happens="Where a key is configured, a frame in clear is refused as not_encrypted, one"
        " under another key as bad_mic, and neither moves the sensor's counter nor uses up its"
        " rate. Without a key an advertisement cannot be told from the sensor's own: values"
        " outside what a property can have are kept and marked implausible, and the rate is"
        " bounded for each sensor.",
        lost="Nothing of the sensor's own.",
        tests=(
            f"{PIPELINE}::test_clear_text_from_a_device_with_a_key_is_refused",
            f"{PIPELINE}::test_a_forged_frame_neither_passes_nor_moves_the_counter",
            f"{PIPELINE}::test_forged_frames_take_nothing_of_a_device_s_rate",
            f"{PIPELINE}::test_an_encrypted_frame_without_a_key_is_refused",
            f"{PIPELINE}::test_an_implausible_value_is_kept_and_marked",
            "tests/test_crypto.py::test_another_key_is_a_bad_mic",
        ),
    ),
    Fault(
        row=23,
        name="LoRa frames recorded and played again, twice, late, or after a restart",
        happens="A frame proves first that it is the node's own, then that it is new; only then"
        " the counter moves, and it is stored with what it belongs to. A recording is refused as"
        " replayed, also after a restart of the agent; the copy by a second gateway counts as a"
        " copy. A node that began anew is heard, and what it says is flagged replay_possible until"
        " it says what it never said. After an unclean end of the agent the first frame is flagged"
        " too.",
        lost="Nothing; a frame that comes late, behind a later one of its node, is refused and"
        " counted as replayed.",
        tests=(
            f"{LORAWAN}::test_a_recording_is_refused_after_a_restart_too",
            f"{UPLINKS}::test_a_mic_that_does_not_fit_is_refused_and_moves_nothing",
            (
                f"{UPLINKS}::test_an_uplink_by_another_gateway_is_a_copy_and_a_recorded_one_is"
                "_refused"
            ),
            f"{UPLINKS}::test_a_node_that_began_anew_is_heard_and_what_it_says_is_flagged",
            f"{UPLINKS}::test_a_recording_of_a_nodes_first_uplinks_does_not_shut_it_out",
            f"{UPLINKS}::test_the_counter_outlives_the_agent",
            f"{UPLINKS}::test_after_an_unclean_end_the_first_uplink_is_flagged",
            f"{UPLINKS}::test_keys_that_come_back_after_a_slip_let_no_recording_in",
            f"{PIPELINE}::test_what_a_restarted_sensor_has_said_before_is_remembered_over_runs",
        ),
    ),
    Fault(
        row=28,
        name="One sensor sends fifty times a second",
        happens="It is held to its own rate, ten at once and then one a second unless configured"
        " otherwise. What is beyond that is counted as limited, and every other sensor arrives"
        " whole.",
        lost="What one sensor sends beyond its rate, counted as limited.",
        tests=(
            f"{TALKER}::test_a_sensor_at_50_hz_is_limited_and_counted_and_all_others_arrive_whole",
            f"{BAD_AIR}::test_a_flood_is_counted_and_costs_no_other_sensor_a_frame",
            f"{PIPELINE}::test_a_device_gets_a_burst_and_then_its_rate",
        ),
    ),
)
FAULTS: tuple[Fault, ...] = (*_WIRES, *_BLUETOOTH, *_STRANGERS)
