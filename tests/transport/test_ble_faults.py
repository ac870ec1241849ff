"""Unmodified bleak on a simulated BlueZ: after every fault it hears again and has said why."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from gateway.clock import SystemClock
from gateway.model import TransportState
from gateway.sim import bluez_names as names
from gateway.sim.bluez_faults import MethodFault
from gateway.transport.ble import BleSettings
from gateway.transport.ble.watcher import Watcher
from tests.transport.places import AtBle, BlePlace, HandClock, stay, until

UP, DOWN, DEAF = TransportState.UP, TransportState.DOWN, TransportState.DEAF
PATTERNS = ((0x16, 0, b"\xd2\xfc"),)
PASSIVE = BleSettings(patterns=PATTERNS)
ACTIVE = BleSettings(scan="active")


async def _bluetoothd_crashes(place: BlePlace) -> None:
    await place.world.bluez.crash()
    await place.is_(DOWN, "bluetoothd is not running: systemctl start bluetooth")
    await place.world.bluez.start()


async def _bluetoothd_stops_orderly(place: BlePlace) -> None:
    await place.world.bluez.stop()
    await place.is_(DOWN, "bluetoothd is not running: systemctl start bluetooth")
    await place.world.bluez.start()


async def _bluetoothd_is_back_at_once(place: BlePlace) -> None:
    await place.world.bluez.crash()
    await place.world.bluez.start()


async def _adapter_is_pulled(place: BlePlace) -> None:
    place.world.bluez.unplug_adapter()
    await place.is_(DOWN, "no adapter hci0")
    place.world.bluez.plug_adapter()


async def _adapter_is_pulled_and_put_back_at_once(place: BlePlace) -> None:
    place.world.bluez.unplug_adapter()
    place.world.bluez.plug_adapter()


async def _adapter_is_plugged_in_again_and_numbered_anew(place: BlePlace) -> None:
    address = place.world.bluez.unplug_adapter()
    await place.is_(DOWN, "no adapter hci0")
    place.world.bluez.plug_adapter("hci3", address=address)


async def _adapter_is_replaced_by_another_while_it_moves(place: BlePlace) -> None:
    address = place.world.bluez.unplug_adapter()
    place.world.bluez.plug_adapter("hci0", powered=False, address="00:00:00:00:5E:77")
    place.world.bluez.plug_adapter("hci1", address=address)


async def _a_broken_adapter_is_replaced_by_a_new_one(place: BlePlace) -> None:
    place.world.bluez.unplug_adapter()
    await place.is_(DOWN, "no adapter hci0")
    place.world.bluez.plug_adapter("hci0", address="00:00:00:00:5E:77")


def test_two_adapters_that_come_back_numbered_the_other_way_round_are_each_followed(
    at_ble: AtBle, caplog: pytest.LogCaptureFixture
) -> None:
    """As after the reset of a hub: the other one, there first, is nobody's replacement."""

    async def scenario(place: BlePlace) -> None:
        other = Watcher("hci1", random.random)
        following = asyncio.create_task(other.run())
        await until(lambda: other.adapter.present)
        await place.hears()
        bluez = place.world.bluez
        first, second = bluez.unplug_adapter("hci0"), bluez.unplug_adapter("hci1")
        bluez.plug_adapter("hci0", address=second)
        await until(lambda: other.adapter.name == "hci0")
        await place.is_(DOWN, "no adapter hci0")
        bluez.plug_adapter("hci1", address=first)
        await place.hears()
        await place.is_(UP)
        following.cancel()
        assert f"adapter moved address={second} now=hci0" in caplog.messages
        assert f"adapter moved address={first} now=hci1" in caplog.messages

    with caplog.at_level(logging.WARNING):
        at_ble(scenario, ACTIVE, adapters=("hci0", "hci1"))


async def _adapter_is_switched_off(place: BlePlace) -> None:
    place.world.bluez.power(on=False)
    await place.is_(DOWN, "adapter hci0 is powered off: rfkill unblock bluetooth")
    place.world.bluez.power(on=True)


async def _adapter_is_switched_off_and_on_at_once(place: BlePlace) -> None:
    place.world.bluez.power(on=False)
    place.world.bluez.power(on=True)


async def _dbus_restarts(place: BlePlace) -> None:
    await place.world.bus.stop()
    await place.is_(DOWN, f"no D-Bus at {place.world.bus.address}: systemctl start dbus")
    await place.world.bluez.crash()
    await place.world.bus.start()
    await place.world.bluez.start()


FAULTS = (
    _bluetoothd_crashes,
    _bluetoothd_stops_orderly,
    _bluetoothd_is_back_at_once,
    _adapter_is_pulled,
    _adapter_is_pulled_and_put_back_at_once,
    _adapter_is_plugged_in_again_and_numbered_anew,
    _adapter_is_replaced_by_another_while_it_moves,
    _a_broken_adapter_is_replaced_by_a_new_one,
    _adapter_is_switched_off,
    _adapter_is_switched_off_and_on_at_once,
    _dbus_restarts,
)


@pytest.mark.parametrize("settings", [PASSIVE, ACTIVE], ids=["passive", "active"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_it_hears_again_after(
    fault: Callable[[BlePlace], Awaitable[None]], settings: BleSettings, at_ble: AtBle
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        await place.hears()
        await fault(place)
        await place.counts("restarts")
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, settings)


# ------------------------------------------------------------------------------- failing starts
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (names.IN_PROGRESS, "BlueZ is busy with an earlier scan"),
        (names.NOT_READY, "the adapter is not ready"),
        (names.FAILED, "BlueZ refuses to scan: org.bluez.Error.Failed"),
    ],
)
def test_a_start_that_bluez_refuses_is_tried_again(at_ble: AtBle, error: str, cause: str) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        fault = place.world.bluez.fail("StartDiscovery", error)
        place.world.bluez.power(on=False)
        place.world.bluez.power(on=True)
        await place.is_(DOWN, cause)
        await place.counts("start_errors", 2)
        place.world.bluez.faults.lift(fault)
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, ACTIVE)


@pytest.mark.parametrize(
    ("settings", "member"), [(ACTIVE, "StartDiscovery"), (PASSIVE, "RegisterMonitor")]
)
def test_a_start_that_bluez_never_answers_is_given_up_and_tried_again(
    at_ble: AtBle, settings: BleSettings, member: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        fault = place.world.bluez.hang(member)
        place.world.bluez.power(on=False)
        place.world.bluez.power(on=True)
        await place.is_(DOWN, "bluetoothd does not answer: systemctl restart bluetooth")
        place.world.bluez.faults.lift(fault)
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, msgspec.structs.replace(settings, start_limit_s=0.1))


def test_a_session_that_a_failed_start_left_in_bluez_is_not_in_the_way_for_ever(
    at_ble: AtBle,
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        leak = MethodFault(member="StartDiscovery", error=names.FAILED, takes_effect=True, times=1)
        place.world.bluez.faults.add(leak)
        place.world.bluez.power(on=False)
        place.world.bluez.power(on=True)
        await place.hears()
        await place.is_(UP)
        assert leak.hits == 1

    at_ble(scenario, ACTIVE)


@pytest.mark.parametrize("error", [names.IN_PROGRESS, names.FAILED])
def test_a_stop_that_bluez_refuses_does_not_matter(at_ble: AtBle, error: str) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.fail("StopDiscovery", error, times=3)
        place.world.bluez.wedge()
        await place.counts("stalls")
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, msgspec.structs.replace(ACTIVE, stall_after_s=0.2))


def test_a_stop_that_bluez_never_answers_is_given_up(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.hang("StopDiscovery", times=1)
        place.world.bluez.wedge()
        await place.counts("unclean_stops")
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, msgspec.structs.replace(ACTIVE, stall_after_s=0.2))


# ------------------------------------------------------------------------------ silence
@pytest.mark.parametrize("settings", [PASSIVE, ACTIVE], ids=["passive", "active"])
def test_a_scan_that_has_died_without_a_sign_is_deaf_and_then_replaced(
    at_ble: AtBle, settings: BleSettings
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.wedge()
        await place.is_(DEAF, "no advertisement for 0.2 s")
        await place.hears()
        await place.is_(UP)
        assert place.counters["stalls"] >= 1

    at_ble(scenario, msgspec.structs.replace(settings, stall_after_s=0.2))


def test_a_scan_that_bluez_ends_is_started_again_at_once(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.wedge()
        adapter = names.adapter_path("hci0")
        await place.set_flag(adapter, names.ADAPTER, "Discovering", value=False)
        await place.hears()
        await place.is_(UP)
        assert place.counters["restarts"] == 1

    at_ble(scenario, ACTIVE)


def test_where_nothing_is_heard_the_scan_is_restarted_less_and_less_often(at_ble: AtBle) -> None:
    clock = HandClock()

    async def looks(place: BlePlace) -> None:
        asked = clock.asked
        await until(lambda: clock.asked > asked + 4)
        del place

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        silence_s = 0.2
        for stalls in range(1, 6):
            await looks(place)
            clock.forward(silence_s * 0.9)
            await looks(place)
            assert place.counters.get("stalls", 0) == stalls - 1
            clock.forward(silence_s * 0.11)
            await place.counts("stalls", stalls)
            silence_s = min(silence_s * 2, 0.8)
        assert place.record.state is DEAF
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, BleSettings(scan="active", stall_after_s=0.2, stall_most_s=0.8), clock=clock)


# ----------------------------------------------------------------------- two adapters, one bus
def test_two_adapters_share_the_fate_of_bluetoothd_and_not_each_others(at_ble: AtBle) -> None:
    async def scenario(first: BlePlace) -> None:
        second = BlePlace(first.world, BleSettings(adapter="hci1", scan="active"), SystemClock())
        await stay(second, both(first, second))

    async def both(first: BlePlace, second: BlePlace) -> None:
        await first.hears()
        await second.hears()
        first.world.bluez.unplug_adapter("hci0")
        await first.is_(DOWN, "no adapter hci0")
        await second.hears()
        first.world.bluez.plug_adapter("hci0")
        await first.world.bluez.crash()
        await second.is_(DOWN)
        await first.world.bluez.start()
        await first.hears()
        await second.hears()

    at_ble(scenario, ACTIVE, adapters=("hci0", "hci1"))


def test_an_adapter_that_is_stuck_does_not_silence_the_other_for_long(at_ble: AtBle) -> None:
    stuck = MethodFault(member="StartDiscovery", path=names.adapter_path("hci0"), hang=True)

    async def scenario(first: BlePlace) -> None:
        second = BlePlace(
            first.world, BleSettings(adapter="hci1", patterns=PATTERNS), SystemClock()
        )
        await stay(second, both(first, second))

    async def both(first: BlePlace, second: BlePlace) -> None:
        await first.hears()
        await second.hears()
        first.world.bluez.faults.add(stuck)
        first.world.bluez.power("hci0", on=False)
        first.world.bluez.power("hci0", on=True)
        await first.is_(DOWN, "bluetoothd does not answer")  # and bleak's connection is reset
        await second.counts("restarts")
        await second.hears()

    impatient = msgspec.structs.replace(ACTIVE, start_limit_s=0.1)
    at_ble(scenario, impatient, adapters=("hci0", "hci1"))
