"""Sensors that are connected to and read, beside those that advertise, with everything failing."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any, Final

from gateway.sim import bluez_names as names
from gateway.sim.bluez_faults import MethodFault
from gateway.sim.polled import WeatherStation, hello
from tests.scenarios.stage import BLE, Setting, Stage

Play = Callable[..., None]

NEAR: Final = "C4:7C:8D:00:00:01"
HANGS: Final = "C4:7C:8D:00:00:02"
GONE: Final = "C4:7C:8D:00:00:03"
URN: Final = "urn:dev:mac:{}fffe{}"
FIRST_CO2: Final = 300  # as simulated: plus the number of the measurement


def _urn(address: str) -> str:
    octets = address.replace(":", "").lower()
    return URN.format(octets[:6], octets[6:])


def configure(stage: Stage, *addresses: str) -> None:
    """List the sensors, to be polled every ten seconds."""
    lines = [
        f'  - {{address: "{one}", poll: {{driver: environmental-sensing, every: 10s}}}}\n'
        for one in addresses
    ]
    text = stage.config.read_text().replace("devices: []", "devices:")
    assert text.count("devices:\n") == 1
    stage.config.write_text(text.replace("devices:\n", "devices:\n" + "".join(lines)))


@asynccontextmanager
async def advertising(stage: Stage, *addresses: str) -> AsyncGenerator[None]:
    """Let the sensors say that they are there, meanwhile."""

    async def say() -> None:
        while True:
            for address in addresses:
                stage.air.advertise(hello(address))
            await asyncio.sleep(0.2)

    task = asyncio.create_task(say(), name="hello")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def measured(stage: Stage, address: str) -> list[Mapping[str, Any]]:
    """Return what the platform has of a polled sensor, in the order of its measurements."""
    return [
        {result["observedProperty"]: result["result"] for result in one["results"]}
        for arrival in stage.read().arrivals
        for one in arrival.observations
        if one["device"] == _urn(address)
    ]


def judge_measured(stage: Stage, sensor: WeatherStation, address: str) -> None:
    """See that measurements arrived once each, unchanged, and nothing else."""
    found = measured(stage, address)
    numbers = [int(values["co2"]) - FIRST_CO2 for values in found]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, sensor.measured + 1))
    for number, values in zip(numbers, found, strict=True):
        assert values == {
            "air_temperature": Decimal(25 * number) / 100,
            "relative_humidity": Decimal("54.2"),
            "co2": FIRST_CO2 + number,
            "battery_level": 97,
        }


def test_polled_sensors_arrive_beside_advertising_ones_whatever_hangs(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        bluez = stage.world.bluez
        near, hangs = WeatherStation(NEAR), WeatherStation(HANGS)
        for sensor in (near, hangs):
            bluez.place(sensor.peripheral)
        configure(stage, NEAR, HANGS, GONE)
        stuck = bluez.faults.add(
            MethodFault(member="ReadValue", hang=True, path=f"{names.device_path('hci0', HANGS)}*")
        )
        await stage.start_agent()
        async with stage.sending(), advertising(stage, NEAR, HANGS):
            await stage.until(lambda: stuck.hits >= 1 and bool(measured(stage, NEAR)))
            await stage.arrived(20)  # while it hangs, or after it
            gone = f"sensor {_urn(GONE)} cannot be read: it is not heard"
            await stage.until(lambda: gone in stage.agent.log, guard_s=60)
            bluez.faults.lift(stuck)
            before = len(measured(stage, NEAR))
            bluez.lose_link(HANGS)
            await stage.until(
                lambda: bool(measured(stage, HANGS)) and len(measured(stage, NEAR)) > before,
                guard_s=90,
            )
            with stage.unheard():
                bluez.unplug_adapter()
                await stage.until(lambda: f"transport {BLE} is down" in stage.agent.log)
                bluez.plug_adapter()
                await stage.until(lambda: stage.agent.log.count(f"transport {BLE} is up") > 1)
            before = len(measured(stage, NEAR))
            await stage.until(lambda: len(measured(stage, NEAR)) > before, guard_s=60)
        await stage.all_arrived()
        await stage.end_agent()
        assert bluez.connected == []
        for sensor, address in ((near, NEAR), (hangs, HANGS)):
            judge_measured(stage, sensor, address)
        last = stage.read().last
        counted = len(measured(stage, NEAR)) + len(measured(stage, HANGS))
        assert last["counters"]["decoded"] == stage.ledger.sent_count + counted
        # bleak calls back for a connection, too: each time with what was advertised last.
        assert last["counters"]["heard"] >= stage.world.audible + counted
        assert stage.transport(BLE)["state"] == "up"

    play(scenario, Setting(plain=2, encrypted=1, ruuvi=1, lora=1, every_s=1.0, scan="active"))


def test_an_agent_that_ends_in_the_middle_of_a_poll_leaves_no_connection(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        bluez = stage.world.bluez
        bluez.place(WeatherStation(NEAR).peripheral)
        configure(stage, NEAR)
        stuck = bluez.hang("ReadValue")
        await stage.start_agent()
        async with advertising(stage, NEAR):
            await stage.until(lambda: stuck.hits == 1)
            assert bluez.connected == [NEAR]
            await stage.end_agent()
        assert bluez.connected == []

    play(scenario, Setting(plain=1, encrypted=0, ruuvi=0, lora=1))
