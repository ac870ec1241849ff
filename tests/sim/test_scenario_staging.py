"""What a scenario says is put on the benches: journeys, settings; and what is shipped is right."""

import asyncio
import json
from pathlib import Path
from typing import cast

import jsonschema
from ruamel.yaml import YAML

from gateway.config import Settings, load
from gateway.sim.bench import Bench, BenchOptions
from gateway.sim.scenario import Scenario, load_scenario, read_scenario, schema_text, shipped
from gateway.sim.shipped import folder
from gateway.sim.verbs import VERBS
from gateway.sim.world import World


class StandIn:
    """As much of a bench as a scenario furnishes."""

    def __init__(self, world: World, options: BenchOptions, directory: Path) -> None:
        self.options = options
        self.air = world
        for one in options.sensors:
            world.add_sensor(one)
        self.config = world.agent_config(directory)


async def configured(scenario: Scenario, directory: Path) -> Settings:
    """Return the settings that an agent of a scenario reads."""
    async with World() as world:
        bench = StandIn(world, scenario.benches()[0], directory)
        scenario.configure(cast("Bench", bench))
        return load(bench.config)


async def heard(scenario: Scenario, gateway: int, directory: Path) -> dict[float, int]:
    """Return when the first sensor is heard by a gateway within two minutes, and how strong."""
    options = scenario.benches()[gateway]
    async with World(seed=options.seed) as world:
        scenario.furnish(cast("Bench", StandIn(world, options, directory)))
        sensor = world.sensors[0]
        at_s = sensor.first_s()
        found: dict[float, int] = {}
        while at_s < 120:
            for copy in sensor.emit().copies:
                found[at_s] = copy.rssi_dbm
            at_s += sensor.gap_s()
    return found


def test_settings_go_into_the_configuration_beside_what_stands_there(tmp_path: Path) -> None:
    text = "settings: {mqtt: {keepalive: 10s}, store: {max_size: 8MB}, intake: {burst: 99}}"
    settings = asyncio.run(configured(read_scenario(text), tmp_path))
    assert settings.mqtt.keepalive_ns == 10_000_000_000
    assert settings.mqtt.host == "127.0.0.1"
    assert settings.store.max_size_bytes == 8_000_000
    assert settings.store.path == tmp_path / "store"
    assert settings.intake.burst == 99


def test_a_sensor_that_moves_is_heard_where_it_is(tmp_path: Path) -> None:
    text = """
gateways: [a, b]
sensors:
  - model: bthome-v2
    address: "C0:FF:EE:00:00:01"
    every: 10s
    jitter: 0
    heard_by: [a]
    moves: [{at: 50s, to: nowhere}, {at: 80s, to: b, rssi: -99}]
"""
    at_a, at_b = (asyncio.run(heard(read_scenario(text), gateway, tmp_path)) for gateway in (0, 1))
    phase_s = min(at_a)
    assert [round(at_s - phase_s) for at_s in at_a] == [0, 10, 20, 30, 40]
    assert [round(at_s - phase_s) for at_s in at_b] == [80, 90, 100, 110]
    assert all(rssi_dbm > -85 for rssi_dbm in at_a.values())
    assert all(rssi_dbm < -90 for rssi_dbm in at_b.values())


def test_the_schema_knows_every_fault_every_expectation_and_the_examples() -> None:
    schema = json.loads(schema_text())
    validator = jsonschema.Draft202012Validator(schema)
    yaml = YAML(typ="safe", pure=True)
    for path in shipped().values():
        found = [error.message for error in validator.iter_errors(yaml.load(path.read_text()))]
        assert not found, path.stem
    bad = {"faults": [{"at": "1s", "do": "broker.reject", "cod": 3}]}
    assert not validator.is_valid(bad)
    assert (folder("schema") / "scenario.schema.json").read_text() == schema_text()


def test_the_examples_show_every_fault_but_few() -> None:
    scenarios = [load_scenario(path) for path in shipped().values()]
    assert sum(bool(scenario.expect) for scenario in scenarios) >= 8
    shown = {fault.verb.name for scenario in scenarios for fault in scenario.breaks}
    assert shown == set(VERBS) - {"disk.damage"}
