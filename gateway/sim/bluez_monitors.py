"""Advertisement monitors: passive scanning by patterns (BlueZ src/adv_monitor.c).

A client registers a root path, shows monitor objects below it, and is told Activate when one is
accepted and DeviceFound when a device matches. Which advertisements match depends on who compares:
a controller that can do it, or bluetoothd, which sees less. Thresholds of signal strength are not
looked at.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple

import msgspec
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import AD_FLAGS, AD_MANUFACTURER, AD_TX_POWER, Advertisement
from gateway.sim.bluez_call import Call, Handlers

Pattern = tuple[int, int, bytes]  # start position, AD type, content
Structures = list[tuple[int, bytes]]  # AD type, content

_SERVICE_DATA: Final = (0x16, 0x20, 0x21)  # by 16-bit, 32-bit and 128-bit UUID
_PARSED: Final = frozenset({AD_FLAGS, AD_TX_POWER, AD_MANUFACTURER})
_MAX_AD_BYTES: Final = 31  # BT_AD_MAX_DATA_LEN
_LAST_AD_TYPE: Final = 0x3D  # BT_AD_3D_INFO_DATA


class Monitor(msgspec.Struct, eq=False):
    """One accepted monitor of a client."""

    sender: str
    path: str
    patterns: tuple[Pattern, ...]
    found: set[str]

    def matches(self, structures: Structures) -> bool:
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


class MonitorRules(NamedTuple):
    """Who compares patterns: the controller, or a bluetoothd that takes reports apart or not."""

    offload: bool
    parsed: bool


def compared(report: Advertisement, rules: MonitorRules) -> Structures:
    """Return what patterns are compared with.

    A controller sees what is on the air, and so does bluetoothd up to 5.68. Since 5.71 (BlueZ
    b0656c2cf) bluetoothd compares service data without its UUID, and neither names nor lists of
    UUIDs.
    """
    structures = report.ad_structures()
    if rules.offload or not rules.parsed:
        return structures
    parsed = [(kind, data) for kind, data in structures if kind in _PARSED]
    return parsed + [(kind, data) for data in report.services.values() for kind in _SERVICE_DATA]


class Clients(NamedTuple):
    """The ways to the clients: a message, a question, and work that goes on after a call."""

    post: Callable[[Message], None]
    ask: Callable[[Message], Awaitable[Message]]
    spawn: Callable[[Coroutine[Any, Any, None], str], None]


class Monitors:
    """The monitors of all adapters, and the methods that make them."""

    def __init__(self, clients: Clients, rules: MonitorRules) -> None:
        self._clients = clients
        self._rules = rules
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
        structures = compared(report, self._rules)
        return [
            monitor
            for application in self._applications.values()
            if application.adapter == adapter
            for monitor in application.monitors.values()
            if monitor.matches(structures)
        ]

    def tell(self, monitors: list[Monitor], device: str) -> None:
        """Send DeviceFound: a controller tells once for a device, bluetoothd for each report."""
        for monitor in monitors:
            if not self._rules.offload or device not in monitor.found:
                monitor.found.add(device)
                self._call(monitor.sender, monitor.path, "DeviceFound", "o", [device])

    def device_gone(self, device: str) -> None:
        """Send DeviceLost to each that had DeviceFound from a controller."""
        for application in self._applications.values():
            for monitor in application.monitors.values():
                if device in monitor.found:
                    monitor.found.discard(device)
                    if self._rules.offload:
                        self._call(monitor.sender, monitor.path, "DeviceLost", "o", [device])

    def forget_sender(self, sender: str) -> None:
        """Drop the monitors of a client that left the bus."""
        self._forget(lambda application: application.sender == sender)

    def forget_adapter(self, adapter: str) -> None:
        """Release the monitors of an adapter that went."""
        for application in self._applications.values():
            if application.adapter == adapter:
                self._release(application)
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

    def _register(self, call: Call) -> Message | None:
        root = call.body[0]
        key = (call.path, call.sender, root)
        if key in self._applications:
            return call.error(names.ALREADY_EXISTS, "Already Exists")
        application = _Application(call.sender, root, call.path, {})
        self._applications[key] = application
        self._clients.spawn(self._look_below(application, call), "monitors.look")
        return None

    def _unregister(self, call: Call) -> Message:
        key = (call.path, call.sender, call.body[0])
        application = self._applications.pop(key, None)
        if application is None:
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        self._release(application)
        return call.reply()

    def _release(self, application: _Application) -> None:
        for monitor in application.monitors.values():
            self._call(monitor.sender, monitor.path, "Release", "", [])

    async def _look_below(self, application: _Application, call: Call) -> None:
        """Ask the client what it shows already, as g_dbus_client_new_full does; then answer it."""
        reply = await self._clients.ask(
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
        self._clients.post(call.reply())

    def _consider(
        self, application: _Application, path: str, properties: dict[str, Variant] | None
    ) -> None:
        if properties is None or path in application.monitors:
            return
        accepted = _patterns(properties)
        if accepted is None:
            self._call(application.sender, path, "Release", "", [])
            return
        application.monitors[path] = Monitor(application.sender, path, accepted, set())
        self._call(application.sender, path, "Activate", "", [])

    def _call(
        self, destination: str, path: str, member: str, signature: str, body: list[Any]
    ) -> None:
        self._clients.post(
            Message(
                destination=destination,
                path=path,
                interface=names.MONITOR,
                member=member,
                signature=signature,
                body=body,
            )
        )


def _patterns(properties: dict[str, Variant]) -> tuple[Pattern, ...] | None:
    """Return a monitor's patterns, None for one that BlueZ releases (monitor_process)."""
    kind, patterns = properties.get("Type"), properties.get("Patterns")
    if kind is None or kind.value != "or_patterns":
        return None
    if patterns is None or patterns.signature != "a(yyay)" or not patterns.value:
        return None
    accepted = tuple((start, ad_type, bytes(data)) for start, ad_type, data in patterns.value)
    return accepted if all(_valid(*pattern) for pattern in accepted) else None


def _valid(start: int, ad_type: int, content: bytes) -> bool:
    """Whether bt_ad_pattern_new takes it."""
    fits = start + len(content) <= _MAX_AD_BYTES
    return bool(content) and fits and (0 < ad_type <= _LAST_AD_TYPE or ad_type == AD_MANUFACTURER)
