"""What the page on wear says of the store's writes holds, counted below SQLite."""

from tests.benchmarks import wear
from tests.benchmarks.wear import COMMIT_S, PER_S, counted_at_the_vfs

COMMITS = 600
PAGE = 4096
ON_THE_PAGE = wear.Costs(run=16_464, save=4_120, commit=5_949, settled=720)  # SQLite's bytes


def test_each_part_of_a_day_costs_what_the_page_says() -> None:
    with counted_at_the_vfs("parts") as medium:
        found = wear.costs(medium, COMMITS)
    for part, told in zip(found, ON_THE_PAGE, strict=True):
        assert 0.7 * told < part < 1.3 * told, found
    assert found.commit / PAGE < 2, "a page and its share of a checkpoint"


def test_an_outage_costs_what_the_formula_says() -> None:
    with counted_at_the_vfs("parts again") as medium:
        found = wear.costs(medium, COMMITS)
    with counted_at_the_vfs("in one piece") as medium:
        whole = wear.outage(medium, COMMITS * COMMIT_S)
    told = found.run + COMMITS * (found.commit + found.settled)
    assert 0.85 < told / whole < 1.15
    assert PER_S * COMMIT_S == 7
