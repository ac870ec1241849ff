"""Faults of this family: the power fails, at any write of the store."""

from typing import Final

from tests.survival.fault import Fault

_CUTS: Final = "tests/backlog/test_power_cuts.py"
_CUT: Final = "tests/backlog/test_power_cut.py"
_SYNC: Final = "tests/backlog/test_failed_sync.py"
_ANY: Final = f"{_CUTS}::test_a_power_cut_anywhere_in_any_history_loses_nothing_that_was_accepted"
_SOAK: Final = "make soak-cuts"

FAULTS: tuple[Fault, ...] = (
    Fault(
        row=13,
        name="The power fails while the store is written to, at any write, truncate or sync",
        happens=(
            "The next start finds the store sound, as it was before or after the call that was cut"
            " off and never in between, whatever the medium had of what was not synced: all of it,"
            " none, any sectors in any order, a torn one, or files of the right size full of"
            " zeros. No file is put aside for it. The run that was cut off is declared as"
            " unclean, and no"
            " session number is given out a second time."
        ),
        lost=(
            "Nothing that was accepted. What was heard in the last second before the cut, and was"
            " neither acknowledged by the broker nor kept yet, is in the declared unclean end."
        ),
        tests=(
            _ANY,
            f"{_CUTS}::test_an_outage_with_the_pragmas_of_the_store_itself_loses_nothing",
            f"{_CUTS}::test_the_cuts_find_out_a_store_that_does_not_sync_each_commit",
            f"{_CUT}::test_a_power_cut_at_any_write_loses_nothing_that_was_accepted",
        ),
        soak=_SOAK,
    ),
    Fault(
        row=13,
        name="The power fails again while the agent starts after a power cut",
        happens=(
            "The start is done again. Cuts are played in the middle of reading the log, of writing"
            " it anew, of taking over a store of an earlier version, and of beginning the run, on"
            " what an earlier cut had left."
        ),
        lost="Nothing that was accepted.",
        tests=(_ANY,),
        soak=_SOAK,
    ),
    Fault(
        row=13,
        name="The power fails while a damaged store is being replaced by a new file",
        happens=(
            "The replacement is finished or begun again at the next start, also on a file system"
            " that does not keep the order in which names were changed. The log of the damaged"
            " file never meets the new one."
        ),
        lost="What could not be read in the damaged file, which is declared, and no more.",
        tests=(
            f"{_CUTS}::test_a_power_cut_while_a_damaged_file_is_replaced_loses_no_more_than_the_damage",
            _ANY,
        ),
        soak=_SOAK,
    ),
    Fault(
        row=13,
        name="A start after a power cut is to be quick, however long the outage before it was",
        happens=(
            "A start reads the log, which is bounded, and the rows appended since the count was"
            " last written, at most some hundred. The check of the whole file ends after two"
            " seconds, and a salvage after five."
        ),
        lost="Nothing.",
        tests=(_ANY, f"{_CUT}::test_a_start_does_not_read_the_whole_store"),
        soak=_SOAK,
    ),
    Fault(
        row=11,
        name="Writes and syncs fail, and then the power",
        happens=(
            "What was accepted before is there after the cut, although the kernel forgets what it"
            " could not sync: the log is emptied or the file replaced before anything is added."
        ),
        lost="Nothing that was accepted.",
        tests=(
            _ANY,
            f"{_SYNC}::test_syncs_that_fail_for_a_while_cost_nothing_that_was_accepted",
            f"{_SYNC}::test_a_file_that_fails_to_sync_too_is_replaced_by_a_new_one",
        ),
        soak=_SOAK,
    ),
    Fault(
        row=14,
        name="The agent is killed, started again, and then the power fails",
        happens=(
            "The new run does not build on what only the kernel knew of the killed one: it writes"
            " the log anew, durably, before it adds to it."
        ),
        lost="Nothing that was accepted.",
        tests=(_ANY, f"{_SYNC}::test_a_start_does_not_add_to_the_log_that_a_killed_run_left"),
        soak=_SOAK,
    ),
)
