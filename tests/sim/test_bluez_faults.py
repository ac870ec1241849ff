"""Each fault of the simulated BlueZ does to unmodified bleak what it does in the field."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

import pytest
from bleak import BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from dbus_fast import Message

from gateway.sim import bluez_names as names
from gateway.sim.bare import bare
from gateway.sim.bluez_bus import BurstBus
from gateway.sim.bluez_faults import MethodFault
from gateway.sim.verbs import begin_fault
from gateway.sim.world import World
from tests.sim.worlds import BTHOME, Heard, InWorld, active, bthome, monitored, passive, until

SILENCING = ("ble.crash", "ble.restart", "ble.unplug", "ble.power-off", "dbus.restart")


async def strike(world: World, verb: str) -> None:
    async with begin_fault(bare(world), verb, on="hci0"):
        pass


UNHEARD = range(100, 110)


def numbers(heard: Heard) -> set[int]:
    """Return the numbers of the reports heard; the loss of an RSSI repeats an old one."""
    return {data.service_data[BTHOME][2] for _, data in heard.reports}


@asynccontextmanager
async def new(scanner: BleakScanner) -> AsyncGenerator[None]:
    """Start as soon as bleak has taken the signals of what comes back."""
    while True:
        try:
            await scanner.start()
        except BleakError:
            await asyncio.sleep(0.002)
        else:
            break
    yield
    await scanner.stop()


@pytest.mark.parametrize("verb", [*SILENCING, "ble.wedge"])
def test_an_active_scanner_falls_silent_and_a_new_one_works(in_world: InWorld, verb: str) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        scanner = active(heard)
        await scanner.start()
        world.advertise(bthome(0))
        await until(lambda: len(heard) == 1)

        await strike(world, verb)
        assert [number for number in UNHEARD if world.advertise(bthome(number))] == []
        with pytest.raises((BleakError, OSError)):
            await scanner.stop()

        again = Heard()
        async with new(active(again)):
            world.advertise(bthome(1))
            await until(lambda: len(again) == 1)
        assert numbers(heard) == {0}  # silent to the end, and no report of the silence came late
        assert numbers(again) == {1}

    in_world(body)


@pytest.mark.parametrize("verb", ["ble.crash", "ble.restart", "ble.unplug", "ble.wedge"])
def test_a_passive_scanner_falls_silent_and_a_new_one_works(in_world: InWorld, verb: str) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        scanner = passive(heard)
        await scanner.start()
        await until(lambda: monitored(world))

        await strike(world, verb)
        assert [number for number in UNHEARD if world.advertise(bthome(number))] == []
        with pytest.raises(BleakError, match="DoesNotExist"):
            await scanner.stop()

        async with new(passive(heard)):
            await until(lambda: monitored(world))
            world.advertise(bthome(1))
            await until(lambda: len(heard) == 1)
        assert numbers(heard) == {1}

    in_world(body)


@pytest.mark.parametrize("verb", ["ble.crash", "ble.restart", "ble.wedge"])
def test_stopping_a_scan_that_bluetoothd_forgot_fails_with_no_discovery_started(
    in_world: InWorld, verb: str
) -> None:
    async def body(world: World) -> None:
        scanner = active(Heard())
        await scanner.start()
        await strike(world, verb)
        with pytest.raises(BleakDBusError, match="No discovery started"):
            await scanner.stop()

    in_world(body)


def test_a_passive_scanner_outlasts_a_power_cycle(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with passive(heard):
            await until(lambda: monitored(world))
            world.bluez.power(on=False)
            assert not world.advertise(bthome(1))
            world.bluez.power(on=True)
            assert world.advertise(bthome(2))
            await until(lambda: len(heard) == 1)

    in_world(body)


def test_without_an_adapter_bleak_says_no_bluetooth(in_world: InWorld) -> None:
    async def body(_: World) -> None:
        with pytest.raises(BleakBluetoothNotAvailableError, match="No Bluetooth adapters"):
            await passive(Heard()).start()

    in_world(body, adapters=())


def test_an_adapter_that_is_off_refuses_to_scan(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.power(on=False)
        with pytest.raises(BleakDBusError, match="NotReady"):
            await active(Heard()).start()
        with pytest.raises(BleakBluetoothNotAvailableError, match="powered"):
            await passive(Heard()).start()

    in_world(body)


@pytest.mark.parametrize("verb", ["ble.busy", "ble.refuse"])
def test_a_refused_scan_works_once_the_fault_is_over(in_world: InWorld, verb: str) -> None:
    async def body(world: World) -> None:
        async with begin_fault(bare(world), verb, on="hci0"):
            with pytest.raises(BleakDBusError, match=r"InProgress|Failed"):
                await active(Heard()).start()
        async with active(Heard()):
            assert world.advertise(bthome(1))

    in_world(body)


def test_a_scan_that_is_never_answered_can_be_given_up_and_tried_again(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with begin_fault(bare(world), "ble.hang", on="hci0"):
            starting = asyncio.create_task(active(Heard()).start())
            await until(lambda: "StartDiscovery" in [call.member for call in world.bluez.calls])
            assert not starting.done()
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        async with active(Heard()):
            assert world.advertise(bthome(1))

    in_world(body)


def test_a_fault_strikes_as_often_as_it_says(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        fault = world.bluez.fail("StartDiscovery", names.FAILED, "try again", times=2)
        for _ in range(2):
            with pytest.raises(BleakDBusError, match="try again"):
                await active(Heard()).start()
        async with active(Heard()):
            assert fault.hits == 2

    in_world(body)


def test_a_fault_can_answer_with_an_error_and_do_it_all_the_same(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        fault = MethodFault(
            member="StopDiscovery", error=names.IN_PROGRESS, takes_effect=True, times=1
        )
        world.bluez.faults.add(fault)
        async with active(Heard()):
            pass  # bleak starts and stops again to get over it
        members = [call.member for call in world.bluez.calls]
        assert members.count("StopDiscovery") == 2
        assert members.count("StartDiscovery") == 2

    in_world(body)


def test_an_answer_can_come_late(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.faults.add(MethodFault(member="StartDiscovery", delay_s=0.01, times=1))
        async with active(Heard()):
            assert world.advertise(bthome(1))

    in_world(body)


def test_a_client_that_leaves_the_bus_leaves_no_session_behind(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        client = BurstBus(world.bus.address)
        await client.connect()
        await client.call(
            Message(
                destination=names.SERVICE,
                path=names.adapter_path("hci0"),
                interface=names.ADAPTER,
                member="StartDiscovery",
            )
        )
        number = count()
        assert world.advertise(bthome(next(number)))
        client.disconnect()
        await until(lambda: not world.advertise(bthome(next(number))))

    in_world(body)


async def offered_until_congested(world: World) -> int:
    offered = 0
    while not world.bluez.congested:
        world.advertise(bthome(offered))
        offered += 1
        await asyncio.sleep(0)
    return offered


def test_while_the_bus_is_frozen_reports_are_dropped_and_counted(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard):
            pid = world.bus.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            try:
                offered = await offered_until_congested(world)
                assert not world.advertise(bthome(offered))
                assert world.bluez.counters.overrun == 1
            finally:
                os.kill(pid, signal.SIGCONT)
            await world.bluez.drain()
            await until(lambda: len(heard) == offered)
            assert world.advertise(bthome(0))
            await until(lambda: len(heard) == offered + 1)

    in_world(body)
