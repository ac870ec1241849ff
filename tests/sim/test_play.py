"""A scenario's hardware is played in its world, beside an agent that others run."""

import asyncio

import pytest

from gateway.errors import SimulatorError
from gateway.sim.bare import bare, is_of_hardware
from gateway.sim.play import Play
from gateway.sim.scenario import Scenario, find_scenario, load_scenario, read_scenario
from gateway.sim.verbs import VERBS, begin_fault
from tests.sim.small import SMALL
from tests.sim.worlds import HANG_GUARD_S, until


def played(scenario: Scenario) -> list[str]:
    """Play it in its world; return what it told."""
    told: list[str] = []

    async def play() -> None:
        async with asyncio.timeout(HANG_GUARD_S), scenario.world() as world:
            await Play(scenario, world, told.append).run()

    asyncio.run(play())
    return told


def test_the_world_is_as_the_scenario_says() -> None:
    async def body() -> None:
        async with read_scenario(SMALL).world() as world:
            assert list(world.modems) == ["usb-lora"]
            assert world.modems["usb-lora"].model.spurious_errors == 3
            assert len(world.sensors) == 4
            assert len(world.noise) == 2
            assert world.seed == 5

    asyncio.run(body())


def test_faults_come_and_go_when_they_should() -> None:
    told = [line.split(maxsplit=2)[2].strip() for line in played(read_scenario(SMALL))]
    assert told[:-1] == [
        "ble.crash on hci0",
        "serial.unplug on usb-lora",
        "serial.unplug on usb-lora is over",
        "ble.crash on hci0 is over",
        "ble.wedge on hci0",
    ]
    assert "advertisements" in told[-1]


def test_a_fault_that_cannot_be_undone_ends_the_play_with_its_cause() -> None:
    scenario = read_scenario("duration: 20s\nfaults: [{at: 0ms, do: ble.crash, for: 100ms}]")

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
            async with read_scenario(SMALL).world() as world:
                for name, verb in VERBS.items():
                    if not is_of_hardware(verb):
                        continue
                    target = "usb-lora" if verb.part == "serial" else "hci0"
                    async with begin_fault(bare(world), name, on=target):
                        pass
                    assert world.bluez.running, name
                    assert world.modems["usb-lora"].uart.plugged, name

    asyncio.run(body())


def test_faults_of_what_is_not_there_beside_an_agent_are_refused() -> None:
    scenario = read_scenario("faults: [{at: 1s, do: broker.down}]")

    async def body() -> None:
        async with scenario.world() as world:
            with pytest.raises(SimulatorError, match=r"there is no broker\.down"):
                Play(scenario, world, lambda _: None)
            with pytest.raises(SimulatorError, match="no broker of the simulator's own"):
                async with begin_fault(bare(world), "broker.down"):
                    pass

    asyncio.run(body())


@pytest.mark.parametrize("name", ["bad-day", "crowd", "district"])
def test_the_examples_without_an_agent_can_be_played(name: str) -> None:
    scenario = load_scenario(find_scenario(name))

    async def body() -> None:
        async with asyncio.timeout(HANG_GUARD_S), scenario.world() as world:
            await Play(scenario, world, lambda _: None).run(duration_s=0.05)

    asyncio.run(body())
