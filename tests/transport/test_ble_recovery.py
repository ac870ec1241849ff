"""Unmodified bleak on a BlueZ that is wedged: the ladder is climbed until it is heard again."""

import asyncio
import logging

import msgspec
import pytest

from gateway.model import TransportState
from gateway.sim import bluez_names as names
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_faults import MethodFault
from gateway.transport.ble import BleSettings, Rung
from gateway.transport.ble.remedies import LeftAloneError, RemedyError, SystemRemedies
from tests.transport.places import AtBle, BlePlace, until

UP, DOWN, DEAF = TransportState.UP, TransportState.DOWN, TransportState.DEAF
POWER = Rung("power", after_s=0.1, least_s=0.5, most_s=2.0)
SERVICE = Rung("service", after_s=0.3, least_s=1.0, most_s=4.0)
PATTERNS = ((0x16, 0, b"\xd2\xfc"),)
HCI0 = "00:00:00:00:5E:00"  # its address
WORD = "without power ble:hci0"
PERMITTED = BluezOptions(restart_permitted=True)


def impatient(*rungs: Rung, scan: str = "active") -> BleSettings:
    settings = BleSettings(stall_after_s=0.2, stall_most_s=0.4, start_limit_s=0.2, rungs=rungs)
    return msgspec.structs.replace(settings, scan=scan, patterns=PATTERNS, least_silences=1)


@pytest.mark.parametrize("scan", ["active", "passive"])
def test_what_only_power_mends_is_mended_without_the_service(at_ble: AtBle, scan: str) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.wedge("power")
        await place.is_(DEAF, "no advertisement for 0.2 s")
        await place.hears()
        await place.is_(UP)
        assert place.counters["power_cycles"] >= 1
        assert "service_restarts" not in place.counters

    at_ble(scenario, impatient(POWER, scan=scan), bluez=PERMITTED)


@pytest.mark.parametrize("scan", ["active", "passive"])
def test_what_only_a_restart_of_the_service_mends_is_mended_where_it_is_permitted(
    at_ble: AtBle, scan: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.wedge("service")
        await place.counts("service_restarts")
        await place.hears()
        await place.is_(UP)
        assert place.counters["power_cycles"] >= 1
        assert place.world.systemd.asked == place.counters["service_restarts"]

    at_ble(scenario, impatient(POWER, SERVICE, scan=scan), bluez=PERMITTED)


def test_where_the_restart_is_not_permitted_that_is_told_once_with_the_remedy(
    at_ble: AtBle, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.wedge("service")
        await place.counts("recoveries_held_back", 2)
        await place.is_(DEAF, "If so: unplug the adapter, or restart the gateway")
        await place.world.bluez.stop()
        await place.world.bluez.start()  # somebody has read it
        await place.hears()
        await place.is_(UP)

    with caplog.at_level(logging.WARNING):
        at_ble(scenario, impatient(POWER, SERVICE))
    told = [line for line in caplog.messages if "held back" in line]
    assert len(told) == 1
    assert "step=service cause=this user may not restart bluetooth.service" in told[0]
    assert "config/polkit/50-ugw.rules" in told[0]


def test_silence_where_nothing_was_ever_heard_is_no_wedge(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.counts("stalls", 4)
        assert not {"power_cycles", "service_restarts"} & set(place.counters)
        await place.hears()

    at_ble(scenario, impatient(POWER, SERVICE), bluez=PERMITTED)


def test_a_bluetoothd_that_answers_nothing_is_restarted_by_systemd(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        stuck = MethodFault(member="StartDiscovery", error=names.IN_PROGRESS)
        place.world.bluez.faults.add(stuck)
        place.world.bluez.wedge()
        await place.is_(DOWN, "BlueZ is busy with an earlier scan")
        await place.counts("service_restarts")
        place.world.bluez.faults.lift(stuck)  # a new process knows nothing of it
        await place.hears()

    at_ble(scenario, impatient(SERVICE), bluez=PERMITTED)


def test_a_bluetoothd_that_has_crashed_is_started_and_one_that_was_stopped_is_not(
    at_ble: AtBle,
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        await place.world.bluez.stop()
        await place.is_(DOWN, "bluetoothd is not running")
        await _restarting(stopped=True)
        await place.world.bluez.start()
        await place.hears()
        await place.world.bluez.crash()
        await _restarting(stopped=False)
        await place.hears()

    async def _restarting(*, stopped: bool) -> None:
        if stopped:
            with pytest.raises(RemedyError, match="somebody has stopped it"):
                await SystemRemedies().restart_service()
        else:
            await SystemRemedies().restart_service()

    at_ble(scenario, impatient(), bluez=PERMITTED)


def test_two_adapters_have_bluetoothd_restarted_once(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        of_this_machine = SystemRemedies()
        await of_this_machine.restart_service()
        with pytest.raises(LeftAloneError, match="within this hour, for another adapter"):
            await of_this_machine.restart_service()
        assert place.world.systemd.asked == 1
        await place.hears()

    at_ble(scenario, impatient(), bluez=PERMITTED)


def test_an_adapter_that_somebody_switches_off_stays_off(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        bluez = place.world.bluez
        refusal = bluez.fail("Set", names.FAILED)
        bluez.wedge("power")
        await place.counts("recoveries_held_back")  # the adapter has kept its power
        bluez.faults.lift(refusal)
        bluez.power(on=True)
        await place.hears()
        sets = place.calls("Set")
        bluez.power(on=False)
        await place.is_(DOWN, "adapter hci0 is powered off")
        bluez.power(on=True)
        await place.hears()
        assert place.calls("Set") == sets

    at_ble(scenario, impatient(POWER))


def note(place: BlePlace, address: str = HCI0) -> None:
    """Let an earlier run have been killed with the adapter without power."""
    place.words.write(WORD, f"{place.health.clock.boot_id} {address}")


def left_off(place: BlePlace, address: str = HCI0) -> None:
    """Let the adapter be without power since then."""
    note(place, address)
    place.world.bluez.power(on=False)


def test_an_adapter_that_a_killed_run_has_left_without_power_is_switched_on(
    at_ble: AtBle, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        left_off(place)
        await place.hears()
        await place.is_(UP)
        assert place.calls("Set") == 1
        place.world.bluez.power(on=False)  # a person
        await place.is_(DOWN, "adapter hci0 is powered off")
        place.world.bluez.power(on=True)
        await place.hears()
        assert place.calls("Set") == 1

    with caplog.at_level(logging.WARNING):
        at_ble(scenario, impatient(POWER))
    assert "radio recovery finished name=ble:hci0" in caplog.messages


@pytest.mark.parametrize(
    ("rungs", "address"), [((), HCI0), ((SERVICE,), HCI0), ((POWER,), "00:00:00:00:5E:07")]
)
def test_nothing_is_finished_where_power_may_not_be_touched_nor_on_another_adapter(
    at_ble: AtBle, rungs: tuple[Rung, ...], address: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        left_off(place, address)
        await place.is_(DOWN, "adapter hci0 is powered off")
        place.world.bluez.power(on=True)
        await place.hears()
        assert place.calls("Set") == 0

    at_ble(scenario, impatient(*rungs))


def test_what_bluetoothd_has_switched_on_meanwhile_is_finished_too(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        await place.world.bluez.stop()
        note(place)
        await place.world.bluez.start()  # AutoEnable: it has power
        await place.hears()
        assert not place.words.read(WORD)
        assert place.calls("Set") == 0

    at_ble(scenario, impatient(POWER))


def test_an_adapter_through_which_somebody_is_connected_keeps_its_power(
    at_ble: AtBle, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        device = names.device_path("hci0", "C0:FF:EE:00:00:01")
        await place.set_flag(device, names.DEVICE, "Connected", value=True)
        place.world.bluez.wedge("power")
        await place.counts("recoveries_held_back")
        assert not place.counters.get("power_cycles", 0)
        await place.set_flag(device, names.DEVICE, "Connected", value=False)
        await place.counts("power_cycles")
        await place.hears()

    with caplog.at_level(logging.WARNING):
        at_ble(scenario, impatient(POWER))
    assert any("a device is connected through hci0" in line for line in caplog.messages)


def test_an_adapter_that_somebody_has_just_switched_off_is_not_cycled(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.power(on=False)
        await place.is_(DOWN, "adapter hci0 is powered off")
        with pytest.raises(LeftAloneError, match="somebody has just switched hci0 off"):
            await SystemRemedies().power_cycle("hci0")
        assert not place.calls("Set")

    at_ble(scenario, impatient())


def test_an_end_that_cannot_wait_says_that_the_adapter_is_off(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        off = asyncio.create_task(SystemRemedies(off_s=60).power_cycle("hci0"))
        await place.is_(DOWN, "adapter hci0 is powered off")
        place.world.bluez.faults.add(MethodFault(member="Set", hang=True))
        off.cancel()
        await until(lambda: place.calls("Set") == 2)
        off.cancel()
        with pytest.raises(RemedyError, match="hci0 was not switched on again before the end"):
            await off

    at_ble(scenario, impatient())


def test_an_adapter_is_never_left_without_power(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        off = asyncio.create_task(SystemRemedies(off_s=60).power_cycle("hci0"))
        await place.is_(DOWN, "adapter hci0 is powered off")
        off.cancel()  # the agent ends in the middle of it
        await asyncio.gather(off, return_exceptions=True)
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, impatient())


def test_an_adapter_that_would_not_go_on_again_is_switched_on_when_it_does(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        bluez = place.world.bluez
        bluez.wedge("power")
        await until(lambda: place.calls("Set"))  # off
        fault = bluez.fail("Set", names.FAILED)
        await place.counts("recoveries_held_back")
        bluez.faults.lift(fault)
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, impatient(POWER))
