"""Scenarios are performed on either level, judged, told, and made smaller when they fail."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from gateway.errors import SimulatorError
from gateway.sim.bench import Level
from gateway.sim.expectations import Verdict
from gateway.sim.scenario import Scenario, load_scenario, read_scenario, shipped
from gateway.sim.theatre import Event, Look, Options, Outcome, around, perform, reduce

EXPECTING: Final[Mapping[str, Path]] = {
    name: path for name, path in shipped().items() if load_scenario(path).expect
}
LONG: Final = {"power-cuts", "radio-trouble", "wrong-time"}  # the others show as much sooner
SMALL: Final = """
seed: 5
duration: 10min
sensors:
  - {model: bthome-v2, address: "C0:FF:EE:00:00:01", count: 3, every: 20s}
faults:
  - {at: 1min, do: broker.down, for: 3min}
  - {at: 90s, do: power.cut, for: 10s}
expect:
  - every_accepted_observation_delivered
  - {that: recovers, after: broker.down, within: 2min}
"""
FAILING: Final = """
seed: 5
duration: 20min
sensors:
  - {model: bthome-v2, address: "C0:FF:EE:00:00:01", count: 4, every: 20s}
  - {model: ruuvi-rawv2, address: "C0:FF:EE:00:02:01", every: 20s}
noise: {phones: 2, every: 10s}
faults:
  - {at: 1min, do: clock.step, forward: 1h}
  - {at: 2min, do: net.down, for: 5min}
  - {at: 8min, do: ble.wedge}
expect:
  - laws_hold
  - {that: latency_p99, below: 1min}
"""


def told(scenario: Scenario, level: Level = "inside") -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return perform(scenario, level, tell=events.append), events


def failures(outcome: Outcome) -> list[tuple[str, str]]:
    return [(verdict.name, verdict.why) for verdict in outcome.verdicts if not verdict.ok]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in EXPECTING],
)
def test_what_the_examples_expect_holds_inside(name: str) -> None:
    outcome = perform(load_scenario(EXPECTING[name], "inside"), "inside")
    assert not failures(outcome)
    assert outcome.ok
    assert outcome.delivered > 60


def test_at_least_eight_examples_expect_something() -> None:
    assert len(EXPECTING) >= 8


@pytest.mark.slow
def test_what_the_quick_example_expects_holds_of_the_real_agent_too() -> None:
    scenario = load_scenario(EXPECTING["quick"], "process")
    outcome = perform(scenario, "process", speed=3)
    assert not failures(outcome)
    assert outcome.delivered > 10  # how many there are depends on when the agent is up again


@pytest.mark.long
def test_faults_of_disk_and_clock_work_under_the_real_agent() -> None:
    outcome = perform(load_scenario(EXPECTING["quick-card"], "process"), "process")
    assert not failures(outcome)


# ---------------------------------------------------------------------------------- the same again
def test_the_same_seed_gives_the_same_play_and_another_another() -> None:
    scenario = read_scenario(SMALL)
    one, again = told(scenario), told(scenario)
    assert one[1] == again[1]
    assert one[0].verdicts == again[0].verdicts
    assert (one[0].sent, one[0].delivered) == (again[0].sent, again[0].delivered)
    other = perform(scenario, "inside", seed=6)
    assert other.seed == 6
    assert other.timeline != one[0].timeline


def test_what_happens_is_told_in_order_with_its_time() -> None:
    outcome, events = told(read_scenario(SMALL))
    assert outcome.ok
    whats = [event.what for event in outcome.timeline]
    for what in ("broker.down", "power.cut", "power.cut is over", "broker.down is over"):
        assert what in whats
    assert whats.index("broker.down is over") > whats.index("power.cut is over")
    assert "the agent was started again" not in whats  # a power cut holds it down
    assert {event.at_s for event in events if event.what == "broker.down"} == {60.0}
    assert [event.at_s for event in outcome.timeline] == sorted(one.at_s for one in events)


# ----------------------------------------------------------------------------------------- failure
def test_a_failure_is_reported_with_its_seed_its_surroundings_and_the_way_to_see_it_again() -> (
    None
):
    options = Options(file=Path("street light.yaml"))
    outcome = perform(read_scenario(FAILING), "inside", options=options)
    report = outcome.report()
    assert not outcome.ok
    assert re.search(r"FAIL  latency_p99\n +99 % of the frames took up to \d+", report)
    assert re.search(r"\n +\d+\.\d+ s, sent at 1\d\d\.\d+ s\n", report), report
    assert re.search(r" 120\.000 s +net\.down\n", report)
    assert "ble.wedge" not in report.partition("what happened")[2]
    assert "seed 5" in report
    assert "ugw simulate 'street light.yaml' --level inside --seed 5" in report


def test_a_failing_scenario_is_reduced_to_what_makes_it_fail() -> None:
    smallest = reduce(read_scenario(FAILING))
    assert [fault.do for fault in smallest.breaks] == ["net.down"]
    assert [(sensor.model, sensor.count) for sensor in smallest.sensors] == [("ruuvi-rawv2", 1)]
    assert [expected.that for expected in smallest.expect] == ["latency_p99"]
    assert not smallest.noise.phones
    assert not perform(read_scenario(smallest.to_yaml("smaller")), "inside").ok


def test_what_does_not_fail_is_not_reduced() -> None:
    with pytest.raises(SimulatorError, match="does not fail"):
        reduce(read_scenario(SMALL))


def test_an_agent_that_cannot_start_is_started_again_as_the_service_manager_does() -> None:
    text = """
duration: 20min
sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 20s}]
faults:
  - {at: 2min, do: disk.eio, for: 5min}
  - {at: 3min, do: power.cut, for: 10s}
expect: [{that: recovers, after: disk.eio, within: 3min}, laws_hold]
"""
    outcome, events = told(read_scenario(text))
    assert not failures(outcome)
    again = [one.at_s for one in events if one.what == "the agent was started again"]
    assert len(again) == 1
    assert 420 < again[0] < 490
    assert any("has ended with code 4" in event.what for event in events)


def test_an_agent_that_is_not_there_in_the_end_is_a_failure_nobody_has_to_ask_for() -> None:
    text = """
duration: 2min
sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 20s}]
faults:
  - {at: 30s, do: power.cut, for: 10s}
  - {at: 20s, do: disk.eio, for: 5min}
"""
    outcome = perform(read_scenario(text), "inside")
    assert [name for name, _ in failures(outcome)] == ["runs_at_the_end", "ends_in_order"]


def test_an_expectation_after_a_fault_is_of_each_time_and_of_whom_it_struck() -> None:
    text = """
duration: 1h
gateways: [a, b]
sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 20s}]
faults: [{every: 15min, do: net.down, for: 1min, gateway: b}]
expect:
  - {that: recovers, after: net.down, within: 5min}
  - {that: delivered, at: 5min}
  - {that: duplicates, at_most: 1000, gateway: b}
"""
    outcome = perform(read_scenario(text), "inside")
    assert outcome.ok
    names = [(one.name, one.gateway) for one in outcome.verdicts]
    assert names.count(("recovers after net.down", "b")) == 3
    assert ("recovers after net.down", "a") not in names
    assert {("delivered", "a"), ("delivered", "b"), ("duplicates", "b")} <= set(names)
    assert ("duplicates", "a") not in names


def test_a_fault_that_lasts_ends_with_the_scenario() -> None:
    text = """
duration: 10min
sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 20s}]
faults: [{at: 5min, do: net.down, for: 12h}]
expect: [every_accepted_observation_delivered]
"""
    outcome, events = told(read_scenario(text))
    assert outcome.ok
    assert [event.at_s for event in events if event.what == "net.down is over"] == [600.0]
    assert outcome.duration_s < 1000


def test_what_may_take_its_time_has_it_when_the_sensors_are_silent() -> None:
    text = SMALL.replace("1min, do: broker.down, for: 3min", "8min, do: broker.down, for: 10min")
    text = (
        text.partition("expect:")[0]
        + """
expect:
  - {that: every_accepted_observation_delivered, within: 5min}
"""
    )
    assert failures(perform(read_scenario(text), "inside")) == []


def test_around_a_failure_few_events_are_shown() -> None:
    timeline = [Event(at_s=float(number), what=f"event {number}") for number in range(1000)]
    verdict = Verdict(name="laws_hold", ok=False, at_s=900.0, about_s=(500.5, 503.5))
    shown = [event.at_s for event in around(timeline, [verdict])]
    assert shown == [495, 496, 497, 498, 499, 500, 501, 502, 503, 504, 505]
    late = Verdict(name="laws_hold", ok=False, at_s=900.0)
    assert [event.at_s for event in around(timeline, [late])][:2] == [895, 896]


# ---------------------------------------------------------------------------------------- watching
def test_who_watches_sees_each_gateway() -> None:
    looks: list[Look] = []
    scenario = read_scenario(SMALL)
    perform(scenario, "inside", look=looks.append, speed=10_000)
    assert looks
    last = looks[-1]
    assert (last.gateway, last.running, last.state, last.store_state) == (
        "gw-sim",
        True,
        "online",
        "ok",
    )
    assert last.sent >= last.delivered > 0
    assert last.laws_hold
    assert [name for name, _, _ in last.sensors] == [
        f"C0:FF:EE:00:00:0{number}" for number in (1, 2, 3)
    ]
    assert sum(delivered for _, _, delivered in last.sensors) <= last.delivered
    assert last.latency_p99_s is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration: 1min\nbroker: {kind: mosquitto}", "cannot be played on the level inside"),
        ("name: endless", "has no duration"),
    ],
)
def test_what_a_level_cannot_play_is_refused(text: str, told: str) -> None:
    with pytest.raises(SimulatorError, match=told):
        perform(read_scenario(text), "inside")


def test_a_fault_that_cannot_begin_is_told_in_plain_words() -> None:
    text = "duration: 1min\nfaults: [{at: 10s, do: disk.damage}]"
    with pytest.raises(SimulatorError, match="no observation lies in the store"):
        perform(read_scenario(text), "inside")


def test_what_cannot_be_judged_for_want_of_a_library_is_refused_before_it_is_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_nothing(_: str) -> None:
        return None

    monkeypatch.setattr("gateway.sim.expectations.expectation.find_spec", find_nothing)
    told: list[Event] = []
    text = "duration: 1min\nexpect: [no_crash, schema_valid]"
    with pytest.raises(SimulatorError, match="needs the library jsonschema") as refused:
        perform(read_scenario(text), "inside", tell=told.append)
    assert "urban-gateway[sim]" in refused.value.remedy
    assert not told


def _stumble(_: Event) -> None:
    raise ZeroDivisionError


def _interrupt(event: Event) -> None:
    if event.what == "broker.down":
        raise KeyboardInterrupt


def test_a_bug_is_raised_with_the_way_to_see_it_again() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        perform(read_scenario(SMALL), "inside", tell=_stumble)
    assert any("--level inside --seed 5" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(("tell", "error"), [(_interrupt, KeyboardInterrupt)])
def test_ctrl_c_ends_everything_and_is_passed_on(
    tell: Callable[[Event], None], error: type[BaseException]
) -> None:
    with pytest.raises(error):
        perform(read_scenario(SMALL), "inside", tell=tell)
    assert perform(read_scenario(SMALL), "inside").ok
