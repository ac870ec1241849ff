"""Advertisement monitors: passive scanning by patterns (BlueZ src/adv_monitor.c).

A client registers a root path, shows monitor objects below it, and is told Activate when one is
accepted and DeviceFound when a device first matches.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_call import Call, Handlers

Pattern = tuple[int, int, bytes]  # start position, AD type, content


class Monitor(msgspec.Struct, eq=False):
    """One accepted monitor of a client."""

    sender: str
    path: str
    patterns: tuple[Pattern, ...]
    found: set[str]

    def matches(self, structures: list[tuple[int, bytes]]) -> bool:
        """Whether any pattern stands in any AD structure ("or_patterns")."""
        return any(
            kind == ad_type and data[start : start + len(content)] == content
            for start, ad_type, content in self.patterns
            for kind, data in structures
        )


class _Application(msgspec.Struct):
    """A registered root path and the monitors accepted below it."""

    sender: str
    root: str
    adapter: str
    monitors: dict[str, Monitor]


class Monitors:
    """The monitors of all adapters, and the methods that make them."""

    def __init__(
        self,
        post: Callable[[Message], None],
        ask: Callable[[Message], Awaitable[Message]],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self._post = post
        self._ask = ask
        self._spawn = spawn
        self._applications: dict[tuple[str, str, str], _Application] = {}  # adapter, sender, root

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.MONITOR_MANAGER, "RegisterMonitor"): self._register,
            (names.MONITOR_MANAGER, "UnregisterMonitor"): self._unregister,
        }

    @property
    def count(self) -> int:
        """How many are accepted."""
        return sum(len(application.monitors) for application in self._applications.values())

    def matching(self, adapter: str, report: Advertisement) -> list[Monitor]:
        """Return the monitors of an adapter path that a report is for."""
        if not self._applications:
            return []
        structures = report.ad_structures()
        return [
            monitor
            for application in self._applications.values()
            if application.adapter == adapter
            for monitor in application.monitors.values()
            if monitor.matches(structures)
        ]

    def tell(self, monitors: list[Monitor], device: str) -> None:
        """Send DeviceFound to each that has not had it for this device."""
        for monitor in monitors:
            if device not in monitor.found:
                monitor.found.add(device)
                self._call(monitor.sender, monitor.path, "DeviceFound", "o", [device])

    def device_gone(self, device: str) -> None:
        """Send DeviceLost to each that had DeviceFound."""
        for application in self._applications.values():
            for monitor in application.monitors.values():
                if device in monitor.found:
                    monitor.found.discard(device)
                    self._call(monitor.sender, monitor.path, "DeviceLost", "o", [device])

    def forget_sender(self, sender: str) -> None:
        """Drop the monitors of a client that left the bus."""
        self._forget(lambda application: application.sender == sender)

    def forget_adapter(self, adapter: str) -> None:
        """Drop the monitors of an adapter that went."""
        self._forget(lambda application: application.adapter == adapter)

    def forget_all(self) -> None:
        """Drop every monitor and say nothing: the silent stall."""
        self._applications.clear()

    def _forget(self, chosen: Callable[[_Application], bool]) -> None:
        for key in [key for key, one in self._applications.items() if chosen(one)]:
            del self._applications[key]

    def shown(self, signal: Message) -> None:
        """Take a client's InterfacesAdded: perhaps a monitor below a registered root."""
        path, interfaces = signal.body
        for application in self._applications.values():
            if application.sender == signal.sender and path.startswith(application.root):
                self._consider(application, path, interfaces.get(names.MONITOR))

    def _register(self, call: Call) -> Message:
        root = call.body[0]
        key = (call.path, call.sender, root)
        if key in self._applications:
            return call.error(names.ALREADY_EXISTS, "Already Exists")
        application = _Application(call.sender, root, call.path, {})
        self._applications[key] = application
        self._spawn(self._look_below(application), "monitors.look")
        return call.reply()

    def _unregister(self, call: Call) -> Message:
        key = (call.path, call.sender, call.body[0])
        if self._applications.pop(key, None) is None:
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        return call.reply()

    async def _look_below(self, application: _Application) -> None:
        """Ask the client what it shows already, as g_dbus_client_new_full does."""
        reply = await self._ask(
            Message(
                destination=application.sender,
                path=application.root,
                interface=names.OBJECT_MANAGER,
                member="GetManagedObjects",
            )
        )
        if reply.message_type is MessageType.METHOD_RETURN:
            for path, interfaces in reply.body[0].items():
                self._consider(application, path, interfaces.get(names.MONITOR))

    def _consider(
        self, application: _Application, path: str, properties: dict[str, Variant] | None
    ) -> None:
        if properties is None or path in application.monitors:
            return
        kind, patterns = properties.get("Type"), properties.get("Patterns")
        if kind is None or kind.value != "or_patterns" or patterns is None or not patterns.value:
            self._call(application.sender, path, "Release", "", [])
            return
        accepted = tuple((start, ad_type, bytes(data)) for start, ad_type, data in patterns.value)
        application.monitors[path] = Monitor(application.sender, path, accepted, set())
        self._call(application.sender, path, "Activate", "", [])

    def _call(
        self, destination: str, path: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self._post(
            Message(
                destination=destination,
                path=path,
                interface=names.MONITOR,
                member=member,
                signature=signature,
                body=body,
            )
        )
