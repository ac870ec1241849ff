"""Scenarios from files: read, or found by name.

All that is wrong with a file is told at once, with file:line:column.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.config import load_model, read_file
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.errors import SimulatorError
from gateway.exit_codes import ExitCode
from gateway.sim import shipped as shipping
from gateway.sim.bench import Level
from gateway.sim.scenario.fields import Terms
from gateway.sim.scenario.model import Scenario

_SUFFIX: Final = ".yaml"


def load_scenario(path: Path, level: Level | None = None) -> Scenario:
    """Read a scenario, for a level or for either. Raises ConfigError with every fault of it."""
    return read_scenario(read_file(path), str(path), level)


def read_scenario(text: str, name: str = "scenario.yaml", level: Level | None = None) -> Scenario:
    """Read a scenario that is at hand. Raises ConfigError with every fault of it."""
    return load_model(text, name, Scenario, context=Terms(level))


def shipped() -> Mapping[str, Path]:
    """Return the scenarios that come with ugw, by their names. Raises SimulatorError."""
    found = sorted(shipping.folder("scenarios").glob(f"*{_SUFFIX}"))
    return {path.stem: path for path in found}


class NoScenarioError(SimulatorError):
    """There is no such scenario: that is no scenario that has failed."""

    exit_code = ExitCode.CONFIGURATION


def find_scenario(what: str | Path) -> Path:
    """Return the file of a path, or of a name of those shipped. Raises SimulatorError."""
    path, known = Path(what), shipped()
    if path.exists() or path.suffix == _SUFFIX:
        return path
    if str(what) in known:
        return known[str(what)]
    cause = f"there is no scenario {quoted(what)}{did_you_mean(str(what), known)}"
    raise NoScenarioError(cause, "name a file, or one of `ugw simulate list scenarios`")
