"""The suite over one driver, a codec or a modem, built-in or foreign.

    for outcome in outcomes("acme-x1", registry): ...

Without examples nothing else can be checked, so that is the first check, and then the only one.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from gateway.conformance import codec, modem
from gateway.conformance.checks import Outcome, run
from gateway.registry import Registry

Checks = Mapping[str, Callable[[], Outcome]]


def checks(model: str, registry: Registry) -> Checks:
    """Return the checks on a driver of the registry by name, in order. Raises DriverError."""
    if model in registry.modems():
        line = modem.Subject(registry.modem(model))
        return {check.name: partial(run, model, check, line) for check in modem.CHECKS}
    heard = codec.Subject(registry.by_model(model), registry)
    return {check.name: partial(run, model, check, heard) for check in codec.CHECKS}


def outcomes(model: str, registry: Registry) -> Iterator[Outcome]:
    """Do all checks on a driver, one after the other. Raises DriverError."""
    for check in checks(model, registry).values():
        outcome = check()
        yield outcome
        if not outcome.is_good and outcome.check == codec.DOCUMENTED:
            return
