"""What can be done about a Bluetooth adapter from outside bleak: its power, and bluetoothd itself.

Each remedy has a connection of its own, for the one we listen with may be what hangs. An adapter
that was switched off is switched on again whatever happens, and nothing is done that would take a
connection from another program.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from dbus_fast import Variant

from gateway.errors import TransportError
from gateway.transport.ble.bus import NO_REPLY, BusLostError, RefusedError, SystemBus

UNIT: Final = "bluetooth.service"
_BLUEZ: Final = "org.bluez"
_ADAPTER: Final = "org.bluez.Adapter1"
_DEVICE: Final = "org.bluez.Device1"
_OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
_PROPERTIES: Final = "org.freedesktop.DBus.Properties"
_SYSTEMD: Final = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
_MANAGER: Final = "org.freedesktop.systemd1.Manager"
_UNIT: Final = "org.freedesktop.systemd1.Unit"
_DENIED: Final = (
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
)
_ABSENT: Final = (
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
)
_NO_UNIT: Final = "org.freedesktop.systemd1.NoSuchUnit"
_OFF_S: Final = 1.0  # so long without power: a controller begins anew only after some of it
_SERVICE_GAP_S: Final = 3500.0  # an hour, but for what one adapter may ask just before its time
_ON_TRIES: Final = 3
_ON_AGAIN_S: Final = 0.5


class RemedyError(TransportError):
    """A remedy was not to be had; `str()` says why, `remedy` what lets the next one be."""


class LeftAloneError(RemedyError):
    """It was not begun: nothing has changed."""


class Remedies(Protocol):
    """The two that are known, and what undoes the half of one."""

    async def power_cycle(self, adapter: str) -> None:
        """Switch an adapter off and on. Raises RemedyError; it may be off then."""
        ...

    async def switch_on(self, adapter: str) -> None:
        """Switch an adapter on. Raises RemedyError."""
        ...

    async def restart_service(self) -> None:
        """Have bluetoothd restarted; returns when that has begun. Raises RemedyError."""
        ...


class SystemRemedies:
    """The remedies of this machine: BlueZ's own switch, and systemd, for all adapters together."""

    def __init__(self, off_s: float = _OFF_S, service_gap_s: float = _SERVICE_GAP_S) -> None:
        self._off_s = off_s
        self._service_gap_s = service_gap_s
        self._restarted_s = -math.inf

    async def power_cycle(self, adapter: str) -> None:
        """Switch an adapter off and on, unless somebody uses it or has switched it off.

        Cancelled, it is on again; or RemedyError says that it is not.
        """
        async with _connection() as bus:
            await _require_free(bus, adapter)
            try:
                await _set_powered(bus, adapter, on=False)
                await asyncio.sleep(self._off_s)
            finally:  # also when that was not answered, and may come to pass yet
                await _on_again(bus, adapter)

    async def switch_on(self, adapter: str) -> None:
        """Switch an adapter on."""
        async with _connection() as bus:
            await _on(bus, adapter)

    async def restart_service(self) -> None:
        """Ask systemd, which asks polkit whether this user may; one that was stopped stays so."""
        if time.monotonic() - self._restarted_s < self._service_gap_s:
            cause = f"{UNIT} was restarted within this hour, for another adapter"
            raise LeftAloneError(cause)
        async with _connection() as bus:
            try:
                if await _was_stopped(bus):
                    cause = f"{UNIT} is not running, and has not failed: somebody has stopped it"
                    raise LeftAloneError(cause, f"systemctl start {UNIT}")
                await bus.ask(_MANAGER, "RestartUnit", "ss", [UNIT, "replace"], at=_SYSTEMD)
            except RefusedError as error:
                raise not_restarted(error.name) from error
        self._restarted_s = time.monotonic()


@asynccontextmanager
async def _connection() -> AsyncGenerator[SystemBus]:
    """Connect for one remedy. Raises RemedyError, also when the bus goes meanwhile."""
    bus = SystemBus(lambda _: None)
    try:
        await bus.connect()
        serving = asyncio.create_task(bus.serve(), name="ble remedy bus")
        try:
            yield bus
        finally:
            await bus.close()
            await serving
    except BusLostError as error:
        cause = f"D-Bus has gone: {error}"
        raise RemedyError(cause) from error


async def _require_free(bus: SystemBus, adapter: str) -> None:
    """Raise LeftAloneError for an adapter that others want as it is, as far as BlueZ says so."""
    try:
        (objects,) = await bus.ask(_OBJECTS, "GetManagedObjects", "", [], at=(_BLUEZ, "/"))
    except RefusedError:
        return  # who does not answer that serves nobody
    if any(
        _shows(shown, _DEVICE, "Connected", value=True)
        for path, shown in objects.items()
        if f"/{adapter}/" in path
    ):
        cause = f"a device is connected through {adapter}, which it would cost its link"
        raise LeftAloneError(cause, "it hears nothing either: restart its program")
    if _shows(objects.get(f"/org/bluez/{adapter}", {}), _ADAPTER, "Powered", value=False):
        cause = f"somebody has just switched {adapter} off"
        raise LeftAloneError(cause, "bluetoothctl power on")


def _shows(shown: dict[str, dict[str, Any]], interface: str, name: str, *, value: bool) -> bool:
    found = shown.get(interface, {}).get(name)
    return found is not None and bool(found.value) is value


async def _set_powered(bus: SystemBus, adapter: str, *, on: bool) -> None:
    at = (_BLUEZ, f"/org/bluez/{adapter}")
    body = [_ADAPTER, "Powered", Variant("b", on)]
    try:
        await bus.ask(_PROPERTIES, "Set", "ssv", body, at=at)
    except RefusedError as error:
        doing = "switched on" if on else "switched off"
        cause = f"{adapter} was not {doing}: {_word(error.name)}"
        raise RemedyError(cause, "rfkill unblock bluetooth; bluetoothctl power on") from error


async def _on(bus: SystemBus, adapter: str) -> None:
    """Switch on; BlueZ may still be busy with the switching off (org.bluez.Error.Busy)."""
    for left in reversed(range(_ON_TRIES)):
        try:
            await _set_powered(bus, adapter, on=True)
        except RemedyError:
            if not left:
                raise
            await asyncio.sleep(_ON_AGAIN_S)
        else:
            return


async def _on_again(bus: SystemBus, adapter: str) -> None:
    try:
        await _on(bus, adapter)
    except asyncio.CancelledError:  # a second one: whoever ends has no time left
        cause = f"{adapter} was not switched on again before the end"
        raise RemedyError(cause, "bluetoothctl power on") from None


async def _was_stopped(bus: SystemBus) -> bool:
    """Whether somebody has stopped bluetoothd: one that has crashed is `failed`."""
    try:
        (path,) = await bus.ask(_MANAGER, "GetUnit", "s", [UNIT], at=_SYSTEMD)
    except RefusedError as error:
        if error.name == _NO_UNIT:  # systemd forgets what is stopped
            return True
        raise
    at = (_SYSTEMD[0], path)
    (state,) = await bus.ask(_PROPERTIES, "Get", "ss", [_UNIT, "ActiveState"], at=at)
    return bool(state.value == "inactive")


def not_restarted(error_name: str) -> RemedyError:
    """Return why systemd has not restarted it, and what helps, by the D-Bus error's name."""
    if error_name in _DENIED:
        cause = f"this user may not restart {UNIT}"
        return RemedyError(
            cause, "systemctl restart bluetooth; to permit it: config/polkit/50-ugw.rules"
        )
    if error_name in _ABSENT:
        return RemedyError(f"there is no systemd here to restart {UNIT}", "restart bluetoothd")
    return RemedyError(
        f"{UNIT} was not restarted: {_word(error_name)}", "systemctl restart bluetooth"
    )


def _word(error_name: str) -> str:
    return "no answer" if error_name == NO_REPLY else error_name
