"""Connections to peripherals (BlueZ src/device.c).

What is at the other end decides: a device that is not there, or drops the link while it is made,
fails as it does in the field. Pairing always fails: nothing here has keys.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Peripheral
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_characteristics import Characteristics
from gateway.sim.bluez_profiles import Profile
from gateway.sim.bluez_tree import ObjectTree

Spawn = Callable[[Coroutine[Any, Any, None], str], None]

# device_disconnected of src/device.c
_LOST: Final = ("org.bluez.Reason.Timeout", "Connection timeout")
_LOCAL: Final = ("org.bluez.Reason.Local", "Connection terminated by local host")
_UNKNOWN: Final = ("org.bluez.Reason.Unknown", "Unspecified")


class Bus(NamedTuple):
    """The ways out: a message, and work that goes on after a call was taken."""

    post: Callable[[Message], None]
    spawn: Spawn


class Gatt:
    """The connectable peripherals in the air and the connections to them."""

    def __init__(self, tree: ObjectTree, bus: Bus, profile: Profile) -> None:
        self._tree = tree
        self._bus = bus
        self._profile = profile
        self._pending: dict[str, Call] = {}  # device path: Connect under way
        self.characteristics = Characteristics(tree, profile)
        self.peripherals: dict[str, Peripheral] = {}  # address in upper case
        # Called with a device's path when a client begins to connect to it.
        self.on_connect: Callable[[str], None] = _nothing

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.DEVICE, "Connect"): self._connect,
            (names.DEVICE, "Disconnect"): self._disconnect,
            (names.DEVICE, "Pair"): self._pair,
            (names.DEVICE, "CancelPairing"): self._cancel_pairing,
            **self.characteristics.handlers(),
        }

    def connected(self) -> list[str]:
        """Return the addresses of peripherals with a link."""
        return [self._address(path) for path in self._tree.objects if self._linked(path)]

    def show(self, device: str) -> None:
        """Show the services of a device path."""
        peripheral = self.peripherals.get(self._address(device))
        if peripheral is not None:
            self._resolve(device, peripheral)

    def lose(self, device: str, reason: tuple[str, str] = _LOST) -> None:
        """Lose the link to a device path, as when it goes out of range; it may have none."""
        if not self._linked(device):
            return
        self.characteristics.disconnected(device)
        if self._profile.disconnected_signal:
            self._bus.post(_disconnected(device, reason))
        self._show_link(device, connected=False)

    def remove(self, device: str) -> None:
        """End the link to a device that goes, and take away what was found on it."""
        self.lose(device, _LOCAL)
        self.characteristics.remove(device)

    def lose_below(self, adapter: str) -> None:
        """Lose every link of an adapter path."""
        for path in self._tree.below(adapter):
            self.lose(path, _UNKNOWN)

    def forget_all(self) -> None:
        """Close all sockets and say nothing: bluetoothd died."""
        self._pending.clear()
        self.characteristics.forget_all()

    def _linked(self, device: str) -> bool:
        return self._tree.flag(device, names.DEVICE, "Connected")

    def _address(self, device: str) -> str:
        properties = self._tree.properties(device, names.DEVICE) or {}
        return str(properties["Address"].value) if "Address" in properties else ""

    def _connect(self, call: Call) -> Message | None:
        if call.path in self._pending:
            return call.error(names.IN_PROGRESS, "In Progress")
        if self._linked(call.path):
            return call.reply()
        self.on_connect(call.path)
        if not self._tree.flag(call.path.rpartition("/")[0], names.ADAPTER, "Powered"):
            return call.error(names.FAILED, "Input/output error")  # no socket: EIO
        self._pending[call.path] = call
        self._bus.spawn(self._establish(call), "gatt.connect")
        return None

    async def _establish(self, call: Call) -> None:
        device = call.path
        peripheral = self.peripherals.get(self._address(device))
        if peripheral is not None:
            await asyncio.sleep(peripheral.connect_s)
        if self._pending.get(device) is not call:
            return  # disconnected before it was connected, and told so
        del self._pending[device]
        if peripheral is None or peripheral.aborts > 0:
            self._abort(call, peripheral)
            return
        self._show_link(device, connected=True)
        self._bus.post(call.reply())
        await asyncio.sleep(peripheral.resolve_s)
        if self._linked(device):
            self._resolve(device, peripheral)

    def _abort(self, call: Call, peripheral: Peripheral | None) -> None:
        if peripheral is not None:
            # bleak waits for Connected to fall before it tries again by itself.
            peripheral.aborts -= 1
            self._show_link(call.path, connected=True)
            self._show_link(call.path, connected=False)
        self._bus.post(call.error(names.FAILED, "le-connection-abort-by-local"))

    def _resolve(self, device: str, peripheral: Peripheral) -> None:
        self.characteristics.show(device, peripheral)
        uuids = Variant("as", [service.uuid for service in peripheral.services])
        resolved = {"UUIDs": uuids, "ServicesResolved": Variant("b", value=True)}
        self._tree.change(device, names.DEVICE, resolved)

    def _show_link(self, device: str, *, connected: bool) -> None:
        changed = {"Connected": Variant("b", connected)}
        if self._tree.properties(device, names.BEARER) is not None:
            self._tree.change(device, names.BEARER, dict(changed))
        if self._tree.flag(device, names.DEVICE, "ServicesResolved"):
            changed = {"ServicesResolved": Variant("b", value=False), **changed}
        self._tree.change(device, names.DEVICE, changed)

    def _disconnect(self, call: Call) -> Message:
        pending = self._pending.pop(call.path, None)
        if pending is not None:
            self._bus.post(pending.error(names.FAILED, "br-connection-canceled"))
        self.lose(call.path, _LOCAL)
        return call.reply()

    def _pair(self, call: Call) -> Message:
        if call.path in self._pending:
            return call.error(names.IN_PROGRESS, "In Progress")
        if self._address(call.path) in self.peripherals:
            return call.error(names.AUTHENTICATION_FAILED, "Authentication Failed")
        return call.error(names.CONNECTION_ATTEMPT_FAILED, "Page Timeout")

    def _cancel_pairing(self, call: Call) -> Message:
        return call.error(names.DOES_NOT_EXIST, "Does Not Exist")


def _disconnected(device: str, reason: tuple[str, str]) -> Message:
    return Message(
        message_type=MessageType.SIGNAL,
        path=device,
        interface=names.DEVICE,
        member="Disconnected",
        signature="ss",
        body=list(reason),
    )


def _nothing(_: str) -> None:
    """Nobody wants to know."""
