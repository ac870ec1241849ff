"""Histories of a store, made up by hypothesis: what an agent does to it, and what befalls it."""

from typing import Final, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st


class Act(NamedTuple):
    """One thing that is done, or that happens; `a` and `b` choose how much and which."""

    name: str
    a: int
    b: int


class History(NamedTuple):
    """How large the store may be, after how many pages it makes a checkpoint, and what is done.

    `checkpoint`: 256 is the real one; less of them let a short history have many.
    `begins`: with nothing, or with a store of an earlier version.
    """

    max_bytes: int
    checkpoint: int
    begins: str
    acts: tuple[Act, ...]


# As often as they stand here.
NAMES: Final = (
    *("append",) * 5,
    *("append_many",) * 2,
    *("settle",) * 3,
    "lease",
    *("drop",) * 2,
    *("drop_oldest",) * 2,
    *("set_aside",) * 2,
    "requeue",
    "purge",
    "declare",
    "forget_losses",
    "remember",
    "save_counters",
    "reserve_sessions",
    "forget_previous",
    "drain",
    "scarce",
    *("close",) * 2,
    *("kill",) * 2,
    *("cut",) * 3,
    "damage",
    "fail",
)
_DRAWN: Final = 8  # hypothesis begins with simple ones


def acts() -> st.SearchStrategy[Act]:
    """Return what makes up an act."""
    return st.builds(Act, st.sampled_from(NAMES), st.integers(0, 99), st.integers(0, 99))


def histories(least: int = 20, most: int = 40) -> st.SearchStrategy[History]:
    """Return what makes up a history of so many acts."""
    return st.builds(
        History,
        st.sampled_from((512_000_000, 200_000, 100_000)),
        st.sampled_from((256, 24, 6)),
        st.sampled_from(("nothing", "nothing", "version 1", "version 2")),
        st.lists(acts(), min_size=least, max_size=most).map(tuple),
    )


def made_up(seed: int, number: int) -> History:
    """Return one of the endless histories of a seed, always the same."""
    found: list[History] = []

    @seeded(seed * 1_000_003 + number)
    @settings(
        max_examples=_DRAWN,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories())
    def collect(history: History) -> None:
        found.append(history)

    collect()
    return found[-1]
