"""What every codec promises, checked over every example of every codec by the suite.

A new driver is tested by its two files alone: `name.py` and `name.json` beside it. That each check
finds what it is there for is shown in tests/conformance.
"""

import json
from pathlib import Path

from gateway.registry import discover
from tests.drivers.promises import each, keep

REGISTRY = discover()
FOLDER = Path(__file__).parents[2] / "drivers"


@each(REGISTRY.models(), REGISTRY)
def test_a_driver_keeps_its_promise(model: str, check: str) -> None:
    keep(model, check, REGISTRY)


def test_every_driver_file_is_loaded() -> None:
    assert REGISTRY.quarantined == []
    loaded = {REGISTRY.by_model(model).file for model in REGISTRY.models()}
    loaded |= {REGISTRY.modem(model).file for model in REGISTRY.modems()}
    native = [path for path in FOLDER.glob("*/[!_]*.py") if path.parent.name != "host"]
    assert {str(path) for path in native} <= loaded


def test_no_examples_stand_without_a_driver() -> None:
    known = {*REGISTRY.models(), *REGISTRY.modems(), *REGISTRY.missing}
    for path in FOLDER.glob("*/*.json"):
        documents = json.loads(path.read_bytes())
        for document in documents if isinstance(documents, list) else [documents]:
            assert document["model"] in known
