"""The catalogue of faults is whole, and what it names is there: tests, scenarios, commands.

The page docs/explanation/what-ugw-survives.md is written from it; what stands there can be typed.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.sim.shipped import folder
from tests.node_ids import find
from tests.survival.catalogue import FAMILIES, LATER
from tests.survival.fault import Fault, Later

ROOT = Path(__file__).resolve().parents[2]
ROWS = range(1, 33)
FAULTS = [fault for faults in FAMILIES.values() for fault in faults]
SCENARIOS = {path.stem for path in folder("scenarios").glob("*.yaml")}
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_each_fault_of_the_catalogue_is_told_or_said_to_come_later() -> None:
    told = {fault.row for fault in FAULTS} | {later.row for later in LATER}
    assert sorted(set(ROWS) - told) == [], "rows that nobody tells"
    assert sorted(told - set(ROWS)) == [], "rows that there are not"


def wrong_with_its_tests(fault: Fault) -> Iterator[str]:
    """Say what is wrong with the tests that a fault names."""
    if not fault.tests and not fault.soak:
        yield "nothing shows it"
    for test in fault.tests:
        found = find(ROOT, test)
        if found is None:
            yield f"{test}: there is no such test"
        elif found.marks & {"long", "skip", "hardware"} and not fault.soak:
            yield f"{test}: not run by `make test`, and no `soak` names what runs it"


def wrong_with_its_commands(fault: Fault) -> Iterator[str]:
    """Say what of a fault's commands cannot be typed."""
    if fault.scenario and fault.scenario not in SCENARIOS:
        yield f"{fault.scenario}: no scenario of this name is shipped"
    program, _, target = fault.soak.partition(" ")
    if fault.soak and (program != "make" or target.split()[0] not in TARGETS):
        yield f"{fault.soak}: make has no such target"


def wrong_with_its_sentences(entry: Fault | Later) -> Iterator[str]:
    """Say what would not read well on the page."""
    text = entry.happens if isinstance(entry, Fault) else entry.why
    if not text.endswith((".", ".)")):
        yield f"no full stop: {text[-40:]!r}"
    if text[:1].islower():
        yield f"begins small: {text[:40]!r}"
    if isinstance(entry, Fault) and not entry.lost:
        yield "does not say what is lost"
    if entry.name.endswith("."):
        yield f"a name is no sentence: {entry.name!r}"


Rule = Callable[[Fault], Iterator[str]]
RULES: list[Rule] = [wrong_with_its_tests, wrong_with_its_commands, wrong_with_its_sentences]
HERE = "tests/survival/test_catalogue.py"
SOUND = Fault(
    1,
    "The broker is away",
    happens="It waits, and then sends it all.",
    lost="nothing",
    tests=(f"{HERE}::test_each_fault_of_the_catalogue_is_told_or_said_to_come_later",),
    scenario="broker-away",
    soak="make soak-cuts",
)
LONG = "tests/esp32/test_scenarios.py::test_a_frozen_broker_is_noticed_and_costs_nothing"


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (wrong_with_its_tests, SOUND._replace(tests=(), soak="")),
        (wrong_with_its_tests, SOUND._replace(tests=(f"{HERE}::test_gone",))),
        (wrong_with_its_tests, SOUND._replace(tests=(LONG,), soak="")),
        (wrong_with_its_commands, SOUND._replace(scenario="earthquake")),
        (wrong_with_its_commands, SOUND._replace(soak="make tea")),
        (wrong_with_its_commands, SOUND._replace(soak="pytest tests")),
        (wrong_with_its_sentences, SOUND._replace(happens="It waits")),
        (wrong_with_its_sentences, SOUND._replace(happens="it waits.")),
        (wrong_with_its_sentences, SOUND._replace(lost="")),
        (wrong_with_its_sentences, SOUND._replace(name="The broker is away.")),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Rule, wrong: Fault) -> None:
    assert list(rule(wrong))
    assert not list(rule(SOUND))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_the_catalogue_says_is_there(rule: Rule) -> None:
    findings = [f"{fault.row} {fault.name}: {said}" for fault in FAULTS for said in rule(fault)]
    assert not findings, "\n".join(findings)


def test_what_comes_later_is_said_in_sentences() -> None:
    assert [said for later in LATER for said in wrong_with_its_sentences(later)] == []
