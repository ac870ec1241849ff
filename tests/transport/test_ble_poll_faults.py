"""Unmodified bleak's client on a simulated BlueZ: what hangs or breaks costs nobody else."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import msgspec
import pytest

from gateway.core import gatt
from gateway.model import TransportState
from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Characteristic, Peripheral, Service
from gateway.sim.bluez_faults import MethodFault
from gateway.sim.polled import WeatherStation, hello
from tests.transport.places import BlePlace, until
from tests.transport.poll_places import (
    DEVICE,
    NEVER_S,
    ONE,
    PATIENT,
    THREE,
    TWO,
    Visit,
    answers,
    hang,
    is_read,
    is_unread,
    polls,
    ready,
    station,
)

UP, DOWN = TransportState.UP, TransportState.DOWN


def _struck(fault: MethodFault, hits: int) -> bool:
    return fault.hits == hits


@pytest.mark.parametrize("member", ["Connect", "ReadValue", "Disconnect"])
def test_a_device_that_hangs_costs_the_others_only_its_time(
    visit_polls: Visit, member: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        fault = hang(place, member)
        station(place)
        station(place, TWO)
        await is_read(place, TWO, more=3)
        if member != "Disconnect":  # there the values have been read
            await is_unread(place, "it does not answer: is it in range, or connected to a phone?")
            assert place.counters["failed_polls"] == place.counters["poll_timeouts"]
        place.world.bluez.faults.lift(fault)
        await is_read(place, more=2)  # the first one's connection may have been left behind
        await until(lambda: place.health.unread == {})

    visit_polls(scenario, polls(ONE, TWO))


def test_while_a_read_hangs_advertisements_are_heard(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        fault = hang(place, "ReadValue")
        station(place)
        await until(lambda: fault.hits == 1)
        for _ in range(20):
            await place.hears()
        assert place.world.bluez.connected == [ONE]
        assert not answers(place)
        assert place.record.state is UP

    visit_polls(scenario, polls(ONE, limits=PATIENT))


def test_an_active_scan_that_bluez_holds_back_while_it_connects_goes_on(
    visit_polls: Visit,
) -> None:
    adapter = names.adapter_path("hci0")

    async def scenario(place: BlePlace) -> None:
        await ready(place)
        fault = hang(place, "ReadValue")
        station(place)
        await until(lambda: fault.hits == 1)
        await place.set_flag(adapter, names.ADAPTER, "Discovering", value=False)
        for _ in range(3):
            await place.hears()
        await place.set_flag(adapter, names.ADAPTER, "Discovering", value=True)
        place.world.bluez.faults.lift(fault)
        place.world.bluez.lose_link(ONE)
        await is_read(place)
        assert place.calls("StartDiscovery") == 1
        assert "restarts" not in place.counters

    visit_polls(scenario, polls(ONE, limits=PATIENT), scan="active")


def test_there_are_never_two_connections(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        most = 0
        await ready(place)
        hang(place, "ReadValue", THREE)
        for address in (ONE, TWO, THREE):
            station(place, address, connect_s=0.01)

        def all_read() -> bool:
            nonlocal most
            most = max(most, len(place.world.bluez.connected))
            return all(len(answers(place, one)) >= 4 for one in (ONE, TWO))

        await until(all_read, lambda: f"{place.record}")
        assert most == 1
        calls = [
            c.member for c in place.world.bluez.calls if c.member in ("Connect", "Disconnect")
        ]
        assert calls[::2] == ["Connect"] * len(calls[::2])
        assert calls[1::2] == ["Disconnect"] * len(calls[1::2])

    visit_polls(scenario, polls(ONE, TWO, THREE))


def test_a_link_that_is_lost_ends_the_poll_at_once(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        fault = hang(place, "ReadValue")
        station(place)
        for hits in (1, 2):
            await until(partial(_struck, fault, hits))
            place.world.bluez.lose_link(ONE)
        await is_unread(place, "the connection breaks off: is it at the edge of its range?")
        assert not place.counters["poll_timeouts"]
        place.world.bluez.faults.lift(fault)
        place.world.bluez.lose_link(ONE)
        await is_read(place)

    visit_polls(scenario, polls(ONE, limits=PATIENT))


def test_a_link_may_be_lost_between_two_requests(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        def leave() -> bytes:
            place.world.bluez.lose_link(ONE)
            return b"\0\0"

        leaving = Characteristic(uuid=gatt.uuid(0x2A6E), on_read=leave)
        other = Characteristic(uuid=gatt.uuid(0x2A6F), value=b"\0\0")
        service = Service(uuid=gatt.uuid(0x181A), characteristics=(leaving, other))
        await ready(place)
        place.world.bluez.place(Peripheral(address=ONE, services=(service,)))
        place.world.advertise(hello(ONE))
        await is_unread(place, "the connection breaks off")
        leaving.on_read = None
        await is_read(place)

    visit_polls(scenario, polls(ONE))


def test_a_connection_that_aborts_is_made_again(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        sensor = station(place)
        sensor.peripheral.aborts = 1
        await is_read(place)

    visit_polls(scenario, polls(ONE))


def test_a_device_out_of_range_is_not_heard_and_read_when_it_is_back(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        await is_unread(place, "it is not heard: is it in range, switched on")
        assert place.record.state is UP
        assert place.record.cause == ""
        station(place)
        await is_read(place)
        assert place.health.unread == {}

    visit_polls(scenario, polls(ONE))


@pytest.mark.parametrize(
    ("error", "text", "cause"),
    [
        (
            "org.bluez.Error.NotAuthorized",
            "",
            "it wants to be paired, which this gateway does not",
        ),
        (names.FAILED, "Operation failed with ATT error: 0x0f", "it wants to be paired"),
        (names.FAILED, "Operation failed with ATT error: 0x0e", "it refuses a request: UNLIKELY"),
        (names.FAILED, "whatever", "BlueZ refuses: org.bluez.Error.Failed whatever"),
    ],
)
def test_why_a_device_refuses_is_told_in_words(
    visit_polls: Visit, error: str, text: str, cause: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        place.world.bluez.fail("ReadValue", error, text)
        station(place)
        await is_unread(place, cause)

    visit_polls(scenario, polls(ONE))


async def _adapter_is_pulled(place: BlePlace) -> None:
    place.world.bluez.unplug_adapter()
    await place.is_(DOWN, "no adapter hci0")
    await _rests(place)
    place.world.bluez.plug_adapter()


async def _adapter_is_switched_off(place: BlePlace) -> None:
    place.world.bluez.power(on=False)
    await place.is_(DOWN, "adapter hci0 is powered off")
    await _rests(place)
    place.world.bluez.power(on=True)


async def _bluetoothd_crashes(place: BlePlace) -> None:
    await place.world.bluez.crash()
    await place.is_(DOWN, "bluetoothd is not running")
    await _rests(place)
    await place.world.bluez.start()


async def _dbus_restarts(place: BlePlace) -> None:
    await place.world.bus.stop()
    await place.is_(DOWN, "no D-Bus")
    await _rests(place)
    await place.world.bluez.crash()
    await place.world.bus.start()
    await place.world.bluez.start()


async def _rests(place: BlePlace) -> None:
    """See that nobody is polled any more, once the poll under way has failed."""
    await until(lambda: place.counters.get("failed_polls") == place.counters["polls"])
    before = place.counters["polls"]
    looks = count()
    await until(lambda: next(looks) > 100)  # at 2 ms each: the poller looks ten times meanwhile
    assert place.counters["polls"] == before


@pytest.mark.parametrize(
    "trouble",
    [_adapter_is_pulled, _adapter_is_switched_off, _bluetoothd_crashes, _dbus_restarts],
    ids=lambda trouble: trouble.__name__.strip("_"),
)
def test_after_trouble_with_the_radio_during_a_poll_it_polls_again(
    visit_polls: Visit, trouble: Callable[[BlePlace], Awaitable[None]]
) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        fault = hang(place, "ReadValue")
        station(place)
        await until(lambda: fault.hits == 1)
        await trouble(place)
        place.world.bluez.faults.lift(fault)
        await ready(place)
        place.world.advertise(hello(ONE))
        await is_read(place)

    visit_polls(scenario, polls(ONE))


def test_a_connection_that_a_killed_process_left_behind_is_used_and_ended(
    visit_polls: Visit,
) -> None:
    async def scenario(place: BlePlace) -> None:
        place.intake.willing = False
        await ready(place)
        place.world.bluez.faults.add(MethodFault(member="Connect", hang=True))
        station(place)
        await place.set_flag(DEVICE, names.DEVICE, "Connected", value=True)
        place.world.bluez.show_services(ONE)
        place.intake.willing = True
        await is_read(place)

    visit_polls(scenario, polls(ONE, every_s=60))


# --------------------------------------------------------------------------------------- endings
async def _hangs(place: BlePlace, member: str) -> None:
    """Return in the middle of a poll."""
    await ready(place)
    fault = hang(place, member)
    station(place)
    await until(lambda: fault.hits == 1)


@pytest.mark.parametrize("member", ["ReadValue", "Connect"])
def test_an_end_in_the_middle_leaves_no_connection(visit_polls: Visit, member: str) -> None:
    places: list[BlePlace] = []

    async def scenario(place: BlePlace) -> None:
        places.append(place)
        await _hangs(place, member)

    visit_polls(scenario, polls(ONE, limits=PATIENT))
    assert places[0].calls("Disconnect") == 1


def test_an_end_while_services_are_listed_leaves_no_connection(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        sensor = WeatherStation(ONE)
        sensor.peripheral.resolve_s = NEVER_S
        place.world.bluez.place(sensor.peripheral)
        place.world.advertise(hello(ONE))
        await until(lambda: place.world.bluez.connected == [ONE])

    visit_polls(scenario, polls(ONE, limits=PATIENT))


def test_a_bluetoothd_that_answers_nothing_does_not_hold_up_the_end(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await _hangs(place, "Connect")
        place.world.bluez.hang("Disconnect")

    visit_polls(scenario, polls(ONE, limits=msgspec.structs.replace(PATIENT, disconnect_s=0.3)))
