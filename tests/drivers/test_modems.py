"""What every modem driver promises, checked over every example of every one by the suite."""

from gateway.registry import discover
from tests.drivers.promises import each, keep

REGISTRY = discover()


@each(REGISTRY.modems(), REGISTRY)
def test_a_modem_driver_keeps_its_promise(model: str, check: str) -> None:
    keep(model, check, REGISTRY)
