"""Power fails at every write, truncate, sync and change of a name of histories that are made up.

Each history is what an agent does to its store and what befalls that: kills, power cuts whose
recovery is cut again, failing operations, damaged pages, a medium that is full. See `cutting` for
what must hold; `make soak-cuts` goes on with as many histories as one likes.
"""

from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from tests.backlog.cutting import Outcome, cut
from tests.backlog.histories import Act, History, histories, made_up

# An outage and its end, with a kill in it, and with the store's own pragmas.
OUTAGE: Final = History(
    512_000_000,
    256,
    "nothing",
    (
        Act("append", 1, 1),
        Act("append", 3, 1),
        Act("settle", 1, 1),
        Act("drop", 0, 0),
        Act("drop_oldest", 1, 0),
        Act("append", 2, 3),
        Act("set_aside", 0, 2),
        Act("requeue", 0, 0),
        Act("kill", 0, 0),
        Act("append", 1, 3),
        Act("reserve_sessions", 0, 0),
    ),
)


# A page that cannot be read, with a log beside the file; the start after that is cut off, too.
DAMAGED: Final = History(
    512_000_000,
    6,
    "nothing",
    (
        *(Act("append", 2, turn) for turn in range(4)),
        Act("drop", 0, 2),
        Act("close", 0, 0),
        Act("append", 2, 1),
        Act("declare", 0, 3),
        Act("damage", 1, 0),
        Act("cut", 12, 0),
        Act("append", 2, 1),
        Act("kill", 0, 0),
    ),
)


@pytest.mark.slow
def test_a_power_cut_anywhere_in_any_history_loses_nothing_that_was_accepted() -> None:
    total = Outcome()
    played: list[History] = []

    @settings(
        max_examples=14,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories(least=6, most=9))
    def play(history: History) -> None:
        if len(played) >= 10 and total.distinct >= 3000:
            return
        played.append(history)
        outcome = cut(history)
        assert outcome.findings == []
        total.add(outcome)

    play()
    assert len(played) >= 10
    assert total.distinct >= 3000


def test_the_cuts_find_out_a_store_that_does_not_sync_each_commit() -> None:
    begin = OUTAGE._replace(acts=OUTAGE.acts[:5])
    outcome = cut(begin, {"PRAGMA synchronous=FULL": "PRAGMA synchronous=NORMAL"})
    assert sum("rows lost" in each for each in outcome.findings) > 50


def test_an_outage_with_the_pragmas_of_the_store_itself_loses_nothing() -> None:
    outcome = cut(OUTAGE)
    assert outcome.findings == []
    assert outcome.distinct > 300


def test_a_power_cut_while_a_damaged_file_is_replaced_loses_no_more_than_the_damage() -> None:
    outcome = cut(DAMAGED)
    assert outcome.findings == []
    assert outcome.distinct > 200


def test_a_history_is_the_same_whenever_it_is_made_up() -> None:
    assert made_up(8, 3) == made_up(8, 3)
    assert made_up(8, 3) != made_up(8, 4)
