"""A scenario that fails, made smaller: what can be left out and it still fails, is left out.

Faults first, then sensors, then numbers of sensors, noise and expectations; each candidate is
played again. Inside, that is cheap; the smallest one found within the time is what is returned.
"""

import re
import time
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from pydantic import ValidationError

from gateway.errors import SimulatorError
from gateway.sim.bench import Level
from gateway.sim.scenario import Scenario
from gateway.sim.theatre.performance import perform

_BUDGET_S: Final = 60.0
_NUMBERED: Final = re.compile(r"\S*\d\S*")  # numbers, times, streams, addresses


def reduce(
    scenario: Scenario, level: Level = "inside", *, budget_s: float = _BUDGET_S
) -> Scenario:
    """Return the smallest scenario found that fails in the same expectation.

    Raises SimulatorError when it does not fail, or when each play takes real time.
    """
    if level != "inside":
        cause = f"on the level {level} each play takes as long as it takes"
        raise SimulatorError(cause, "only scenarios that fail inside can be reduced")
    failed = _failed(scenario)
    if not failed:
        cause = f"the scenario {scenario.name!r} does not fail: nothing can be left out"
        raise SimulatorError(cause)
    end_s = time.monotonic() + budget_s
    smallest, again = scenario, True
    while again and time.monotonic() < end_s:
        again = False
        for candidate in _smaller(smallest):
            if time.monotonic() >= end_s:
                break
            if _failed(candidate) & failed:
                smallest, again = candidate, True
                break
    return smallest


def _failed(scenario: Scenario) -> set[str]:
    """Return what fails and why, but for the numbers in it. What cannot be played fails not."""
    try:
        outcome = perform(scenario, "inside")
    except SimulatorError:
        return set()
    return {
        f"{verdict.name}: {_NUMBERED.sub('#', verdict.why)}"
        for verdict in outcome.verdicts
        if not verdict.ok
    }


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Yield scenarios that have a little less, the largest steps first."""
    document = deepcopy(dict(scenario.written()))
    for less in _less(document):
        try:
            yield Scenario.model_validate(less)
        except ValidationError:
            continue  # what is left does not go together


def _less(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "noise" in document:
        yield {key: value for key, value in document.items() if key != "noise"}
    for key in ("faults", "sensors", "expect"):
        items = document.get(key, [])
        for index in range(len(items)):
            yield {**document, key: [*items[:index], *items[index + 1 :]]}
    sensors = document.get("sensors", [])
    for index, sensor in enumerate(sensors):
        if sensor.get("count", 1) > 1:
            fewer = {**sensor, "count": sensor["count"] // 2}
            yield {**document, "sensors": [*sensors[:index], fewer, *sensors[index + 1 :]]}
