"""Faults of the medium: full, read-only, failing, slow, hanging, damaged, worn."""

from tests.survival.fault import Fault

FULL_MEDIUM = "tests/backlog/test_full_medium.py"
MEDIUM = "tests/scenarios/test_medium.py"
SYNC = "tests/backlog/test_failed_sync.py"
DAMAGE = "tests/backlog/test_damage.py"
RUN = "tests/backlog/test_damage_in_a_run.py"
SEAL = "tests/backlog/test_seal.py"
SEARCH = "tests/backlog/test_damage_search.py"
FULL_STORE = "tests/delivery/test_full_store.py"

FAULTS: tuple[Fault, ...] = (
    Fault(
        row=9,
        name="The store reaches its cap, or the medium its floor of free space",
        happens=(
            "The file stops growing. The oldest routine observations make room for new ones, events"
            " go last, and each one that goes is declared. The status says full, and why."
        ),
        lost="The oldest routine observations, in loss ranges with the reason full.",
        tests=(
            f"{FULL_STORE}::test_a_full_store_gives_up_its_oldest_routine_rows_and_keeps_events_that_are_older",
            f"{FULL_MEDIUM}::test_below_the_floor_the_file_does_not_grow_and_what_is_free_in_it_is_used",
            f"{MEDIUM}::test_below_the_floor_of_free_space_the_store_does_not_grow_and_routine_makes_room",
        ),
        scenario="full-store",
    ),
    Fault(
        row=9,
        name="Not a byte is free on the medium: nothing can be deleted either",
        happens=(
            "The gateway gives up a ballast file that it holds ready for this, starts if it has to,"
            " delivers, deletes what is acknowledged, and makes the ballast again when there is room."
        ),
        lost="nothing, as long as others do not fill the ballast's space at once",
        tests=(
            f"{FULL_MEDIUM}::test_the_ballast_lets_a_store_on_a_full_medium_be_emptied",
            f"{FULL_MEDIUM}::test_a_full_medium_does_not_keep_the_agent_from_starting",
            f"{FULL_MEDIUM}::test_a_store_on_a_full_medium_drops_its_oldest_and_takes_the_newest",
            f"{MEDIUM}::test_on_a_medium_without_a_byte_left_the_ballast_lets_it_start_and_drain",
        ),
    ),
    Fault(
        row=10,
        name="The medium is read-only, or is taken away, while the gateway runs",
        happens=(
            "Observations wait in 4 MB of memory, the status says memory-only, and the medium is"
            " tried again. What is acknowledged needs no medium. When it works again, all is kept."
        ),
        lost=(
            "Beyond 4 MB the oldest, routine first, in loss ranges with the reason store; what is in"
            " memory if power fails as well."
        ),
        tests=(
            f"{MEDIUM}::test_what_cannot_be_written_waits_in_memory_until_it_can",
            f"{MEDIUM}::test_what_memory_cannot_hold_either_goes_routine_first_and_is_declared",
        ),
        scenario="dying-card",
    ),
    Fault(
        row=10,
        name="The medium is read-only when the gateway starts",
        happens=(
            "The gateway does not start: it says that the store cannot be used, why, and what helps,"
            " and systemd tries again. A gateway that could keep nothing would promise too much."
        ),
        lost="What is on the air meanwhile; nothing that was kept.",
        tests=(
            f"{FULL_MEDIUM}::test_a_start_on_a_read_only_medium_is_refused_with_its_cause_and_leaves_all_as_it_is",
        ),
    ),
    Fault(
        row=11,
        name="The medium fails to write, or to sync",
        happens=(
            "What was told as kept is safe in the log or in the file. After a failed sync nothing"
            " more is added to that log: it is emptied into the file, or all goes into a new file."
        ),
        lost="nothing",
        tests=(
            f"{SYNC}::test_syncs_that_fail_for_a_while_cost_nothing_that_was_accepted",
            f"{SYNC}::test_a_log_that_failed_to_sync_is_emptied_before_anything_is_added_to_it",
            f"{SYNC}::test_a_file_that_fails_to_sync_too_is_replaced_by_a_new_one",
            f"{SYNC}::test_a_start_goes_on_and_loses_nothing_where_the_log_does_not_go_into_the_file",
            "tests/backlog/test_power_cut.py::test_wherever_operations_fail_the_store_holds_what_it_says",
        ),
    ),
    Fault(
        row=11,
        name="Part of the medium fails to read while the gateway runs",
        happens=(
            "What lies behind it is delivered. What does not read stays where it is, and is told at"
            " the next start, when the store is put aside and all that reads is taken over."
        ),
        lost="What does not read, in loss ranges with the reason damaged.",
        tests=(
            f"{RUN}::test_a_page_that_fails_in_a_run_does_not_stop_what_lies_behind_it",
            f"{RUN}::test_what_a_run_can_make_nothing_of_is_declared_by_the_next_start",
            f"{FULL_STORE}::test_a_damaged_row_is_declared_and_the_others_are_delivered",
        ),
    ),
    Fault(
        row=11,
        name="The medium hangs for ever, or each sync takes seconds",
        happens=(
            "Live observations go on. Below 0.3 s a sync an observation is safe within a second of"
            " being heard; above that 0.7 s and two syncs after it. An end does not wait for ever."
        ),
        lost="nothing; in a power cut what was heard in that time",
        tests=(
            "tests/scenarios/test_medium_slow.py::test_an_observation_is_safe_after_its_deadline_and_two_syncs_and_none_is_lost",
            "tests/backlog/test_hanging_medium.py::test_a_process_ends_although_its_store_hangs",
            "tests/delivery/test_losses.py::test_an_end_does_not_wait_for_a_store_that_hangs",
        ),
    ),
    Fault(
        row=12,
        name="Any page of the store is flipped, zeroed, swapped, cut off or out of date",
        happens=(
            "The file is put aside, every row that reads is taken over and delivered as it was kept,"
            " and the rest is declared. The gateway starts within 10 s. The status says quarantined."
        ),
        lost=(
            "What does not read, in loss ranges with the reason damaged. Loss ranges not told yet and"
            " bundles set aside that were altered: that there may have been some is said."
        ),
        tests=(
            f"{SEARCH}::test_each_page_flipped_zeroed_swapped_cut_off_or_out_of_date_costs_nothing_undeclared",
            f"{SEARCH}::test_a_changed_byte_among_the_bundles_is_delivered_as_it_was_or_declared",
            f"{SEARCH}::test_a_row_whose_number_has_become_another_costs_nothing_undeclared",
            f"{RUN}::test_a_row_is_delivered_as_its_body_has_it_whatever_its_columns_have_become",
            f"{SEAL}::test_a_value_that_has_become_another_is_noticed_and_not_believed",
            f"{DAMAGE}::test_what_a_damage_has_cost_is_declared",
            f"{DAMAGE}::test_a_salvage_that_takes_too_long_leaves_the_rest_in_the_file_set_aside",
        ),
        soak="make soak-long",
    ),
    Fault(
        row=12,
        name="The store's log is damaged, or is another store's",
        happens=(
            "Commits behind the damage do not read. The gateway tells that from a power cut, puts the"
            " store aside, takes over what reads, and says that the last run ended unclean."
        ),
        lost=(
            "The last commits: their streams are declared unclean. A log that has lost its end, back"
            " to a commit, looks like a power cut at that time."
        ),
        tests=(f"{SEARCH}::test_each_part_of_the_log_damaged_costs_nothing_undeclared",),
        soak="make soak-long",
    ),
    Fault(
        row=12,
        name="The store is empty, zeros, garbage, a folder, foreign, older or newer",
        happens=(
            "The gateway starts with a new store, puts what was there aside, and takes over what of"
            " it are observations. A store of an earlier version is taken over whole."
        ),
        lost="What cannot be read; the end of the last run is told as unclean.",
        tests=(
            f"{DAMAGE}::test_zeros_instead_of_a_store",
            f"{DAMAGE}::test_garbage_instead_of_a_store_with_a_log_that_belongs_to_nothing",
            f"{DAMAGE}::test_a_folder_in_the_store_s_place_is_set_aside",
            f"{DAMAGE}::test_a_store_of_another_shape_altogether_is_set_aside",
            f"{DAMAGE}::test_a_store_of_a_later_version_gives_up_its_bundles_and_is_set_aside",
            f"{DAMAGE}::test_a_store_of_another_schema_gives_up_its_bundles_and_is_set_aside",
        ),
    ),
    Fault(
        row=15,
        name="The card wears out by being written",
        happens=(
            "A healthy day writes 3 MB to the card, a day without the broker 1.4 GB at 10"
            " observations a second, measured at the block device. The page on wear has the formula."
        ),
        lost="nothing",
        tests=(
            "tests/benchmarks/test_wear.py::test_each_part_of_a_day_costs_what_the_page_says",
            "tests/benchmarks/test_wear.py::test_an_outage_costs_what_the_formula_says",
        ),
    ),
)
