"""Every page and every frame of a store damaged in every way: it starts, delivers, and declares.

What was kept is delivered as it was, or declared; nothing comes back other than it was given. That
a medium undoes what it had synced (an older version of a page, the end of the log gone) can be
seen where rows are counted; losses, words and counters are then as they were at that time.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.backlog import damages
from tests.backlog.damages import FILE, LOG, PAGE, Damage, Kept

# Damages after which small tables may be as they once were, without a word.
UNDONE: Final = ("an older version", "frame", "log")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return a store whose last run ended in order: all in one file."""
    return damages.lived(tmp_path_factory.mktemp("clean"), cut_off=False)


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Return a store whose last run was cut off: its newest commits are in the log."""
    return damages.lived(tmp_path_factory.mktemp("cut"), cut_off=True)


def chance() -> random.Random:
    return random.Random(8)  # noqa: S311 - repeatable, not secret


def search(directory: Path, kept: Kept, found: Iterable[Damage]) -> Counter[str]:
    """Judge a start on each damage; how much was delivered, named and left open in all."""
    sums: Counter[str] = Counter()
    for damage in found:
        verdict = damages.judged(damages.laid_out(directory, damage.files), kept)
        assert not verdict.faults, f"{damage.name}: {verdict.faults}"
        undone = any(each in damage.name for each in UNDONE)
        assert undone or not verdict.aged, f"{damage.name}: {verdict.aged}"
        sums["damages"] += 1
        sums["quarantined"] += verdict.is_quarantined
        sums["delivered"] += verdict.delivered
        sums["named"] += verdict.named
        sums["unclean"] += verdict.unclean
    return sums


def test_the_store_that_is_damaged_is_sound_and_has_all_that_stores_have(
    clean: Kept, cut_off: Kept, tmp_path: Path
) -> None:
    for kept in (clean, cut_off):
        verdict = damages.judged(damages.laid_out(tmp_path / "store", kept.files), kept)
        owed = sum(map(len, kept.owed.values()))
        assert verdict == damages.Verdict(owed, 0, 0, is_quarantined=False, faults=(), aged=())
        assert min(len(kept.losses), len(kept.asides), len(kept.counters), len(kept.memories)) > 3
    assert len(clean.files[FILE]) // PAGE > 40
    assert (set(clean.files), set(cut_off.files)) == ({FILE}, {FILE, LOG})


def test_each_page_flipped_zeroed_swapped_cut_off_or_out_of_date_costs_nothing_undeclared(
    clean: Kept, tmp_path: Path
) -> None:
    sums = search(tmp_path / "store", clean, damages.page_damages(clean, chance()))
    owed = sum(map(len, clean.owed.values()))
    assert sums["damages"] > 6 * 40
    assert sums["quarantined"] > sums["damages"] // 2
    assert sums["delivered"] > owed * sums["damages"] * 2 // 3
    assert sums["delivered"] + sums["named"] + sums["unclean"] == owed * sums["damages"]


def test_each_part_of_the_log_damaged_costs_nothing_undeclared(
    cut_off: Kept, clean: Kept, tmp_path: Path
) -> None:
    others = damages.lived(tmp_path / "other", cut_off=True).files[LOG]
    found = list(damages.log_damages(cut_off, others, chance()))
    sums = search(tmp_path / "store", cut_off, found[::5])
    assert sums["damages"] > 80
    assert sums["quarantined"] > sums["damages"] * 3 // 4, "damage is told from a power cut"
    assert clean.owed


def test_a_changed_byte_among_the_bundles_is_delivered_as_it_was_or_declared(
    clean: Kept, tmp_path: Path
) -> None:
    leaf = damages.leaves(clean)[3]
    found = list(damages.byte_damages(clean, [leaf], chance()))
    sums = search(tmp_path / "store", clean, found[::37])
    assert sums["unclean"] == 0


def test_a_row_whose_number_has_become_another_costs_nothing_undeclared(
    clean: Kept, tmp_path: Path
) -> None:
    sums: Counter[str] = Counter()
    for leaf in damages.leaves(clean)[:20:7]:
        found = list(damages.row_number_damages(clean, leaf))
        sums += search(tmp_path / "store", clean, found[3::17])
    assert sums["delivered"] > sums["damages"] * 500
    assert sums["named"] > 100, "a row has taken the place of another"


# ----------------------------------------------------------------------------------- the long ones
@pytest.mark.long
def test_each_page_of_a_store_that_was_cut_off_costs_nothing_undeclared(
    cut_off: Kept, tmp_path: Path
) -> None:
    for seed in range(8):
        chance_ = random.Random(seed)  # noqa: S311 - repeatable
        search(tmp_path / "store", cut_off, damages.page_damages(cut_off, chance_))


@pytest.mark.long
def test_every_part_of_every_frame_of_the_log_damaged_costs_nothing_undeclared(
    cut_off: Kept, tmp_path: Path
) -> None:
    others = damages.lived(tmp_path / "other", cut_off=True).files[LOG]
    search(tmp_path / "store", cut_off, damages.log_damages(cut_off, others, chance()))


@pytest.mark.long
def test_every_byte_of_pages_of_bundles_changed_costs_nothing_undeclared(
    clean: Kept, tmp_path: Path
) -> None:
    pages = [2, damages.leaves(clean)[0], damages.leaves(clean)[-1]]
    search(tmp_path / "store", clean, damages.byte_damages(clean, pages, chance()))


@pytest.mark.long
def test_bytes_of_the_small_tables_changed_cost_nothing_undeclared(
    clean: Kept, tmp_path: Path
) -> None:
    found = damages.byte_damages(clean, [1, 3, 4, 5, 6, 7, 8, 9], chance())
    search(tmp_path / "store", clean, itertools.islice(found, 0, None, 8))
