"""A scenario is read as it stands, and refused with all that is wrong with it."""

from random import Random

import pytest

from gateway.config import InvalidConfigError
from gateway.sim.bench import Level
from gateway.sim.scenario import FaultScenario, Scenario, read_scenario
from gateway.sim.scenario.planned import Occurrence
from gateway.sim.verbs import VERBS
from tests.sim.small import SMALL


def read(text: str) -> Scenario:
    return read_scenario(text)


def refused(text: str, level: Level | None = None) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        read_scenario(text, level=level)
    return [finding.headline for finding in caught.value.findings]


def test_sensors_are_expanded_to_consecutive_addresses_with_names() -> None:
    options = [one for sensor in read(SMALL).sensors for one in sensor.expand(5)]
    assert [one.address for one in options] == [
        "C0:FF:EE:00:00:FF",
        "C0:FF:EE:00:01:00",
        "C0:FF:EE:00:02:00",
        "lora:17",
    ]
    assert [one.name for one in options[:3]] == ["Light 1", "Light 2", ""]
    assert options[0].every_s == 0.02


def test_a_key_that_is_not_given_comes_from_the_seed() -> None:
    (sensor,) = [one for one in read(SMALL).sensors if one.model == "bthome-v2-encrypted"]
    keys = {seed: next(sensor.expand(seed)).key for seed in (5, 6)}
    assert len(keys[5]) == 16
    assert keys[5] == next(sensor.expand(5)).key
    assert keys[5] != keys[6]


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    text = """\
sensors:
  - {model: bthome, address: "C0:FF:EE:00:00:01"}
  - {model: cayenne-lpp, address: "C0:FF:EE:00:00:01"}
  - {model: ruuvi-rawv2, address: "C0:FF:EE:00:00:02", evry: 1s}
faults:
  - {at: 1s, do: ble.crsh}
  - {at: 1, do: ble.wedge, for: 1s}
"""
    found = "\n".join(refused(text))
    assert "scenario.yaml:2:13: sensors[0].model: there is no model of a sensor 'bthome'" in found
    assert "did you mean 'bthome-v2'?" in found
    assert "did you mean 'bthome-v2'?" in found
    assert "scenario.yaml:3:" in found
    assert "cayenne-lpp does not send by Bluetooth" in found
    assert "scenario.yaml:4:56: sensors[2].evry: unknown key 'evry'" in found
    assert "scenario.yaml:6:18: faults[0].do: there is no fault 'ble.crsh'" in found
    assert "did you mean 'ble.crash'?" in found
    assert "scenario.yaml:7:10: faults[1].at: a unit is missing" in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("faults: [{at: 1s, do: ble.wedge, for: 1s}]", "ble.wedge is over at once"),
        ("faults: [{at: 1s, do: ble.crash, on: hci7}]", "there is no 'hci7' here"),
        ("faults: [{at: 1s, do: serial.unplug}]", "needs something to break"),
        (
            "faults: [{at: 1s, do: ble.crash, for: 2s}, {at: 2s, do: dbus.restart}]",
            "overlaps with the ble.crash above",
        ),
        ('sensors: [{model: cayenne-lpp, address: "lora:1"}]', "not heard without a modem"),
        (
            'modems: [{}]\nsensors: [{model: cayenne-lpp, address: "lora:65535", count: 2}]',
            "beyond lora:65535",
        ),
        (
            """
            sensors:
              - {model: bthome-v2, address: "C0:FF:EE:00:00:01", count: 2}
              - {model: bthome-v2, address: "C0:FF:EE:00:00:02"}
            """,
            "has this address already",
        ),
        (
            f'sensors: [{{model: bthome-v2, address: "C0:FF:EE:00:00:01", key: {"0" * 32}x}}]',
            "a key is 32 hexadecimal digits",
        ),
        ("adapters: [bluetooth]", "an adapter is named hci0"),
        ("modems: [{name: a}, {name: a}]", "a modem above has this name already"),
    ],
)
def test_what_cannot_be_played_is_refused(text: str, told: str) -> None:
    assert any(told in headline for headline in refused(text)), refused(text)


def test_faults_of_different_parts_may_overlap() -> None:
    assert len(read(SMALL).breaks) == 3


# --------------------------------------------------------------------------- faults, expectations
def test_names_of_faults_and_expectations_are_corrected_where_they_stand() -> None:
    text = """\
duration: 1h
faults:
  - {at: 1s, do: broker.rejct}
  - {at: 1s, do: broker.reject, cod: 0x97}
  - {at: 1s, do: clock.step}
expect:
  - lawshold
  - {that: latency_p99}
  - {that: recovers, after: broker.donw}
"""
    found = "\n".join(refused(text))
    assert "3:18: faults[0].do: there is no fault 'broker.rejct', did you mean 'broker.re" in found
    assert "4:33: faults[1].cod: unknown key 'cod', did you mean 'code'?" in found
    assert "5:5: faults[2]: either forward or back is needed" in found
    assert "7:5: expect[0].that: there is no expectation 'lawshold', did you mean 'laws_" in found
    assert "8:5: expect[1].below: the key 'below' is missing" in found
    assert "9:29: expect[2].after: there is no fault 'broker.donw'" in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration: 1h\nexpect: [{that: recovers, after: net.cut}]", "no net.cut is among"),
        ("expect: [laws_hold]", "a scenario that expects something has a duration"),
        ("duration: 1s\nfaults: [{at: 1s, do: net.cut}]", "is not before the end"),
        ("faults: [{do: net.cut}]", "the key 'at' is missing, or 'every'"),
        ("faults: [{at: 1s, do: net.cut, until: 2s}]", "is for a fault that repeats"),
        ("faults: [{every: 1s, do: net.down, for: 1s}]", "to last longer than until"),
        ("faults: [{at: 1s, do: broker.down, gateway: gw-sim}]", "all gateways have one broker"),
        ("gateways: [a, b]\nfaults: [{at: 1s, do: net.cut, gateway: c}]", "there is no gateway"),
        ("gateways: [a, a]", "a gateway above has this name already"),
        ("gateways: 101", "from 1 to 100 gateways"),
        (
            "broker: {kind: mosquitto}\nfaults: [{at: 1s, do: broker.reject}]",
            "mosquitto does not do that: scripted does",
        ),
        ("broker: {kind: mosquitto, receive_maximum: 1}", "what mosquitto offers is its own"),
        (
            'sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", values: {colour: 1}}]',
            "values.colour",
        ),
        (
            """
            gateways: [a]
            sensors:
              - model: bthome-v2
                address: "C0:FF:EE:00:00:01"
                moves: [{at: 2s, to: a}, {at: 1s, to: a}]
            """,
            "not after the move above",
        ),
        ("settings: {intake: {burs: 1}}", "unknown key 'burs', did you mean 'burst'?"),
    ],
)
def test_what_cannot_be_expected_or_done_is_refused(text: str, told: str) -> None:
    assert any(told in headline for headline in refused(text)), refused(text)


@pytest.mark.parametrize(
    ("text", "level", "told"),
    [
        ("faults: [{at: 1s, do: dbus.restart}]", "inside", "works on the level process only"),
        ("duration: 1h\nexpect: [{that: rss_below, below: 1GB}]", "inside", "level process only"),
        ("broker: {kind: mosquitto}", "inside", "mosquitto is a real broker"),
    ],
)
def test_what_a_level_cannot_do_is_refused_where_it_stands(
    text: str, level: Level, told: str
) -> None:
    assert any(told in headline for headline in refused(text, level)), refused(text, level)
    assert level not in read(text).levels


def test_arguments_of_a_verb_never_hide_what_all_faults_have() -> None:
    common = set(dir(FaultScenario)) | set(FaultScenario.model_fields)
    inherited = set(dir(FaultScenario.__mro__[1]))
    for verb in VERBS.values():
        own = set(verb.Arguments.model_fields) - {"on"}
        assert not own & (common - inherited), verb.name


def test_former_names_of_faults_still_work() -> None:
    (fault,) = read("faults: [{at: 1s, do: ble.power-off}]").breaks
    assert fault.verb.name == "ble.power_off"


def test_a_fault_that_repeats_comes_by_the_seed_and_ends_with_the_scenario() -> None:
    text = "duration: 10h\nfaults: [{every: 1h, do: net.down, for: 1min, chance: 0.5}]"
    (fault,) = read(text).breaks
    hour, minute = 3_600_000_000_000, 60_000_000_000
    times = list(fault.occurrences(Random(3), 10 * hour))  # noqa: S311 - repeatable
    assert times == list(fault.occurrences(Random(3), 10 * hour))  # noqa: S311 - repeatable
    assert times != list(fault.occurrences(Random(4), 10 * hour))  # noqa: S311 - repeatable
    assert 0 < len(times) < 9
    assert all(one.at_ns % hour == 0 and one.end_ns == one.at_ns + minute for one in times)
    always = read(text.replace("0.5", "1")).breaks[0]
    nine = list(always.occurrences(Random(3), 10 * hour))  # noqa: S311 - repeatable
    assert nine == [Occurrence(n * hour, n * hour + minute) for n in range(1, 10)]


def test_a_scenario_is_written_as_it_is_read() -> None:
    scenario = read(SMALL + "expect: [laws_hold, {that: latency_p99, below: 5s}]")
    again = read(scenario.to_yaml("a comment\nof two lines"))
    assert again == scenario
    assert again.model_fields_set == scenario.model_fields_set


def test_scenario_time_can_run_faster() -> None:
    fast = read(SMALL).faster(2)
    assert (fast.duration_ns, fast.sensors[0].every_ns) == (150_000_000, 10_000_000)
    assert [fault.at_ns for fault in fast.breaks] == [25_000_000, 30_000_000, 100_000_000]
    assert fast.breaks[0].for_ns == 25_000_000
