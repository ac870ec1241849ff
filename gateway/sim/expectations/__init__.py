"""Expectations by name, as scenarios write them: `that: every_accepted_observation_delivered`.

They judge from outside: what went on the air, what a subscriber got, what the agent logged.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.errors import SimulatorError
from gateway.sim.expectations import delivery, health
from gateway.sim.expectations.expectation import Expectation, Verdict, check_needs, decide
from gateway.sim.expectations.judge import Judge
from gateway.sim.verbs import arguments_of

__all__ = [
    "EXPECTATIONS",
    "Expectation",
    "Judge",
    "Verdict",
    "check_expectation",
    "check_needs",
    "decide",
    "find_expectation",
]

EXPECTATIONS: Final[Mapping[str, Expectation]] = MappingProxyType(
    {one.name: one for one in (*delivery.EXPECTATIONS, *health.EXPECTATIONS)}
)


def find_expectation(name: str) -> Expectation:
    """Return the expectation of a name. Raises SimulatorError."""
    found = EXPECTATIONS.get(name)
    if found is None:
        cause = f"there is no expectation {quoted(name)}{did_you_mean(name, EXPECTATIONS)}"
        raise SimulatorError(cause, "`ugw simulate list expectations` shows all")
    return found


async def check_expectation(
    judge: Judge, name: str, *, since_s: float | None = None, **arguments: object
) -> Verdict:
    """Check one, with arguments as in YAML; `since_s`, by the bench's clock: now by default.

    Raises SimulatorError for arguments that cannot be, and for what the level cannot tell.
    """
    expected = find_expectation(name)
    level = judge.bench.level
    if level not in expected.levels:
        cause = f"{name} cannot be told on the level {level}"
        raise SimulatorError(cause, f"it can on {', '.join(sorted(expected.levels))}")
    check_needs(expected)
    given = arguments_of(name, expected.Arguments, arguments)
    now_s = judge.bench.at_s
    return await decide(judge, expected, given, since_s=now_s if since_s is None else since_s)
