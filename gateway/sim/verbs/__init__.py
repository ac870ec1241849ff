"""Faults by name, as scenarios write them: `do: broker.down`.

Each says what it does in a sentence, what it takes, and on which of the two levels it works.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from gateway.config.explain import did_you_mean, message
from gateway.config.findings import path_text, quoted
from gateway.config.section import Section
from gateway.errors import SimulatorError
from gateway.sim.bench import Bench
from gateway.sim.verbs import bluetooth, broker, machine, net, serial
from gateway.sim.verbs.verb import Nothing, Verb

__all__ = ["ALIASES", "VERBS", "Nothing", "Verb", "arguments_of", "begin_fault", "find_verb"]

VERBS: Final[Mapping[str, Verb]] = MappingProxyType(
    {
        one.name: one
        for one in (
            *broker.VERBS,
            *net.VERBS,
            *machine.VERBS,
            *serial.VERBS,
            *bluetooth.VERBS,
        )
    }
)
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {alias: one.name for one in VERBS.values() for alias in one.aliases}
)


def find_verb(name: str) -> Verb:
    """Return the fault of a name, or of a former name. Raises SimulatorError."""
    found = VERBS.get(ALIASES.get(name, name))
    if found is None:
        cause = f"there is no fault {quoted(name)}{did_you_mean(name, VERBS)}"
        raise SimulatorError(cause, "`ugw simulate list faults` shows all")
    return found


def arguments_of(what: str, kind: type[Section], given: Mapping[str, object]) -> Section:
    """Check arguments as they stand in YAML. Raises SimulatorError with all that is wrong."""
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        known = [field.alias or name for name, field in kind.model_fields.items()]
        lines = [
            f"{path_text(line['loc'])}: {message(line, str((*line['loc'], '')[0]), known)}"
            for line in error.errors(include_url=False)
        ]
    cause = f"{what} cannot be: {'; '.join(lines)}"
    raise SimulatorError(cause, f"it takes {', '.join(known) or 'nothing'}")


@asynccontextmanager
async def begin_fault(bench: Bench, name: str, **arguments: object) -> AsyncGenerator[None]:
    """Break something, with arguments as in YAML; mend it on leaving. Raises SimulatorError."""
    found = find_verb(name)
    if bench.level not in found.levels:
        cause = f"{found.name} does not work on the level {bench.level}"
        raise SimulatorError(cause, f"it does on {', '.join(sorted(found.levels))}")
    async with found.begin(bench, arguments_of(found.name, found.Arguments, arguments)):
        yield
