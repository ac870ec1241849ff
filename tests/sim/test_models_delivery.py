"""What every model sends passes the whole agent, and the ledger can tell frames apart."""

import struct
from typing import Final

from bleak import BleakClient, BleakScanner

from gateway.sim.bluez_air import uuid_text
from gateway.sim.models import MODELS
from gateway.sim.scenario import read_scenario
from gateway.sim.sensors import SensorOptions
from gateway.sim.theatre import Outcome, perform
from gateway.sim.world import World
from tests.sim.worlds import ADDRESS, InWorld, until

EXPECTED: Final = "expect: [every_accepted_observation_delivered, laws_hold]\n"
COUNTER_ENDS: Final = 256
# Known by a counter of eight bits; by a value; by a state; by a clock that is not published.
COME_AGAIN: Final = ("atc", "govee-thermometer", "govee-h5127", "govee-event")


def played(models: tuple[str, ...], duration: str, every: str, faults: str = "[]") -> Outcome:
    lines = [
        f"  - {{model: {name}, address: {_address(name, number)}, every: {every}}}\n"
        for number, name in enumerate(models, 1)
    ]
    text = (
        f"duration: {duration}\nmodems: [{{name: usb-lora}}]\nfaults: {faults}\n{EXPECTED}"
        f"sensors:\n{''.join(lines)}"
    )
    return perform(read_scenario(text), "inside")


def _address(model: str, number: int) -> str:
    is_lora = MODELS[model].medium == "lora"
    return f"lora:{number}" if is_lora else f'"A4:C1:38:00:00:{number:02X}"'


def test_one_of_each_is_delivered_past_an_outage_and_a_power_cut() -> None:
    faults = "[{at: 30s, do: broker.down, for: 20s}, {at: 2min, do: power.cut}]"
    outcome = played(tuple(MODELS), "3min", "20s", faults)
    assert outcome.ok, outcome.verdicts
    assert outcome.delivered == outcome.sent
    assert outcome.sent > 6 * len(MODELS)


def test_frames_whose_numbers_come_again_are_told_apart() -> None:
    outcome = played(COME_AGAIN, "20min", "4s")
    assert outcome.ok, outcome.verdicts
    assert outcome.sent > COUNTER_ENDS * len(COME_AGAIN)


def test_listed_beacons_are_delivered_among_strangers_of_whom_nothing_is_said() -> None:
    text = (
        "duration: 30s\nnoise: {phones: 20, beacons: 10, every: 1s, rotate: 5}\n"
        'sensors: [{model: eddystone, address: "A4:C1:38:00:00:01", every: 2s}]\n'
        "expect: [every_accepted_observation_delivered, no_address_leaked, laws_hold]\n"
    )
    outcome = perform(read_scenario(text), "inside")
    assert outcome.ok, outcome.verdicts
    assert outcome.delivered == outcome.sent > 10


def test_each_beacon_of_a_scenario_is_one_of_its_own() -> None:
    world = read_scenario("noise: {beacons: 5, every: 1s}\nduration: 1min\n").world()
    try:
        assert len({beacon.emit().address for beacon in world.noise}) == 5
    finally:
        world.discard()


def test_a_sensor_that_is_connected_to_is_found_and_read_by_bleak(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        options = SensorOptions(
            model="environmental-sensing", address=ADDRESS, values={"temperature": 21.5}
        )
        sensor = world.add_sensor(options)
        async with BleakScanner() as scanner:
            assert world.transmit(sensor.emit())
            await until(lambda: bool(scanner.discovered_devices))
        async with BleakClient(scanner.discovered_devices[0]) as client:
            value = await client.read_gatt_char(uuid_text(0x2A6E))
        assert struct.unpack("<h", value) == (2150,)
        assert world.ledger.sent_count == 0  # it has said no value that could be missed

    in_world(body)
