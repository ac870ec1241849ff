"""Unmodified bleak on a simulated BlueZ: after every fault the transport hears again, and has said why it did not."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.model import TransportState
from gateway.transport.ble import BleSettings
from tests.transport.places import AtBle, BlePlace

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
        await place.hears()
        await place.is_(UP)
        assert place.counters["restarts"] >= 1

    at_ble(scenario, settings)
