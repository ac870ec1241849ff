"""Faults in what comes in: from the air, the wires, brokers, servers, and from people."""

from tests.survival.fault import Fault, Later

_CORPUS = "tests/fuzz/test_corpus.py"
_FUZZED = (
    f"{_CORPUS}::test_a_border_keeps_its_promises_for_what_searches_have_found",
    f"{_CORPUS}::test_a_border_keeps_its_promises_for_what_is_nearly_right",
    f"{_CORPUS}::test_what_was_a_fault_once_is_none_any_more",
)
_FUZZING = "make soak-fuzz"

FAULTS: tuple[Fault, ...] = (
    Fault(
        17,
        "Garbage on a modem's serial line: noise, halves of lines, megabytes without an end",
        happens=(
            "Whatever is no packet is skipped and counted (garbage_bytes, bad_frames,"
            " overlong_lines); a connection holds at most 4 kB. It does not matter in which"
            " pieces the line is read, and a packet that comes whole is heard, whatever came"
            " before it. A signal strength that no radio can measure marks its line as damaged."
        ),
        lost="the packets that were damaged on the line; they are counted",
        tests=(
            "tests/drivers/test_modems.py::test_a_modem_driver_keeps_its_promise",
            "tests/transport/test_serial.py::test_after_any_garbage_it_hears_again",
            (
                "tests/scenarios/test_hardware.py"
                "::test_garbage_on_the_line_costs_no_packet_that_comes_whole"
            ),
            *_FUZZED,
        ),
        scenario="bad-line",
        soak=_FUZZING,
    ),
    Fault(
        21,
        "Malformed advertisements: wrong lengths, fields that overlap or are missing, any bytes",
        happens=(
            "Each frame ends in exactly one counter: decoded, or refused with its reason"
            " (refused.truncated, refused.bad_length and so on). Nothing raises, nothing but"
            " words and units of the vocabulary is sent on, and no observation holds more than 64"
            " results. What is encrypted is refused before it is decoded, unless its checksum"
            " proves the key."
        ),
        lost="nothing of any sensor whose frames are whole",
        tests=(
            "tests/core/test_advertisement.py::test_any_bytes_are_structures_or_a_refusal",
            "tests/drivers/test_examples.py::test_a_driver_keeps_its_promise",
            (
                "tests/scenarios/test_bad_air.py"
                "::test_nonsense_from_listed_devices_is_counted_and_costs_no_other_sensor_a_frame"
            ),
            *_FUZZED,
        ),
        soak=_FUZZING,
    ),
    Fault(
        21,
        "LoRaWAN gateways and network servers that say what cannot be",
        happens=(
            "A datagram or an event that is none is counted by its reason and forgotten; a"
            " signal no radio can measure is left out; a LoRaWAN frame is opened only when its"
            " checksum (MIC) proves that the node has sent it. A flood is cut off unread."
        ),
        lost="nothing of any node whose frames are whole",
        tests=(
            "tests/transport/test_semtech.py::test_whatever_comes_is_a_datagram_or_refused",
            "tests/transport/test_network_server.py::test_whatever_comes_is_an_event_or_refused",
            *_FUZZED,
        ),
        soak=_FUZZING,
    ),
    Fault(
        24,
        "A broker, or somebody in its place, that sends malformed or hostile packets",
        happens=(
            "The connection ends with a cause in words, and comes back with growing pauses. Only"
            " a PUBACK that names a message settles it, with the reason code it bears; a board,"
            " which speaks MQTT 3.1.1, takes no longer PUBACK for one. Retained messages, packets"
            " above 64 kB and messages nobody subscribed to change nothing."
        ),
        lost="nothing: what was not acknowledged is still ours, and is sent again",
        tests=(
            (
                "tests/mqtt/test_acknowledgements.py"
                "::test_what_is_no_puback_ends_the_connection_and_settles_nothing"
            ),
            (
                "tests/mqtt/test_packet_socket.py"
                "::test_whatever_a_broker_says_is_an_answer_or_an_error_and_never_a_crash"
            ),
            "tests/mqtt/test_packet_socket.py::test_what_no_broker_sends_ends_the_connection_once",
            *_FUZZED,
        ),
        soak=_FUZZING,
    ),
    Fault(
        24,
        "A software update for boards that is unsigned, altered, old, or for another board",
        happens=(
            "A board takes what is signed by the fleet's key alone, never an older release, and"
            " checks every file against the signed manifest. What it refuses it says on its"
            " console and in its status; the version that runs goes on."
        ),
        lost="nothing",
        tests=(
            "tests/esp32/test_update.py::test_an_offer_with_any_other_byte_is_refused",
            "tests/esp32/test_update.py::test_a_file_with_any_other_byte_is_refused",
            "tests/esp32/test_update.py::test_an_older_release_is_refused",
            "tests/esp32/test_update.py::test_rubbish_is_refused",
            "tests/esp32/test_update.py::test_a_path_out_of_its_slot_is_refused",
        ),
    ),
    Fault(
        25,
        "A configuration that is wrong, half written, or gone when it is to be loaded again",
        happens=(
            "The agent goes on with what it runs on; every fault is told at once, each with its"
            " file, line and column, in the log and in status, and never with a secret. The store"
            " is not touched. At a start a faulty configuration ends the command with exit code 3"
            " and the same list."
        ),
        lost="nothing",
        tests=(
            "tests/test_reload.py::test_a_faulty_file_changes_nothing_and_every_finding_is_said",
            "tests/test_reload.py::test_a_file_that_is_gone_changes_nothing",
            "tests/config/test_mutations.py::test_a_mutated_file_loads_or_its_faults_are_listed",
            "tests/config/test_mutations.py::test_no_mutation_elsewhere_brings_a_secret_to_light",
            *_FUZZED,
        ),
        soak=_FUZZING,
    ),
    Fault(
        31,
        "Abuse of the status page: slow clients, a foreign Host, names of sensors that are HTML",
        happens=(
            "At most 16 connections of 15 seconds each are open; another name than the gateway's"
            " own is refused (DNS rebinding); nothing can be changed by asking; whatever sensors"
            " and brokers say is text on the page. From another machine a token is needed, and no"
            " request, however it is written, is answered with an error of ours."
        ),
        lost="nothing",
        tests=(
            "tests/web/test_gate.py::test_other_names_are_not",
            (
                "tests/web/test_gate.py"
                "::test_without_the_token_nobody_is_answered_not_even_this_machine"
            ),
            "tests/web/test_gate.py::test_nothing_can_be_done_but_looking",
            "tests/web/test_server.py::test_whoever_is_silent_or_trickles_is_cut_off",
            (
                "tests/web/test_server.py"
                "::test_a_connection_too_many_is_refused_and_room_is_made_by_one_that_ends"
            ),
            "tests/web/test_shown.py::test_whatever_people_and_brokers_say_is_text_on_the_page",
            *_FUZZED,
        ),
        soak=_FUZZING,
    ),
)
LATER: tuple[Later, ...] = (
    Later(
        31,
        "Abuse of a page that changes something: forged requests",
        why="The status page shows and changes nothing; enrolment through a page is to come.",
    ),
)
