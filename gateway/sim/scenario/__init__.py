"""Scenarios: a world, what happens in it, and what is expected, as a YAML file says it."""

from gateway.sim.scenario.loading import (
    find_scenario,
    load_scenario,
    read_scenario,
    shipped,
)
from gateway.sim.scenario.model import Scenario
from gateway.sim.scenario.planned import FaultScenario
from gateway.sim.scenario.schema import schema_text

__all__ = [
    "FaultScenario",
    "Scenario",
    "find_scenario",
    "load_scenario",
    "read_scenario",
    "schema_text",
    "shipped",
]
