"""A scenario is read as it stands, refused with all that is wrong, and played as it says."""

import asyncio
from pathlib import Path

import pytest

from gateway.config import InvalidConfigError, load_model
from gateway.errors import SimulatorError
from gateway.sim.faults import VERBS
from gateway.sim.play import Play
from gateway.sim.scenario import Scenario, load_scenario
from gateway.sim.sensors import MODELS
from tests.sim.worlds import HANG_GUARD_S, until

EXAMPLES = sorted((Path(__file__).parents[2] / "config" / "scenarios").glob("*.yaml"))

SMALL = """
seed: 5
duration: 300ms
modems: [{name: usb-lora, spurious_errors: 3}]
sensors:
  - {model: bthome-v2, address: "C0:FF:EE:00:00:FF", count: 2, every: 20ms, name: Light}
  - {model: bthome-v2-encrypted, address: "C0:FF:EE:00:02:00"}
  - {model: cayenne-lpp, address: "lora:17"}
noise: {phones: 2, every: 20ms}
faults:
  - {at: 50ms, do: ble.crash, for: 50ms}
  - {at: 60ms, do: serial.unplug, for: 20ms}
  - {at: 200ms, do: ble.wedge}
"""


def read(text: str) -> Scenario:
    return load_model(text, "scenario.yaml", Scenario)


def refused(text: str) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        read(text)
    return [finding.headline for finding in caught.value.findings]


def played(scenario: Scenario) -> list[str]:
    """Play it in its world; return what it told."""
    told: list[str] = []

    async def play() -> None:
        async with asyncio.timeout(HANG_GUARD_S), scenario.world() as world:
            await Play(scenario, world, told.append).run()

    asyncio.run(play())
    return told


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
    assert "scenario.yaml:2:13: sensors[0].model: must be" in found
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


def test_the_world_is_as_the_scenario_says() -> None:
    async def body() -> None:
        async with read(SMALL).world() as world:
            assert list(world.modems) == ["usb-lora"]
            assert world.modems["usb-lora"].model.spurious_errors == 3
            assert len(world.sensors) == 4
            assert len(world.noise) == 2
            assert world.seed == 5

    asyncio.run(body())


def test_faults_come_and_go_when_they_should() -> None:
    told = [line.split(maxsplit=2)[2].strip() for line in played(read(SMALL))]
    assert told[:-1] == [
        "ble.crash on hci0",
        "serial.unplug on usb-lora",
        "serial.unplug on usb-lora is over",
        "ble.crash on hci0 is over",
        "ble.wedge on hci0",
    ]
    assert "advertisements" in told[-1]


def test_a_fault_that_cannot_be_undone_ends_the_play_with_its_cause() -> None:
    scenario = read("duration: 20s\nfaults: [{at: 0ms, do: ble.crash, for: 100ms}]")

    async def body() -> None:
        async with asyncio.timeout(HANG_GUARD_S), scenario.world() as world:
            playing = asyncio.create_task(Play(scenario, world, lambda _: None).run())
            await until(lambda: not world.bluez.running)
            await world.bus.stop()
            with pytest.raises(SimulatorError, match="no D-Bus"):
                await playing

    asyncio.run(body())


def test_every_verb_breaks_a_running_world_and_makes_it_whole() -> None:
    async def body() -> None:
        async with asyncio.timeout(HANG_GUARD_S):
            async with read(SMALL).world() as world:
                for name, verb in VERBS.items():
                    target = "usb-lora" if verb.part == "serial" else "hci0"
                    async with verb.begin(world, target):
                        pass
                    assert world.bluez.running, name
                    assert world.modems["usb-lora"].uart.plugged, name

    asyncio.run(body())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_can_be_played(path: Path) -> None:
    scenario = load_scenario(path)

    async def body() -> None:
        async with asyncio.timeout(HANG_GUARD_S), scenario.world() as world:
            await Play(scenario, world, lambda _: None).run(duration_s=0.05)

    asyncio.run(body())


def test_the_examples_show_every_kind_of_sensor_and_nearly_every_fault() -> None:
    scenarios = [load_scenario(path) for path in EXAMPLES]
    assert {sensor.model for scenario in scenarios for sensor in scenario.sensors} == set(MODELS)
    shown = {fault.do for scenario in scenarios for fault in scenario.breaks}
    assert shown == set(VERBS) - {"ble.refuse"}
