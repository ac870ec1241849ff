"""The suite as tests: one for each driver and check."""

import pytest

from gateway.conformance import suite
from gateway.registry import Registry

# Left out because of the driver: it goes without saying. Because of the machine: it is told.
_OF_THIS_MACHINE = " here"


def each(models: tuple[str, ...], registry: Registry) -> pytest.MarkDecorator:
    """Parametrise a test over drivers and checks."""
    cases = [(model, name) for model in models for name in suite.checks(model, registry)]
    return pytest.mark.parametrize(("model", "check"), cases, ids=[f"{m}: {c}" for m, c in cases])


def keep(model: str, check: str, registry: Registry) -> None:
    """Fail with the findings of one check of one driver."""
    outcome = suite.checks(model, registry)[check]()
    if _OF_THIS_MACHINE in outcome.left_out:
        pytest.skip(outcome.left_out)
    assert outcome.is_good, "\n".join([outcome.sentence, *map(str, outcome.findings)])
