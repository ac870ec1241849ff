"""What one fault is to the gateway: what happens, what is lost, and the tests that show it.

The records are data for two readers: docs/explanation/what-ugw-survives.md is written from them
(`python -m tools.docs`), and test_catalogue.py fails when one names a test that there is not.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """A fault, and what ugw makes of it, told to city IT in plain words."""

    row: int  # of the fault catalogue the project works from, 1 to 32
    name: str  # the fault in the field's words: "Half-open TCP: the broker's host freezes"
    happens: str  # what the gateway does, and what the platform or an installer sees of it
    lost: str  # "nothing", or what, and where that is declared
    tests: tuple[str, ...]  # of `make test`: "tests/scenarios/test_broker.py::test_a_frozen_..."
    scenario: str = ""  # a shipped one that plays it: `ugw simulate NAME`
    soak: str = ""  # a command that searches longer: "make soak-cuts"


class Later(NamedTuple):
    """A row, or a part of it, of which there is nothing in ugw yet that it could happen to."""

    row: int
    name: str
    why: str
