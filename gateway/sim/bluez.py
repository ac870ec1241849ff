"""A simulated bluetoothd: org.bluez on a private bus, taken for the real one by unmodified bleak.

It answers as a release of BlueZ does (bluez_profiles): active discovery, advertisement monitors,
connections, GATT; and it fails in every way that was seen in the field. What is not modelled, such
as pairing, is listed in docs/reference/simulated-bluez.md.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Iterable
from typing import Any

import msgspec
from dbus_fast import Message, MessageType, NameFlag, Variant

from gateway.errors import SimulatorError
from gateway.sim import bluez_names as names
from gateway.sim.bluez_adapters import AdapterRules, Adapters, Parts
from gateway.sim.bluez_agents import Agents
from gateway.sim.bluez_air import Advertisement, Counters, Peripheral
from gateway.sim.bluez_bus import BurstBus
from gateway.sim.bluez_call import Call, Handlers, received
from gateway.sim.bluez_devices import DeviceRules, Devices
from gateway.sim.bluez_discovery import Discovery
from gateway.sim.bluez_faults import Cure, Deafness, MethodFault, MethodFaults
from gateway.sim.bluez_gatt import Bus, Gatt
from gateway.sim.bluez_methods import ARGUMENTS, introduction
from gateway.sim.bluez_monitors import Clients, MonitorRules, Monitors
from gateway.sim.bluez_profiles import USUAL_PROFILE, profile
from gateway.sim.bluez_properties import PropertyAnswers
from gateway.sim.bluez_tree import ObjectTree
from gateway.sim.bluez_wire import ChangedSignal

_CALLS_KEPT = 1000
_EXPIRY_CHECKS = 4  # per temporary timeout
_DBUS = "org.freedesktop.DBus"
_DBUS_PATH = "/org/freedesktop/DBus"
_WATCHED = (
    f"type='signal',sender='{_DBUS}',interface='{_DBUS}',member='NameOwnerChanged'",
    f"type='signal',interface='{names.OBJECT_MANAGER}',member='InterfacesAdded'",
)
_ANYWHERE = frozenset(
    {(names.OBJECT_MANAGER, "GetManagedObjects"), (names.INTROSPECTABLE, "Introspect")}
)


class BluezOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which bluetoothd it is."""

    profile: str = USUAL_PROFILE  # the release it behaves as: a key of bluez_profiles.PROFILES
    monitors: bool = True  # false: run without --experimental, no passive scanning
    offload: bool = True  # false: the controller cannot match patterns, as a Raspberry Pi's
    rssi_needs_change: bool | None = None  # true: as since bluez e004414a1; None: as released
    temporary_timeout_s: float = 30.0  # TemporaryTimeout of main.conf; 0: never
    restart_permitted: bool = (
        False  # whether polkit lets an agent have bluetooth.service restarted
    )


class Bluez:
    """bluetoothd and its adapters. Adapters and peripherals outlive its crashes: hardware."""

    def __init__(self, address: str, options: BluezOptions | None = None) -> None:
        self._address = address
        self._options = options or BluezOptions()
        self._bus: BurstBus | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.counters = Counters()
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self.faults = MethodFaults()
        self.crashed = False
        self._deafness = Deafness()
        self._agents = Agents()
        self._build(self._options)
        self._handlers: Handlers = {
            (names.OBJECT_MANAGER, "GetManagedObjects"): self._managed_objects,
            (names.INTROSPECTABLE, "Introspect"): self._introspect,
            **PropertyAnswers(self._tree, self._adapters.set_powered).handlers(),
            **self._agents.handlers(),
            **self._discovery.handlers(),
            **self._devices.handlers(),
            **self._monitors.handlers(),
            **self._gatt.handlers(),
        }

    def _build(self, options: BluezOptions) -> None:
        release, experimental = profile(options.profile), options.monitors
        needs_change = options.rssi_needs_change
        if needs_change is None:
            needs_change = release.rssi_needs_change
        self._tree = ObjectTree(self._emit)
        self._devices = Devices(
            self._tree,
            time.monotonic,
            self._emit_changed,
            DeviceRules(release, rssi_needs_change=needs_change, experimental=experimental),
        )
        self._gatt = Gatt(self._tree, Bus(self._emit, self._spawn), release)
        self._monitors = Monitors(
            Clients(self._emit, self._ask, self._spawn),
            MonitorRules(offload=options.offload, parsed=release.parsed_patterns),
        )
        self._discovery = Discovery(self._tree, self._devices.discovery_stopped)
        self._adapters = Adapters(
            Parts(self._tree, self._devices, self._discovery, self._monitors, self._gatt),
            AdapterRules(release, experimental=experimental, offload=options.offload),
            lambda: self.running,
        )
        self._adapters.on_switched_on = self._deafness.switched_on
        self._gatt.on_connect = self._devices.keep
        self._devices.on_removal = self._before_removal

    # ------------------------------------------------------------------------------ the process
    @property
    def running(self) -> bool:
        """Whether bluetoothd runs and owns its name."""
        return self._bus is not None

    async def start(self) -> None:
        """Start bluetoothd, unless it runs, with what is plugged in. Raises SimulatorError."""
        if self._bus is not None:
            return
        bus = BurstBus(self._address)
        try:
            await bus.connect()
        except OSError as error:
            cause = f"no D-Bus at {self._address}: {error}"
            raise SimulatorError(cause) from error
        self._bus, self.crashed = bus, False
        self._deafness.restarted()
        bus.add_message_handler(self._take)
        for rule in _WATCHED:
            await self._ask_bus("AddMatch", "s", [rule])
        self._tree.add(names.ROOT, {names.AGENT_MANAGER: {}})
        await bus.request_name(names.SERVICE, NameFlag.DO_NOT_QUEUE)
        self._adapters.show_all()
        if self._options.temporary_timeout_s:
            self._spawn(self._expire(), "bluez.expire")

    async def crash(self) -> None:
        """Die at once: no object is taken back, clients see only that the name lost its owner."""
        bus, self._bus = self._bus, None
        self.crashed = self.crashed or bus is not None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._gatt.forget_all()
        self._discovery.forget_all()
        self._monitors.forget_all()
        self._devices.forget_all()
        self._agents.forget_all()
        self._tree.clear()
        if bus is not None:
            bus.disconnect()

    async def stop(self) -> None:
        """End orderly: every object is taken back before the name is given up."""
        if self._bus is not None:
            for adapter in self._adapters.all:
                self._adapters.withdraw(adapter)
            await self.settle()
        await self.crash()
        self.crashed = False

    async def settle(self) -> None:
        """Return when all that was signalled so far stands in the sockets of those who listen."""
        await self._ask_bus("GetId", "", [])

    async def drain(self) -> None:
        """Return when all that was signalled so far has left this process."""
        if self._bus is not None:
            await self._bus.drain()

    async def _ask_bus(self, member: str, signature: str, body: list[Any]) -> None:
        call = Message(
            destination=_DBUS,
            path=_DBUS_PATH,
            interface=_DBUS,
            member=member,
            signature=signature,
            body=body,
        )
        await self._ask(call)

    async def _ask(self, call: Message) -> Message:
        if self._bus is None:
            cause = "the simulated bluetoothd does not run"
            raise SimulatorError(cause)
        return await self._bus.call(call)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expire(self) -> None:
        timeout_s = self._options.temporary_timeout_s
        while True:
            await asyncio.sleep(timeout_s / _EXPIRY_CHECKS)
            self._devices.expire(timeout_s)

    # --------------------------------------------------------------------------------- adapters
    def plug_adapter(
        self, adapter: str = "hci0", *, powered: bool = True, address: str = ""
    ) -> None:
        """Plug an adapter in; without effect when it is. `address`: of one that was another."""
        self._adapters.plug(adapter, powered=powered, address=address)

    def unplug_adapter(self, adapter: str = "hci0") -> str:
        """Pull an adapter out, its devices first; its sessions end without a word. Its address."""
        self._adapters.unplug(adapter)
        return self._adapters.address(adapter)

    def power(self, adapter: str = "hci0", *, on: bool) -> None:
        """Switch an adapter on or off. Off ends links and discovery; monitors outlast it."""
        self._adapters.power(adapter, on=on)

    # ------------------------------------------------------------------------------------ the air
    def advertise(self, report: Advertisement) -> bool:
        """Let every powered adapter hear one report, once; True when that made a signal.

        While the bus takes less than it is offered (`congested`), reports are dropped and counted.
        """
        if self._bus is None:
            return False
        signalled = False
        for adapter in self._adapters.powered():
            signalled |= self._heard(adapter, report)
        return signalled

    @property
    def congested(self) -> bool:
        """Whether the next report would be dropped; who may not lose any awaits `drain`."""
        return self._bus is not None and self._bus.congested

    def _heard(self, adapter: str, report: Advertisement) -> bool:
        path = names.adapter_path(adapter)
        self.counters.offered += 1
        if self._deafness.strikes(adapter):
            self.counters.unheard += 1
            return False
        scan = self._discovery.scan(path)
        monitors = self._monitors.matching(path, report)
        if not monitors and not scan.wants(report):
            self.counters.unwanted += 1
            return False
        if self.congested:
            self.counters.overrun += 1
            return False
        signalled = self._devices.report(adapter, report, scan)
        self.counters.signalled += signalled
        if monitors:
            self._monitors.tell(monitors, names.device_path(adapter, report.address))
        return signalled

    @property
    def device_count(self) -> int:
        """How many devices bluetoothd shows, over all adapters."""
        return self._devices.count

    @property
    def monitor_count(self) -> int:
        """How many advertisement monitors it has accepted."""
        return self._monitors.count

    @property
    def listened(self) -> bool:
        """Whether anybody scans, by discovery or by a monitor."""
        return self._monitors.count > 0 or self._discovery.active

    def place(self, peripheral: Peripheral) -> Peripheral:
        """Put a connectable device into the air; it is found once it has advertised."""
        self._gatt.peripherals[peripheral.address.upper()] = peripheral
        return peripheral

    def notify(self, address: str, uuid: str, value: bytes) -> int:
        """Let a connected peripheral notify; return the ways it went (signal, sockets)."""
        return self._gatt.characteristics.notify(address.upper(), uuid, value)

    @property
    def connected(self) -> list[str]:
        """The addresses of devices that are connected to."""
        return self._gatt.connected()

    def show_services(self, address: str) -> None:
        """Show what a device has, as after a connection that somebody else has made."""
        for adapter in self._adapters.all:
            self._gatt.show(names.device_path(adapter, address))

    def lose_link(self, address: str) -> None:
        """Let a connected device go out of range."""
        for adapter in self._adapters.all:
            self._gatt.lose(names.device_path(adapter, address))

    def change(self, path: str, interface: str, name: str, *, value: bool) -> None:
        """Change a property as bluetoothd does of itself, whether or not a client may set it."""
        self._tree.change(path, interface, {name: Variant("b", value)})

    # ------------------------------------------------------------------------------------ faults
    def wedge(self, until: Cure = "scan") -> None:
        """Stop hearing, `until` this is done: sessions and monitors go, and nobody is told."""
        self._deafness.begin(self._adapters.all, until)
        self._discovery.forget_all()
        self._monitors.forget_all()

    def close_notify_sockets(self, address: str) -> int:
        """Close what AcquireNotify handed out, with no other sign; return how many there were."""
        return self._gatt.characteristics.close_sockets(address.upper())

    def fail(
        self, member: str, error: str, text: str = "", *, times: int | None = None
    ) -> MethodFault:
        """Answer a method with an error (bluez_names), so many times or until it is lifted."""
        return self.faults.add(MethodFault(member=member, error=error, text=text, times=times))

    def hang(self, member: str, *, times: int | None = None) -> MethodFault:
        """Never answer a method, so many times or until it is lifted."""
        return self.faults.add(MethodFault(member=member, hang=True, times=times))

    # ---------------------------------------------------------------------------------- dispatch
    def _emit(self, message: Message) -> None:
        if self._bus is not None:
            self._bus.post(message)

    def _emit_changed(self, signal: ChangedSignal, changed: Iterable[bytes]) -> None:
        if self._bus is not None:
            self._bus.post_changed(signal, changed)

    def _before_removal(self, device: str) -> None:
        self._gatt.remove(device)
        self._monitors.device_gone(device)

    def _take(self, message: Message) -> Message | bool:
        """Take whatever arrives; True or an answer: dealt with."""
        if message.message_type is MessageType.SIGNAL:
            self._take_signal(message)
            return False
        if message.message_type is not MessageType.METHOD_CALL or message.path is None:
            return False
        call = received(message)
        self.calls.append(call)
        fault = self.faults.striking(call)
        if fault is None:
            self._answer(call)
        elif not fault.hang:
            self._spawn(self._answer_late(call, fault), "bluez.late")
        return True

    def _take_signal(self, signal: Message) -> None:
        if signal.member == "NameOwnerChanged":
            name, _, new_owner = signal.body
            if not new_owner:
                self._discovery.forget_sender(name)
                self._monitors.forget_sender(name)
                self._gatt.characteristics.forget_sender(name)
                self._agents.forget_sender(name)
        elif signal.member == "InterfacesAdded":
            self._monitors.shown(signal)

    async def _answer_late(self, call: Call, fault: MethodFault) -> None:
        await asyncio.sleep(fault.delay_s)
        error = call.error(fault.error, fault.text) if fault.error else None
        if error is None or fault.takes_effect:
            self._answer(call, error)
        else:
            self._emit(error)

    def _answer(self, call: Call, instead: Message | None = None) -> None:
        """Do what a call asks for; its answer, or what is to be said instead, goes out first."""
        with self._tree.held():
            reply = self._outcome(call)
            said = reply if instead is None else instead
            if said is not None:
                self._emit(said)

    def _outcome(self, call: Call) -> Message | None:
        key = (call.interface, call.member)
        interfaces = self._tree.objects.get(call.path)
        handler = self._handlers.get(key)
        if key in _ANYWHERE and handler is not None:
            return handler(call)
        offered = interfaces is not None and (key[0] in interfaces or key[0] == names.PROPERTIES)
        if handler is None or not offered or call.message.signature != ARGUMENTS[key]:
            # Word for word what libdbus answers for an object that has no such method.
            text = (
                f'Method "{call.member}" with signature "{call.message.signature}"'
                f' on interface "{call.interface}" doesn\'t exist\n'
            )
            known = names.UNKNOWN_OBJECT if interfaces is None else names.UNKNOWN_METHOD
            return call.error(known, text)
        return handler(call)

    def _managed_objects(self, call: Call) -> Message:
        return call.reply("a{oa{sa{sv}}}", [self._tree.objects])

    def _introspect(self, call: Call) -> Message:
        interfaces = self._tree.objects.get(call.path, {})
        return call.reply("s", [introduction(interfaces, self._tree.children(call.path))])
