"""The books of the SQLite backlog where calls overlap, which only luck would show from outside."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.backlog.sqlite.ledger import Ledger, RowSet
from tests.backlog.places import bundle, run_streams


def _ledger(rows: int) -> Ledger:
    """Return the books of a run that has just appended `rows` rows, numbered from 1."""
    streams = run_streams("A")
    ledger = Ledger(streams, next_row=1)
    ledger.appended(range(1, rows + 1), [bundle(streams[0]) for _ in range(rows)])
    return ledger


def test_a_row_released_while_others_are_being_leased_is_found_by_the_next_lease() -> None:
    ledger = _ledger(6)
    ledger.release([4, 5, 6])
    assert ledger.begin_lease() <= 4
    ledger.release([2])
    ledger.end_lease(7, {4: 1, 5: 1, 6: 1})
    assert ledger.unleased == 1
    assert ledger.begin_lease() <= 2


def test_a_lease_that_failed_begins_again_where_it_began() -> None:
    ledger = _ledger(3)
    ledger.release([2, 3])
    start = ledger.begin_lease()
    ledger.end_lease(start, {})
    assert ledger.begin_lease() == start <= 2


def test_a_row_released_while_it_is_being_settled_stays_settled() -> None:
    ledger = _ledger(2)
    assert ledger.begin_settle([1]) == [1]
    ledger.release([1])
    assert ledger.unleased == 0
    ledger.end_settle(deleted=True)
    assert (ledger.bundles, ledger.unleased) == (1, 0)


def test_rows_whose_deletion_failed_are_leased_as_before() -> None:
    ledger = _ledger(2)
    ledger.begin_settle([1, 2])
    ledger.end_settle(deleted=False)
    assert (ledger.bundles, ledger.unleased) == (2, 0)
    ledger.release([1])
    assert ledger.unleased == 1


def test_a_row_released_while_it_is_being_dropped_is_gone() -> None:
    ledger = _ledger(2)
    ledger.release([1])
    ledger.dropped({1: 1, 2: 1})
    ledger.release([2])
    assert (ledger.bundles, ledger.observations, ledger.unleased) == (0, 0, 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(5, 90)), max_size=60))
def test_the_lowest_of_a_set_of_rows_is_known(steps: list[tuple[bool, int]]) -> None:
    rows, expected = RowSet(5), set[int]()
    for is_added, row in steps:
        (rows.add if is_added else rows.remove)(row)
        (expected.add if is_added else expected.discard)(row)
        assert rows.lowest() == min(expected, default=None)
