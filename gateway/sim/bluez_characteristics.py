"""GATT objects and their methods (BlueZ src/gatt-client.c).

They outlast the connection they were found in, for BlueZ caches them (Cache of main.conf);
without one, what needs the device fails with "Not connected". A read changes `Value` too, so it
arrives as a notification where those are on.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Characteristic, Peripheral, Service
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_profiles import Profile
from gateway.sim.bluez_sockets import AcquiredSocket, hand_out
from gateway.sim.bluez_tree import ObjectTree, Properties

_FIRST_HANDLE: Final = 0x0A
_WRITE_TYPES: Final = {"request": "write", "command": "write-without-response"}
_OPTIONS: Final = {"offset": "q", "type": "s"}


class _Link(msgspec.Struct, eq=False):
    """One characteristic: what stands behind its object, who subscribed, what was acquired."""

    device: str
    peripheral: Peripheral
    characteristic: Characteristic
    subscribers: set[str]
    notify_socket: AcquiredSocket | None = None
    write_socket: AcquiredSocket | None = None

    def can(self, *flags: str) -> bool:
        """Whether it has any of these flags."""
        return not set(flags).isdisjoint(self.characteristic.flags)


Answer = Callable[[Call, _Link], Message]


class Characteristics:
    """The GATT objects of all devices."""

    def __init__(self, tree: ObjectTree, profile: Profile) -> None:
        self._tree = tree
        self._profile = profile
        self._links: dict[str, _Link] = {}  # object path of the characteristic

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        methods: dict[str, Answer] = {
            "ReadValue": self._read,
            "WriteValue": self._write,
            "StartNotify": self._start_notify,
            "StopNotify": self._stop_notify,
            "AcquireNotify": self._acquire_notify,
            "AcquireWrite": self._acquire_write,
        }
        return {
            (names.GATT_CHARACTERISTIC, member): self._of_link(answer)
            for member, answer in methods.items()
        }

    def _of_link(self, answer: Answer) -> Callable[[Call], Message]:
        return lambda call: answer(call, self._links[call.path])

    # ------------------------------------------------------------------------------- the objects
    def show(self, device: str, peripheral: Peripheral) -> None:
        """Show what a connected device has: the same objects again, if it has not changed."""
        known = [link for link in self._links.values() if link.device == device]
        if not known or any(link.peripheral is not peripheral for link in known):
            self.remove(device)
            handle = _FIRST_HANDLE
            for service in peripheral.services:
                handle = self._show_service(device, peripheral, service, handle)
        for path, link in self._links.items():
            if link.device == device:
                shown = self._tree.properties(path, names.GATT_CHARACTERISTIC) or {}
                shown["MTU"] = Variant("q", peripheral.mtu)

    def _show_service(
        self, device: str, peripheral: Peripheral, service: Service, handle: int
    ) -> int:
        path = f"{device}/service{handle:04x}"
        properties = {
            "UUID": Variant("s", service.uuid),
            "Device": Variant("o", device),
            "Primary": Variant("b", value=True),
            "Includes": Variant("ao", []),
            **self._handle(handle),
        }
        self._tree.add(path, {names.GATT_SERVICE: properties})
        handle += 1
        for characteristic in service.characteristics:
            below = f"{path}/char{handle:04x}"
            self._links[below] = _Link(device, peripheral, characteristic, set())
            properties = {
                **_properties(path, characteristic),
                **self._handle(handle),
            }
            self._tree.add(below, {names.GATT_CHARACTERISTIC: properties})
            handle += 3  # declaration, value, client configuration descriptor
        return handle

    def _handle(self, handle: int) -> Properties:
        return {"Handle": Variant("q", handle)} if self._profile.handles else {}

    def remove(self, device: str) -> None:
        """Take a device's objects away."""
        for path in [path for path, link in self._links.items() if link.device == device]:
            _close(self._links.pop(path))
        for path in self._tree.below(device):
            if names.GATT_SERVICE in self._tree.objects.get(path, {}):
                self._tree.remove(path)

    def disconnected(self, device: str) -> None:
        """End what needs the connection: acquired sockets. Subscriptions outlast it."""
        for path, link in self._links.items():
            if link.device == device:
                acquired = {
                    "NotifyAcquired": link.notify_socket,
                    "WriteAcquired": link.write_socket,
                }
                for name, socket in acquired.items():
                    if socket is not None:
                        self._show_flag(path, name, value=False)
                _close(link)
                (self._tree.properties(path, names.GATT_CHARACTERISTIC) or {}).pop("MTU", None)

    def forget_sender(self, sender: str) -> None:
        """Drop the subscriptions of a client that left the bus."""
        for path, link in self._links.items():
            if sender in link.subscribers:
                self._unsubscribe(path, link, sender)

    def forget_all(self) -> None:
        """Close all sockets and say nothing: bluetoothd died."""
        for link in self._links.values():
            _close(link)
        self._links.clear()

    # ------------------------------------------------------------------------------ the other end
    def notify(self, address: str, uuid: str, value: bytes) -> int:
        """Let a peripheral send a notification; return how many ways it went (signal, socket)."""
        ways = 0
        for path, link in self._links.items():
            peripheral, characteristic = link.peripheral, link.characteristic
            if peripheral.address.upper() != address or characteristic.uuid != uuid:
                continue
            characteristic.value = value
            if not self._connected(link):
                continue
            if link.subscribers:
                self._show_value(path, value)
                ways += 1
            ways += link.notify_socket is not None and link.notify_socket.send(value)
        return ways

    def close_sockets(self, address: str) -> int:
        """Close what AcquireNotify gave for a peripheral and say nothing; return how many."""
        closed = 0
        for link in self._links.values():
            if link.peripheral.address.upper() == address and link.notify_socket is not None:
                link.notify_socket.close()
                link.notify_socket = None
                closed += 1
        return closed

    def _connected(self, link: _Link) -> bool:
        return self._tree.flag(link.device, names.DEVICE, "Connected")

    def _show_value(self, path: str, value: bytes) -> None:
        self._tree.change(path, names.GATT_CHARACTERISTIC, {"Value": Variant("ay", value)})

    def _show_flag(self, path: str, name: str, *, value: bool) -> None:
        if self._tree.flag(path, names.GATT_CHARACTERISTIC, name) != value:
            self._tree.change(path, names.GATT_CHARACTERISTIC, {name: Variant("b", value)})

    # -------------------------------------------------------------------------------- the methods
    def _read(self, call: Call, link: _Link) -> Message:
        characteristic = link.characteristic
        if not self._connected(link):
            return call.error(names.FAILED, "Not connected")
        if not _well_formed(call.body[0]):
            return call.invalid_arguments()
        if not link.can("read"):
            return call.error(names.NOT_PERMITTED, "Read not permitted")
        if characteristic.on_read is not None:
            characteristic.value = characteristic.on_read()
        offset = call.body[0]["offset"].value if "offset" in call.body[0] else 0
        if offset > len(characteristic.value):
            return call.error(names.INVALID_ARGUMENTS, "Invalid offset")
        self._show_value(call.path, characteristic.value)
        return call.reply("ay", [characteristic.value[offset:]])

    def _write(self, call: Call, link: _Link) -> Message:
        value, options = bytes(call.body[0]), call.body[1]
        if not self._connected(link):
            return call.error(names.FAILED, "Not connected")
        if link.write_socket is not None:
            return call.error(names.NOT_PERMITTED, "Write acquired")
        if not _well_formed(options):
            return call.invalid_arguments()
        kind = options["type"].value.lower() if "type" in options else _usual_type(link)
        if kind not in _WRITE_TYPES:
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        if link.can(_WRITE_TYPES[kind]):
            _written(link.characteristic, value)
        elif kind == "request":  # it is the device that refuses
            return call.error(names.NOT_PERMITTED, "Write not permitted")
        return call.reply()  # a command that the device does not take is not answered by it

    def _start_notify(self, call: Call, link: _Link) -> Message:
        if link.notify_socket is not None:
            return call.error(names.NOT_PERMITTED, "Notify acquired")
        if not link.can("notify", "indicate"):
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        link.subscribers.add(call.sender)
        if self._connected(link):
            self._show_flag(call.path, "Notifying", value=True)
        return call.reply()

    def _stop_notify(self, call: Call, link: _Link) -> Message:
        if link.notify_socket is not None:
            self._release(call.path, link, "NotifyAcquired")
            return call.reply()
        if call.sender not in link.subscribers:
            return call.error(names.FAILED, "No notify session started")
        self._unsubscribe(call.path, link, call.sender)
        return call.reply()

    def _unsubscribe(self, path: str, link: _Link, sender: str) -> None:
        link.subscribers.discard(sender)
        self._show_flag(path, "Notifying", value=bool(link.subscribers))

    def _acquire_notify(self, call: Call, link: _Link) -> Message:
        if not self._connected(link):
            return call.error(names.FAILED, "Not connected")
        if link.notify_socket is not None:
            return call.error(names.NOT_PERMITTED, "Notify acquired")
        if link.subscribers:
            return call.error(names.IN_PROGRESS, "In Progress")
        if not link.can("notify", *["indicate"] * self._profile.acquires_indications):
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        link.notify_socket, reply = hand_out(
            call,
            link.peripheral.mtu,
            taken=_nothing,  # what a client writes there is of no use
            closed=lambda: self._release(call.path, link, "NotifyAcquired"),
        )
        self._show_flag(call.path, "NotifyAcquired", value=True)
        return reply

    def _acquire_write(self, call: Call, link: _Link) -> Message:
        if not self._connected(link):
            return call.error(names.FAILED, "Not connected")
        if link.write_socket is not None:
            return call.error(names.NOT_PERMITTED, "Write acquired")
        if not link.can("write-without-response"):
            return call.error(names.NOT_SUPPORTED, "Operation is not supported")
        link.write_socket, reply = hand_out(
            call,
            link.peripheral.mtu,
            taken=lambda value: _written(link.characteristic, value),
            closed=lambda: self._release(call.path, link, "WriteAcquired"),
        )
        self._show_flag(call.path, "WriteAcquired", value=True)
        return reply

    def _release(self, path: str, link: _Link, name: str) -> None:
        """Take back what was acquired: its client has closed it, or said StopNotify."""
        if name == "NotifyAcquired":
            acquired, link.notify_socket = link.notify_socket, None
        else:
            acquired, link.write_socket = link.write_socket, None
        if acquired is not None:
            acquired.close()
            self._show_flag(path, name, value=False)


def _properties(service: str, characteristic: Characteristic) -> Properties:
    properties = {
        "UUID": Variant("s", characteristic.uuid),
        "Service": Variant("o", service),
        "Value": Variant("ay", b""),
        "Flags": Variant("as", list(characteristic.flags)),
    }
    flags = set(characteristic.flags)
    exist = {
        "Notifying": flags & {"notify", "indicate"},
        "NotifyAcquired": flags & {"notify"},
        "WriteAcquired": flags & {"write-without-response"},
    }
    return properties | {name: Variant("b", value=False) for name, why in exist.items() if why}


def _well_formed(options: Mapping[str, Variant]) -> bool:
    """Whether the options of a read or a write have the types BlueZ asks for (parse_options)."""
    return all(
        value.signature == _OPTIONS.get(name.lower(), value.signature)
        for name, value in options.items()
    )


def _usual_type(link: _Link) -> str:
    return (
        "request" if link.can("write") else "command" if link.can(*_WRITE_TYPES.values()) else ""
    )


def _written(characteristic: Characteristic, value: bytes) -> None:
    characteristic.value = value
    if characteristic.on_write is not None:
        characteristic.on_write(value)


def _close(link: _Link) -> None:
    for acquired in (link.notify_socket, link.write_socket):
        if acquired is not None:
            acquired.close()
    link.notify_socket = link.write_socket = None


def _nothing(_: bytes) -> None:
    """Take no notice."""
