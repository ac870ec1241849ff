"""The page of faults: what is linked is meant, and what can be typed is there."""

import pytest

from tests.planted.defect import Defect
from tests.survival.fault import Fault
from tools.docs import survival
from tools.docs.markup import MissingWordsError

NEURON = Defect(
    "loses it", "a.py", "a", "b", ("tests/x/test_y.py::test_it_is_kept",), "EMQX Neuron"
)
FAULT = Fault(1, "The broker is away", "It waits.", "nothing", ("tests/x/test_y.py::test_a",))


def test_the_issue_of_a_peer_is_linked_and_the_tests_stand_there_by_their_sentences() -> None:
    vector = NEURON._replace(like="Vector #1, #2; NanoMQ #3")
    page = survival.page_of({}, [NEURON, vector], [])
    vectors = "https://github.com/vectordotdev/vector/issues"
    assert f"| Vector [#1]({vectors}/1), [#2]({vectors}/2); NanoMQ [#3](" in page
    assert "| EMQX Neuron | loses it | [it is kept](../../tests/x/test_y.py) |" in page


def test_a_peer_whose_tracker_nobody_knows_ends_the_run() -> None:
    with pytest.raises(MissingWordsError, match="TRACKERS: where is 'Acme #1'"):
        survival.page_of({}, [NEURON._replace(like="Acme #1")], [])


def test_a_fault_is_shown_by_commands_that_can_be_typed() -> None:
    files = ("x/test_y.py::test_a", "x/test_y.py::test_b", "z/test_z.py::test_c", "w.py::test_d")
    tests = tuple(f"tests/{file}" for file in files)
    more = FAULT._replace(tests=tests, scenario="quick", soak="make soak-cuts")
    page = survival.page_of({"Storms": [FAULT, more]}, [], [])
    assert "| `make test TESTS=tests/x/test_y.py` |" in page
    both = "`make test TESTS='tests/x/test_y.py tests/z/test_z.py'`"
    assert (
        f"| {both}, `ugw simulate quick`, `make soak-cuts`, and in [w](../../tests/w.py) |" in page
    )
