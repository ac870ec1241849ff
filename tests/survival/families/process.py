"""The process killed, hung, hindered or told to end, and the computer it runs on."""

from typing import Final

from tests.survival.fault import Fault

BACKLOG: Final = "tests/backlog"
DELIVERY: Final = "tests/delivery/test_delivery.py"
SCENARIOS: Final = "tests/scenarios"
ANYWHERE: Final = (
    f"{SCENARIOS}/test_kill_anywhere.py"
    "::test_killed_at_random_instants_what_the_agent_had_accepted_arrives"
)
SLOW_SYNC: Final = (
    f"{SCENARIOS}/test_kill_anywhere.py"
    "::test_with_a_slow_sync_what_is_committed_or_acknowledged_outlives_each_kill"
)
STRICT: Final = (
    f"{SCENARIOS}/test_kill.py"
    "::test_strict_publishes_nothing_that_a_kill_at_any_moment_could_take_back"
)
REPLAY_FLAGS: Final = (
    f"{SCENARIOS}/test_kill.py"
    "::test_killed_twice_with_a_backlog_the_agent_loses_nothing_it_had_accepted"
)
ROWS: Final = (
    f"{BACKLOG}/test_sigkill.py::test_every_row_that_append_returned_for_outlives_sigkill"
)
CRASH_LOOP: Final = (
    f"{BACKLOG}/test_crash_loop.py"
    "::test_a_crash_loop_writes_little_and_declares_the_run_that_kept_something"
)
UPGRADE_CUT_OFF: Final = (
    f"{BACKLOG}/test_crash_loop.py"
    "::test_killed_at_any_statement_of_an_upgrade_the_next_start_finds_all_there_was"
)
NEVER_GIVES_UP: Final = (
    "tests/test_unit_file.py::test_it_never_gives_up_whatever_the_agent_ends_with"
)
STARTS_APART: Final = (
    f"{BACKLOG}/test_crash_loop.py::test_systemd_waits_longer_and_longer_between_starts_that_fail"
)
UPGRADE: Final = (
    f"{SCENARIOS}/test_upgrade.py"
    "::test_what_version_1_had_kept_is_delivered_and_how_its_run_ended_is_declared"
)
OLD_STORE: Final = (
    f"{BACKLOG}/test_versions.py"
    "::test_a_takeover_that_fails_leaves_the_old_store_for_the_next_start"
)
LATER_STORE: Final = (
    f"{BACKLOG}/test_versions.py"
    "::test_a_store_of_a_later_version_is_set_aside_and_its_bundles_taken_over"
)
NO_ROOM: Final = f"{DELIVERY}::test_when_memory_is_full_there_is_no_room_until_a_commit_makes_it"
MEMORY_ONLY: Final = (
    f"{DELIVERY}::test_a_failing_store_bounds_memory_and_declares_what_it_drops_routine_first"
)
LORA_QUEUE: Final = (
    "tests/pipeline/test_pipeline.py"
    "::test_lora_packets_are_never_coalesced_and_their_queue_is_bounded"
)
PROCESS: Final = f"{SCENARIOS}/test_process.py"
STORMS: Final = (
    f"{PROCESS}::test_storms_of_sighup_and_standing_still_cost_nothing_but_what_is_coalesced"
)
NO_DESCRIPTOR: Final = (
    f"{PROCESS}::test_without_a_file_descriptor_to_spare_it_goes_on_and_connects_once_it_has_one"
)
STORE_HANGS: Final = (
    f"{PROCESS}::test_on_a_store_that_hangs_it_is_not_called_healthy_and_ends_in_bounded_time"
)
STORE_DOES_NOT_OPEN: Final = (
    f"{PROCESS}::test_told_to_end_while_its_store_does_not_open_it_does_not_wait_for_ever"
)
CONNECTING: Final = f"{PROCESS}::test_told_to_end_while_it_connects_it_ends_in_order"
MEDIUM_HANGS: Final = (
    f"{BACKLOG}/test_hanging_medium.py::test_a_process_ends_although_its_store_hangs"
)
STANDS_STILL: Final = "tests/test_vitals.py::test_an_event_loop_that_stands_still_feeds_nobody"
ONE_HANGS: Final = (
    "tests/test_vitals.py::test_one_task_that_hangs_stops_the_feeding_although_all_others_answer"
)
WATCHED: Final = (
    "tests/test_unit_file.py::test_it_is_ready_when_the_agent_says_so_and_watched_with_patience"
)
TOLD: Final = f"{SCENARIOS}/test_service.py::test_the_manager_is_told_of_start_life_reload_and_end"
SECOND_AGENT: Final = (
    f"{SCENARIOS}/test_cannot_start.py"
    "::test_a_second_agent_on_one_store_is_refused_and_the_first_goes_on"
)
FAREWELL: Final = (
    "tests/uplink/test_mqtt_uplink.py::test_a_frozen_broker_does_not_hold_up_the_farewell"
)
THE_REST: Final = f"{DELIVERY}::test_the_end_settles_what_it_can_and_commits_the_rest"
UNCLEAN: Final = f"{DELIVERY}::test_an_end_that_cannot_commit_is_no_clean_end"

FAULTS: tuple[Fault, ...] = (
    Fault(
        row=14,
        name="SIGKILL at any instant: starting, committing, in the midst of its farewell",
        happens=(
            "The next start delivers what the killed run had kept, and its birth message declares"
            " that run ended unclean, with the last number it had kept. This holds twenty times in"
            " a row while sensors send and the broker stops, freezes and comes back."
        ),
        lost=(
            "what was heard in the second before; the platform sees from the birth message where"
            " the run ended"
        ),
        tests=(ANYWHERE, REPLAY_FLAGS, ROWS),
        scenario="quick",
        soak="make soak-kills",
    ),
    Fault(
        row=14,
        name="SIGKILL on a medium whose sync takes half a second",
        happens=(
            "What was committed or acknowledged arrives. A commit takes longer than the second"
            " that is promised on a healthy card, so what was heard before that may not be in it."
        ),
        lost="what was neither acknowledged nor committed; the birth message shows where",
        tests=(SLOW_SYNC,),
        soak="make soak-kills",
    ),
    Fault(
        row=14,
        name="SIGKILL where everything is written before it is sent (durability: strict)",
        happens="What the platform has of a killed run is exactly what that run had committed.",
        lost="what was heard and not yet committed, which nobody has seen",
        tests=(STRICT,),
    ),
    Fault(
        row=14,
        name="Crash loop: every start fails",
        happens=(
            "It is started again for ever, after longer and longer waits, up to a minute (before"
            " systemd 254: 5 s each time). Each start writes 25 kB, so a day of it at one a minute"
            " writes 36 MB. How the run ended that had kept something is remembered until the"
            " platform has been told."
        ),
        lost="nothing that was kept",
        tests=(CRASH_LOOP, NEVER_GIVES_UP, STARTS_APART),
    ),
    Fault(
        row=14,
        name="Upgrade cut off while it changes the store",
        happens=(
            "The change is one transaction: at whichever statement it is killed, the next start"
            " finds the old store whole or the new one. What the earlier version had kept is"
            " delivered. A store of a later version is set aside, and its observations are taken"
            " over."
        ),
        lost="nothing",
        tests=(UPGRADE_CUT_OFF, UPGRADE, OLD_STORE, LATER_STORE),
    ),
    Fault(
        row=26,
        name="Memory runs short",
        happens=(
            "Every queue has a bound, so the agent stays below the 160 MB that its unit grants: it"
            " lives under that limit through kills and outages. If it is killed all the same, that"
            " is a SIGKILL, and systemd starts it anew."
        ),
        lost="nothing; if it is killed, what was heard in the second before",
        tests=(ANYWHERE, NO_ROOM, MEMORY_ONLY, LORA_QUEUE),
        soak="make soak-agent",
    ),
    Fault(
        row=26,
        name="No file descriptor to spare",
        happens=(
            "The agent goes on hearing and keeping. It cannot connect anew, says `Too many open"
            " files` and tries again; once there is one it connects and delivers."
        ),
        lost="nothing",
        tests=(NO_DESCRIPTOR,),
        soak="make soak-agent",
    ),
    Fault(
        row=27,
        name="The event loop stands still, or a task of the agent hangs",
        happens=(
            "The watchdog is fed only while every task gives signs of life. After two minutes"
            " without, systemd starts the agent anew."
        ),
        lost="what had not been acknowledged or committed; the next birth message shows where",
        tests=(STANDS_STILL, ONE_HANGS, WATCHED, TOLD),
    ),
    Fault(
        row=27,
        name="The medium hangs in a write and never answers",
        happens=(
            "The watchdog is not fed any more. Told to end, the agent waits ten seconds for the"
            " store, says how many observations could not be kept, and ends with status 1; one"
            " that does not even open its store ends with status 4. The next run delivers what was"
            " durable, and declares the unclean end."
        ),
        lost="what was only in memory; it is counted in the log, the birth message shows where",
        tests=(STORE_HANGS, STORE_DOES_NOT_OPEN, MEDIUM_HANGS),
    ),
    Fault(
        row=27,
        name="The process is stopped for a while and goes on (SIGSTOP, a machine out of breath)",
        happens=(
            "What came in meanwhile is read as soon as it goes on. Of advertisements that have"
            " piled up the newest of each device counts; the others are counted as coalesced."
        ),
        lost="nothing but advertisements overtaken by a newer one of the same device, counted",
        tests=(STORMS,),
    ),
    Fault(
        row=29,
        name="Two agents on one store",
        happens=(
            "The second ends at once with status 4 and says that another agent is using the store."
            " The first does not notice."
        ),
        lost="nothing",
        tests=(SECOND_AGENT,),
    ),
    Fault(
        row=14,
        name="Told to end (SIGTERM, SIGINT) in whatever state",
        happens=(
            "The radios stop, what is in flight has two seconds to be acknowledged, the rest is"
            " committed, and the platform hears that the gateway is offline. So it is while the"
            " broker is silent, frozen or away, in the TLS handshake too. The exit status is 0."
        ),
        lost="nothing",
        tests=(THE_REST, UNCLEAN, CONNECTING, FAREWELL, ANYWHERE),
    ),
    Fault(
        row=14,
        name="Asked to read its configuration anew (SIGHUP), hundreds of times, also in its start",
        happens=(
            "A wish that comes while the agent starts waits until it hears; those that come"
            " together are one. Radios and broker connection stay as they are."
        ),
        lost="nothing",
        tests=(STORMS, TOLD),
    ),
)
