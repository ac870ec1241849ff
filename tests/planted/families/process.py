"""The process killed, hung, hindered or told to end: what breaks that, and which tests see it."""

from typing import Final

from tests.planted.defect import Defect

ANYWHERE: Final = (
    "tests/scenarios/test_kill_anywhere.py"
    "::test_killed_at_random_instants_what_the_agent_had_accepted_arrives"
)
CRASH_LOOP: Final = (
    "tests/backlog/test_crash_loop.py"
    "::test_a_crash_loop_writes_little_and_declares_the_run_that_kept_something"
)
UPGRADE_CUT_OFF: Final = (
    "tests/backlog/test_crash_loop.py"
    "::test_killed_at_any_statement_of_an_upgrade_the_next_start_finds_all_there_was"
)
UPGRADE: Final = (
    "tests/scenarios/test_upgrade.py"
    "::test_what_version_1_had_kept_is_delivered_and_how_its_run_ended_is_declared"
)
SECOND_AGENT: Final = (
    "tests/scenarios/test_cannot_start.py"
    "::test_a_second_agent_on_one_store_is_refused_and_the_first_goes_on"
)
LORA_QUEUE: Final = (
    "tests/pipeline/test_pipeline.py"
    "::test_lora_packets_are_never_coalesced_and_their_queue_is_bounded"
)
DELIVERY: Final = "tests/delivery/test_delivery.py"
PROCESS: Final = "tests/scenarios/test_process.py"
STORMS: Final = (
    f"{PROCESS}::test_storms_of_sighup_and_standing_still_cost_nothing_but_what_is_coalesced"
)
HANGS: Final = (
    f"{PROCESS}::test_on_a_store_that_hangs_it_is_not_called_healthy_and_ends_in_bounded_time"
)
STORE_DOES_NOT_OPEN: Final = (
    f"{PROCESS}::test_told_to_end_while_its_store_does_not_open_it_does_not_wait_for_ever"
)
VITALS: Final = "tests/test_vitals.py"

DEFECTS: tuple[Defect, ...] = (
    Defect(
        name="does not replay what earlier runs have kept",
        file="gateway/backlog/sqlite/store.py",
        before="self._ledger.found(opened.recovery.bundles, opened.recovery.observations)",
        after="self._ledger.found(0, 0)",
        red=(
            UPGRADE,
            ANYWHERE,
        ),
    ),
    Defect(
        name="goes on with the stream of the run before, and its numbers from 0",
        file="gateway/assembly.py",
        before='return "".join(secrets.choice(_CROCKFORD) for _ in range(_STREAM_CHARACTERS))',
        after='return "0" * _STREAM_CHARACTERS',
        red=(ANYWHERE,),
    ),
    Defect(
        name="calls an unclean end clean",
        file="gateway/backlog/sqlite/runs.py",
        before="PreviousStream(id=id_, klass=klass, clean=bool(clean), next_seq=next_seq)",
        after="PreviousStream(id=id_, klass=klass, clean=True, next_seq=next_seq)",
        red=(ANYWHERE,),
    ),
    Defect(
        name="says nothing of how earlier runs ended",
        file="gateway/backlog/sqlite/runs.py",
        before="    return last_run + 1, previous, any(",
        after="    return last_run + 1, (), any(",
        red=(ANYWHERE,),
    ),
    Defect(
        name="commits 5 s after it has heard, and not 0.7 s",
        file="gateway/config/settings.py",
        before='default=duration_ns("700ms"), alias="commit_after"',
        after='default=duration_ns("5s"), alias="commit_after"',
        red=(ANYWHERE,),
    ),
    Defect(
        name="does not hold the lock on its store",
        file="gateway/backlog/sqlite/opening.py",
        before="fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        after="fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        red=(SECOND_AGENT,),
    ),
    Defect(
        name="forgets at SIGTERM what the broker has not acknowledged",
        file="gateway/keeper.py",
        before="""        self._desk.seal_all()
        if self._books.memory:
            await self._commit_in_room()
""",
        after="""        self._desk.seal_all()
""",
        red=(f"{DELIVERY}::test_the_end_settles_what_it_can_and_commits_the_rest", ANYWHERE),
    ),
    Defect(
        name="waits at its end for a store that hangs",
        file="gateway/patience.py",
        before="FINISH_S: Final = 10.0",
        after="FINISH_S: Final = 10_000.0",
        red=(HANGS,),
    ),
    Defect(
        name="does not end while its store does not open",
        file="gateway/service.py",
        before="""    async with store_in_time():
        return await opening
""",
        after="""    return await opening
""",
        red=(STORE_DOES_NOT_OPEN,),
    ),
    Defect(
        name="gives up an event that was just heard, while routine before it is being committed",
        file="gateway/shedding.py",
        before="        if self._books.is_committing:\n            return None  # there may be routine in it, and that is known in a moment\n",
        after="",
        red=(
            "tests/delivery/test_keeper.py::test_no_event_is_given_up_for_routine_that_is_being_committed",
        ),
    ),
    Defect(
        name="memory without a bound",
        file="gateway/keeper.py",
        before="return not self._full() or (bool(self._failures) and not self._books.is_committing)",
        after="return True",
        red=(f"{DELIVERY}::test_when_memory_is_full_there_is_no_room_until_a_commit_makes_it",),
    ),
    Defect(
        name="a queue of LoRa packets without a bound",
        file="gateway/pipeline.py",
        before="if len(self._queue) < QUEUE_FRAMES:",
        after="if True:",
        red=(LORA_QUEUE,),
    ),
    Defect(
        name="feeds the watchdog from a thread, whatever the event loop does",
        file="gateway/vitals.py",
        before="""        self._vitals.ask_all()
        while True:
            await""",
        after="""        self._vitals.ask_all()
        from threading import Thread
        from time import sleep

        def feed() -> None:
            while True:
                sleep(self._every_s)
                self._manager.notify("WATCHDOG=1")

        Thread(target=feed, daemon=True).start()
        while True:
            await""",
        red=(f"{VITALS}::test_an_event_loop_that_stands_still_feeds_nobody", HANGS),
    ),
    Defect(
        name="feeds the watchdog although a task hangs",
        file="gateway/vitals.py",
        before="        if not self._vitals.ask_again():",
        after="        if True:",
        red=(
            f"{VITALS}::test_one_task_that_hangs_stops_the_feeding_although_all_others_answer",
            HANGS,
        ),
    ),
    Defect(
        name="is ended by SIGHUP while it starts",
        file="gateway/cli/run.py",
        before="signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})",
        after="signal.pthread_sigmask(signal.SIG_BLOCK, set())",
        red=(STORMS,),
    ),
    Defect(
        name="upgrades its store in several transactions",
        file="gateway/backlog/sqlite/soundness.py",
        before="""            connection.execute(statement)
        if version == 1:
""",
        after="""            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        if version == 1:
""",
        red=(UPGRADE_CUT_OFF,),
    ),
    Defect(
        name="writes in a crash loop its whole log at each start, and more each time",
        file="gateway/backlog/sqlite/opening.py",
        before="        _empty_log(directory, connection)\n",
        after="",
        red=(CRASH_LOOP,),
    ),
    Defect(
        name="forgets in a crash loop how the run ended that had kept something",
        file="gateway/backlog/sqlite/runs.py",
        before=" OR run IN (SELECT run FROM stream WHERE next_seq > 0) DESC,",
        after=" DESC,",
        red=(CRASH_LOOP,),
    ),
)
