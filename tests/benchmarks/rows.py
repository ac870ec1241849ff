"""What a benchmark says: one line of the budgets, its target, what was measured, the verdict.

A verdict follows from the numbers; nobody writes one. What could not be measured says why.
"""

from enum import StrEnum
from typing import Final

import msgspec


class Verdict(StrEnum):
    """How a line of the budgets stands."""

    MET = "met"
    MISSED = "missed"
    CANNOT_RUN = "cannot run"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `note` says what else was measured, and what the number does not say."""

    name: str
    target: str
    measured: float | None
    unit: str
    verdict: Verdict
    note: str = ""


_MOST: Final = "<= {:g}"
_LEAST: Final = ">= {:,}"


def at_most(name: str, limit: float, measured: float, unit: str, note: str = "") -> Row:
    """Return the row of a budget that is not to be exceeded."""
    return Row(
        name=name,
        target=_MOST.format(limit),
        measured=measured,
        unit=unit,
        verdict=Verdict.MET if measured <= limit else Verdict.MISSED,
        note=note,
    )


def at_least(name: str, limit: int, measured: float, unit: str, note: str = "") -> Row:
    """Return the row of a budget that is to be reached."""
    return Row(
        name=name,
        target=_LEAST.format(limit),
        measured=measured,
        unit=unit,
        verdict=Verdict.MET if measured >= limit else Verdict.MISSED,
        note=note,
    )


def cannot_run(name: str, why: str) -> Row:
    """Return the row of a benchmark that failed: neither met nor missed."""
    return Row(name=name, target="", measured=None, unit="", verdict=Verdict.CANNOT_RUN, note=why)
