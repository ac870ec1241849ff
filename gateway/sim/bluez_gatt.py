"""Connections and GATT: what BlueZ shows of a connected peripheral (BlueZ src/gatt-client.c).

A read changes `Value` too, so it arrives as a notification where those are on; a lost link takes
all objects of the device's services away.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Characteristic, Peripheral, Service
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_tree import ObjectTree, Properties

_FIRST_HANDLE = 0x0A
_WRITABLE = frozenset({"write", "write-without-response"})
_NOTIFYING = frozenset({"notify", "indicate"})
_MAX_ATT_VALUE = 512  # Bluetooth Core, Vol 3, Part F, 3.2.9

Spawn = Callable[[Coroutine[Any, Any, None], str], None]


class _Link(msgspec.Struct, eq=False):
    """One characteristic of a connected peripheral: its object, its subscribers, its sockets."""

    peripheral: Peripheral
    characteristic: Characteristic
    subscribers: set[str]
    notify_sockets: list[socket.socket]
    write_sockets: list[socket.socket]


class Gatt:
    """The connectable peripherals in the air and the connections to them."""

    def __init__(self, tree: ObjectTree, post: Callable[[Message], None], spawn: Spawn) -> None:
        self._tree = tree
        self._post = post
        self._spawn = spawn
        self._links: dict[str, _Link] = {}  # object path of the characteristic
        self._pending: dict[str, Call] = {}  # device path: Connect under way
        self.peripherals: dict[str, Peripheral] = {}  # address in upper case

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.DEVICE, "Connect"): self._connect,
            (names.DEVICE, "Disconnect"): self._disconnect,
            (names.GATT_CHARACTERISTIC, "ReadValue"): self._read,
            (names.GATT_CHARACTERISTIC, "WriteValue"): self._write,
            (names.GATT_CHARACTERISTIC, "StartNotify"): self._start_notify,
            (names.GATT_CHARACTERISTIC, "StopNotify"): self._stop_notify,
            (names.GATT_CHARACTERISTIC, "AcquireNotify"): self._acquire_notify,
            (names.GATT_CHARACTERISTIC, "AcquireWrite"): self._acquire_write,
        }

    def notify(self, address: str, uuid: str, value: bytes) -> int:
        """Let a peripheral send a notification; return how many ways it went (signal, sockets)."""
        ways = 0
        for path, link in self._links.items():
            if link.peripheral.address.upper() != address or link.characteristic.uuid != uuid:
                continue
            link.characteristic.value = value
            if link.subscribers:
                self._show_value(path, value)
                ways += 1
            ways += sum(_sent(way, value, link) for way in tuple(link.notify_sockets))
        return ways

    def connected(self) -> list[str]:
        """Return the addresses of peripherals with a link."""
        shown = [path for path in self._tree.objects if names.DEVICE in self._tree.objects[path]]
        return [
            self._address(path)
            for path in shown
            if self._tree.flag(path, names.DEVICE, "Connected")
        ]

    def show(self, device: str) -> None:
        """Show the services of a device path."""
        peripheral = self.peripherals.get(self._address(device))
        if peripheral is not None:
            self._show_services(device, peripheral)

    def lose(self, device: str) -> None:
        """Lose the link to a device path, as when it goes out of range; it may have none."""
        if not self._tree.flag(device, names.DEVICE, "Connected"):
            return
        self._close_below(device)
        resolved = {"ServicesResolved": Variant("b", value=False)}
        self._tree.change(device, names.DEVICE, resolved)
        self._tree.change(device, names.DEVICE, {"Connected": Variant("b", value=False)})
        for path in self._tree.below(device):
            if names.GATT_SERVICE in self._tree.objects.get(path, {}):
                self._tree.remove(path)

    def lose_below(self, adapter: str) -> None:
        """Lose every link of an adapter path."""
        for path in self._tree.below(adapter):
            self.lose(path)

    def close_sockets(self, address: str) -> int:
        """Close the acquired sockets of a peripheral and say nothing else; return how many."""
        closed = 0
        for link in self._links.values():
            if link.peripheral.address.upper() == address:
                closed += len(link.notify_sockets)
                _close(link.notify_sockets)
        return closed

    def forget_sender(self, sender: str) -> None:
        """Drop the subscriptions of a client that left the bus."""
        for link in self._links.values():
            link.subscribers.discard(sender)

    def forget_all(self) -> None:
        """Close all sockets and say nothing: bluetoothd died."""
        self._pending.clear()
        self._close_below(names.ROOT)

    def _close_below(self, path: str) -> None:
        for below in [one for one in self._links if one.startswith(f"{path}/")]:
            link = self._links.pop(below)
            _close(link.notify_sockets)
            for way in link.write_sockets:
                asyncio.get_running_loop().remove_reader(way)
            _close(link.write_sockets)

    def _connect(self, call: Call) -> None:
        self._pending[call.path] = call
        self._spawn(self._establish(call), "gatt.connect")

    async def _establish(self, call: Call) -> None:
        device = call.path
        address = self._address(device)
        peripheral = self.peripherals.get(address)
        if peripheral is None:
            self._post(call.error(names.FAILED, "le-connection-abort-by-local"))
            return
        await asyncio.sleep(peripheral.connect_s)
        if self._pending.get(device) is not call:  # disconnected before it was connected
            self._post(call.error(names.FAILED, "br-connection-canceled"))
            return
        del self._pending[device]
        self._tree.change(device, names.DEVICE, {"Connected": Variant("b", value=True)})
        if peripheral.aborts > 0:
            # bleak waits for Connected to fall before it tries again by itself.
            peripheral.aborts -= 1
            self._tree.change(device, names.DEVICE, {"Connected": Variant("b", value=False)})
            self._post(call.error(names.FAILED, "le-connection-abort-by-local"))
            return
        self._post(call.reply())
        await asyncio.sleep(peripheral.resolve_s)
        if self._tree.flag(device, names.DEVICE, "Connected"):
            self._show_services(device, peripheral)

    def _address(self, device: str) -> str:
        properties = self._tree.properties(device, names.DEVICE) or {}
        return str(properties["Address"].value) if "Address" in properties else ""

    def _show_services(self, device: str, peripheral: Peripheral) -> None:
        handle = _FIRST_HANDLE
        for service in peripheral.services:
            handle = self._show_service(device, peripheral, service, handle)
        uuids = Variant("as", [service.uuid for service in peripheral.services])
        resolved = {"UUIDs": uuids, "ServicesResolved": Variant("b", value=True)}
        self._tree.change(device, names.DEVICE, resolved)

    def _show_service(
        self, device: str, peripheral: Peripheral, service: Service, handle: int
    ) -> int:
        path = f"{device}/service{handle:04x}"
        properties = {
            "UUID": Variant("s", service.uuid),
            "Device": Variant("o", device),
            "Primary": Variant("b", value=True),
            "Includes": Variant("ao", []),
        }
        self._tree.add(path, {names.GATT_SERVICE: properties})
        handle += 1
        for characteristic in service.characteristics:
            below = f"{path}/char{handle:04x}"
            self._links[below] = _Link(peripheral, characteristic, set(), [], [])
            shown = _characteristic_properties(path, characteristic, peripheral.mtu)
            self._tree.add(below, {names.GATT_CHARACTERISTIC: shown})
            handle += 3  # declaration, value, client configuration descriptor
        return handle

    def _show_value(self, path: str, value: bytes) -> None:
        self._tree.change(path, names.GATT_CHARACTERISTIC, {"Value": Variant("ay", value)})

    def _show_flag(self, path: str, name: str, *, value: bool) -> None:
        self._tree.change(path, names.GATT_CHARACTERISTIC, {name: Variant("b", value)})

    def _disconnect(self, call: Call) -> Message:
        self._pending.pop(call.path, None)
        self.lose(call.path)
        return call.reply()

    def _read(self, call: Call) -> Message:
        characteristic = self._links[call.path].characteristic
        if "read" not in characteristic.flags:
            return call.error(names.NOT_PERMITTED, "Read not permitted")
        if characteristic.on_read is not None:
            characteristic.value = characteristic.on_read()
        self._show_value(call.path, characteristic.value)
        return call.reply("ay", [characteristic.value])

    def _write(self, call: Call) -> Message:
        characteristic = self._links[call.path].characteristic
        if _WRITABLE.isdisjoint(characteristic.flags):
            return call.error(names.NOT_PERMITTED, "Write not permitted")
        _written(characteristic, bytes(call.body[0]))
        return call.reply()

    def _start_notify(self, call: Call) -> Message:
        link = self._links[call.path]
        if _NOTIFYING.isdisjoint(link.characteristic.flags):
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        link.subscribers.add(call.sender)
        self._show_flag(call.path, "Notifying", value=True)
        return call.reply()

    def _stop_notify(self, call: Call) -> Message:
        link = self._links[call.path]
        link.subscribers.discard(call.sender)
        self._show_flag(call.path, "Notifying", value=bool(link.subscribers))
        return call.reply()

    def _acquire_notify(self, call: Call) -> Message:
        link = self._links[call.path]
        if _NOTIFYING.isdisjoint(link.characteristic.flags):
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        ours, reply = _hand_out(call, link.peripheral.mtu)
        link.notify_sockets.append(ours)
        return reply

    def _acquire_write(self, call: Call) -> Message:
        link = self._links[call.path]
        ours, reply = _hand_out(call, link.peripheral.mtu)
        link.write_sockets.append(ours)

        def take() -> None:
            value = ours.recv(_MAX_ATT_VALUE)
            if value:
                _written(link.characteristic, value)
                return
            asyncio.get_running_loop().remove_reader(ours)
            link.write_sockets.remove(ours)
            ours.close()

        asyncio.get_running_loop().add_reader(ours, take)
        return reply


def _characteristic_properties(
    service: str, characteristic: Characteristic, mtu: int
) -> Properties:
    properties = {
        "UUID": Variant("s", characteristic.uuid),
        "Service": Variant("o", service),
        "Value": Variant("ay", b""),
        "Flags": Variant("as", list(characteristic.flags)),
        "MTU": Variant("q", mtu),
    }
    if not _NOTIFYING.isdisjoint(characteristic.flags):
        properties["Notifying"] = Variant("b", value=False)
        properties["NotifyAcquired"] = Variant("b", value=False)
    if "write-without-response" in characteristic.flags:
        properties["WriteAcquired"] = Variant("b", value=False)
    return properties


def _written(characteristic: Characteristic, value: bytes) -> None:
    characteristic.value = value
    if characteristic.on_write is not None:
        characteristic.on_write(value)


def _sent(way: socket.socket, value: bytes, link: _Link) -> bool:
    """Send through an acquired socket; give up one that the client has closed."""
    try:
        way.send(value)
    except BlockingIOError:
        return False  # the client does not read: BlueZ loses notifications then, too
    except ConnectionError:
        link.notify_sockets.remove(way)
        way.close()
        return False
    return True


def _hand_out(call: Call, mtu: int) -> tuple[socket.socket, Message]:
    """Return our end of a packet socket and the reply that carries the other one to the client."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)  # noqa: FBT003 - the socket module has it so
    reply = Message(
        message_type=MessageType.METHOD_RETURN,
        reply_serial=call.message.serial,
        destination=call.sender,
        signature="hq",
        body=[0, mtu],
        unix_fds=[theirs.detach()],
    )
    return ours, reply


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()
    sockets.clear()
