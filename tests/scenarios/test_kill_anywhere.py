"""SIGKILL anywhere: twenty lives of a real agent, each cut off at another instant, one ledger.

What comes in which order is the same in every run; the instants are those of the real machine.
`make soak-kills` plays hundreds, and longer lives.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.scenarios.killing import Round, play_round

GUARD_S: Final = 240.0


@pytest.mark.parametrize("seed", [2, 5])
def test_killed_at_random_instants_what_the_agent_had_accepted_arrives(
    tmp_path: Path, seed: int
) -> None:
    """Under the unit's memory limit, too: none of these lives needs more."""
    toll = play_round(tmp_path, Round(seed=seed, kills=8, longest_s=2.5), guard_s=GUARD_S)
    assert toll.kills == 8
    assert toll.rows, "there was nothing to lose"
    assert toll.arrived > 30


def test_with_a_slow_sync_what_is_committed_or_acknowledged_outlives_each_kill(
    tmp_path: Path,
) -> None:
    """A commit that takes half a second is no longer within the second that is promised."""
    given = Round(seed=7, kills=4, longest_s=2.0, sync_s=0.5)
    toll = play_round(tmp_path, given, guard_s=GUARD_S)
    assert toll.kills == 4
    assert toll.prompt == 0
    assert toll.rows, "there was nothing to lose"
