"""Defects in what is made of a bad medium, and which tests see them."""

from tests.planted.defect import Defect

FULL_MEDIUM = "tests/backlog/test_full_medium.py"
DAMAGE = "tests/backlog/test_damage.py"
RUN = "tests/backlog/test_damage_in_a_run.py"
SEARCH = "tests/backlog/test_damage_search.py"
PAGES = f"{SEARCH}::test_each_page_flipped_zeroed_swapped_cut_off_or_out_of_date_costs_nothing_undeclared"
SEAL = "tests/backlog/test_seal.py"
SYNC = "tests/backlog/test_failed_sync.py"
STORE = "tests/backlog/test_sqlite.py"
LOG = f"{SEARCH}::test_each_part_of_the_log_damaged_costs_nothing_undeclared"
BODY = f"{RUN}::test_a_row_is_delivered_as_its_body_has_it_whatever_its_columns_have_become"
NUMBERS = f"{SEARCH}::test_a_row_whose_number_has_become_another_costs_nothing_undeclared"
NOTHING = f"{RUN}::test_what_a_run_can_make_nothing_of_is_declared_by_the_next_start"
IN_A_RUN = f"{RUN}::test_a_page_that_fails_in_a_run_does_not_stop_what_lies_behind_it"

DEFECTS: tuple[Defect, ...] = (
    # --------------------------------------------------------------------------------- damaged
    Defect(
        name="is stopped by a damaged store",
        file="gateway/backlog/sqlite/opening.py",
        before="            if isinstance(error, sqlite3.Error) and not is_damage(error):\n",
        after="            if isinstance(error, sqlite3.Error):\n",
        red=(PAGES,),
    ),
    Defect(
        name="takes a count or a session number for granted that is no longer there",
        file="gateway/backlog/sqlite/seal.py",
        before="    if len(rows) != 1:\n",
        after="    if not table:\n",
        red=(f"{SEAL}::test_a_row_that_has_gone_or_come_is_noticed",),
    ),
    Defect(
        name="believes what stands in a small table, whatever has become of it",
        file="gateway/backlog/sqlite/soundness.py",
        before="    seal.require_whole(connection)\n",
        after="",
        red=(f"{SEAL}::test_a_value_that_has_become_another_is_noticed_and_not_believed", PAGES),
    ),
    Defect(
        name="carries altered values over into the new store",
        file="gateway/backlog/sqlite/salvage.py",
        before='    if not seal.fits(table, own) or not seal.is_whole((*own, given["seal"])):\n',
        after="    if not seal.fits(table, own):\n",
        red=(f"{SEAL}::test_a_value_that_has_become_another_is_noticed_and_not_believed", PAGES),
    ),
    Defect(
        name="seals what has become another as if it had written it",
        file="gateway/backlog/sqlite/seal.py",
        before="        if is_whole(found):\n            values",
        after="        if found:\n            values",
        red=(
            f"{SEAL}::test_a_row_that_is_not_as_it_was_written_is_not_sealed_by_the_next_change",
        ),
    ),
    Defect(
        name="takes a commit for failed whose checkpoint has failed",
        file="gateway/backlog/sqlite/handle.py",
        before="                if not is_committed:\n",
        after="                if is_committed or not is_committed:\n",
        red=(
            f"{SYNC}::test_what_people_put_back_is_kept_by_a_commit_whose_checkpoint_failed",
            f"{SYNC}::test_what_is_kept_is_counted_right_after_a_commit_whose_checkpoint_failed",
            f"{STORE}::test_what_is_committed_counts_whatever_has_failed_after_the_commit",
        ),
    ),
    Defect(
        name="leaves out the check at the start",
        file="gateway/backlog/sqlite/soundness.py",
        before='    if verdict != "ok":\n',
        after='    if verdict != "ok" and not verdict:\n',
        red=(
            f"{DAMAGE}::test_a_damaged_page_that_only_one_body_reaches_into_is_found_at_the_start",
            PAGES,
        ),
    ),
    Defect(
        name="does not notice that the medium has lost a write",
        file="gateway/backlog/sqlite/soundness.py",
        before="    if tally.counted(connection) != tally.current(connection):\n",
        after="    if tally.counted(connection) is None:\n",
        red=(PAGES,),
    ),
    Defect(
        name="skips what does not read, and declares nothing",
        file="gateway/backlog/sqlite/salvage.py",
        before="    tables.add_losses(fresh, missing.losses(fresh, walk, _tally(damaged)))\n",
        after="",
        red=(f"{DAMAGE}::test_what_a_damage_has_cost_is_declared", PAGES),
    ),
    Defect(
        name="declares only what it failed to read, not what is no longer there",
        file="gateway/backlog/sqlite/missing.py",
        before="    if missing not in {0, _rows(missed)} or (walk.is_disordered and holes):\n",
        after="    if missing < 0 or (walk.is_disordered and holes):\n",
        red=(PAGES,),
    ),
    Defect(
        name="takes a row for the one whose number it has come to have",
        file="gateway/backlog/sqlite/missing.py",
        before=" or (walk.is_disordered and holes):\n",
        after=":\n",
        red=(NUMBERS,),
    ),
    Defect(
        name="declares numbers of nobody for a row of which nothing reads",
        file="gateway/backlog/sqlite/database.py",
        before="                    if bundle is None and not rows_.is_sensible(head):\n",
        after="                    if bundle is None and head is None:\n",
        red=(NOTHING,),
    ),
    Defect(
        name="is stopped by a row that is not found under its number",
        file="gateway/backlog/sqlite/rows.py",
        before="    return None if found is None else unpacked(found[0])\n",
        after="    return unpacked(found[0])\n",
        red=(NOTHING,),
    ),
    Defect(
        name="forgets what a stream lacks after its last row",
        file="gateway/backlog/sqlite/missing.py",
        before="            yield from _loss(stream, end, top, missing - before, at)\n",
        after="            pass\n",
        red=(PAGES,),
    ),
    Defect(
        name="gives a salvage up at the first page that leads astray",
        file="gateway/backlog/sqlite/salvage.py",
        before="        again = walk.is_damaged and stretches[0][1] == NOWHERE\n",
        after="        again = False\n",
        red=(
            f"{DAMAGE}::test_a_page_that_is_a_copy_of_a_later_one_does_not_lead_past_what_lies_between",
        ),
    ),
    Defect(
        name="salvages for as long as it takes",
        file="gateway/backlog/sqlite/salvage.py",
        before="            if is_late():\n",
        after="            if is_late() and False:\n",
        red=(
            f"{DAMAGE}::test_a_salvage_that_takes_too_long_leaves_the_rest_in_the_file_set_aside",
        ),
    ),
    Defect(
        name="takes a damaged log for a power cut",
        file="gateway/backlog/sqlite/log_file.py",
        before="    return any(one.is_whole and one.pages and other.is_whole for one, other in behind)\n",
        after="    return not [*behind] and False\n",
        red=(LOG,),
    ),
    Defect(
        name="takes a log without a header for an empty one",
        file="gateway/backlog/sqlite/log_file.py",
        before="            if page <= pages and file.read(PAGE_BYTES) != data:\n",
        after="            if page <= pages and not data:\n",
        red=(LOG,),
    ),
    Defect(
        name="lets one altered letter stop all that lies behind it",
        file="gateway/backlog/sqlite/rows.py",
        before="CAST(stream AS BLOB)",
        after="stream",
        red=(BODY,),
    ),
    Defect(
        name="believes the columns of a row, which have no checksum",
        file="gateway/backlog/sqlite/database.py",
        before="                there.append(self._true_heads.get(row, head))\n",
        after="                there.append(head)\n",
        red=(BODY,),
    ),
    Defect(
        name="lets a page that fails in a run stop all that lies behind it",
        file="gateway/backlog/sqlite/rows.py",
        before="            if not rim.is_damage(error):\n",
        after="            if error:\n",
        red=(IN_A_RUN,),
    ),
    Defect(
        name="loses the sound rows beside a page that does not read",
        file="gateway/backlog/sqlite/walk.py",
        before="        yield from one_by_one(self._damaged, select, start, end, step)\n",
        after="        raise sqlite3.DatabaseError\n",
        red=(IN_A_RUN,),
    ),
    Defect(
        name="does not start where what a killed run left does not go into the file",
        file="gateway/backlog/sqlite/opening.py",
        before="            elif is_damage(error):\n                raise\n",
        after="            else:\n                raise\n",
        red=(
            f"{SYNC}::test_a_start_goes_on_and_loses_nothing_where_the_log_does_not_go_into_the_file",
        ),
    ),
    Defect(
        name="takes away the damaged store before the new one is there",
        file="gateway/backlog/sqlite/opening.py",
        before="    had = _build(directory, connect, old, seconds)\n",
        after=(
            "    (directory / FILE).unlink()\n    had = _build(directory, connect, old, seconds)\n"
        ),
        red=(f"{DAMAGE}::test_zeros_instead_of_a_store",),
    ),
    # ------------------------------------------------------------------------------------ full
    Defect(
        name="never gives up its ballast",
        file="gateway/backlog/sqlite/medium.py",
        before="            self._ballast.unlink()\n        except OSError:\n            return False\n",
        after="        except OSError:\n            return False\n",
        red=(
            f"{FULL_MEDIUM}::test_the_ballast_lets_a_store_on_a_full_medium_be_emptied",
            f"{FULL_MEDIUM}::test_a_full_medium_does_not_keep_the_agent_from_starting",
        ),
    ),
    Defect(
        name="cannot delete on a full medium",
        file="gateway/backlog/sqlite/database.py",
        before="        return self.file.relieved(self._delete, rows, lambda _connection, _rows: None)\n",
        after="        return self._delete(rows, lambda _connection, _rows: None)\n",
        red=(f"{FULL_MEDIUM}::test_the_ballast_lets_a_store_on_a_full_medium_be_emptied",),
    ),
    Defect(
        name="lets its file grow without a bound",
        file="gateway/backlog/sqlite/file.py",
        before="        rim.limit_pages(connection, 1 if is_scarce else self._page_limit)\n",
        after="",
        red=(
            f"{FULL_MEDIUM}::test_below_the_floor_the_file_does_not_grow_and_what_is_free_in_it_is_used",
        ),
    ),
    # ----------------------------------------------------------------------------- memory only
    Defect(
        name="calls its store well while it can keep nothing",
        file="gateway/keeper.py",
        before="        self._condition.failed(error)\n        self._judge()\n",
        after="        self._judge()\n",
        red=(
            "tests/delivery/test_full_store.py::test_a_failing_store_is_told_once_and_so_is_its_return",
        ),
    ),
    Defect(
        name="takes what is in memory only for kept",
        file="gateway/keeper.py",
        before="            rows = await self._backlog.append([p.bundle for p in parcels], counters)\n",
        after=(
            "            try:\n"
            "                rows = await self._backlog.append([p.bundle for p in parcels], counters)\n"
            "            except BacklogError as error:\n"
            "                self._failed(error)\n"
            "                rows = range(1 << 40, (1 << 40) + len(parcels))\n"
        ),
        red=(
            "tests/delivery/test_full_store.py::test_a_failing_store_is_told_once_and_so_is_its_return",
        ),
    ),
)
