"""Adapter objects: what is plugged in and on, and what is shown of it (BlueZ src/adapter.c).

Adapters are hardware: they outlive a crash of bluetoothd, and are shown again when it is back.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_call import Call
from gateway.sim.bluez_devices import Devices
from gateway.sim.bluez_discovery import Discovery
from gateway.sim.bluez_gatt import Gatt
from gateway.sim.bluez_monitors import Monitors
from gateway.sim.bluez_profiles import Profile
from gateway.sim.bluez_tree import Interfaces, ObjectTree

_BLUETOOTH_5_0 = 9  # Assigned Numbers, Core Specification Versions
_NO_COMPANY = 0xFFFF
_USUAL_TIMEOUT_S = 180  # DiscoverableTimeout of main.conf
_MODALIAS = "usb:v1D6Bp0246d{:02X}{:02X}"  # BlueZ as a product of the Linux Foundation


class AdapterRules(NamedTuple):
    """What a release and its options show of an adapter."""

    profile: Profile
    experimental: bool
    offload: bool


class Parts(NamedTuple):
    """What an adapter's going and its switch tell of it."""

    tree: ObjectTree
    devices: Devices
    discovery: Discovery
    monitors: Monitors
    gatt: Gatt


class Adapters:
    """The adapters that are plugged in. `running`: whether bluetoothd is there to show them."""

    def __init__(self, parts: Parts, rules: AdapterRules, running: Callable[[], bool]) -> None:
        self._parts = parts
        self._rules = rules
        self._running = running
        self._powered: dict[str, bool] = {}
        self._addresses: dict[str, str] = {}
        self.on_switched_on: Callable[[str], None] = lambda _: None

    def address(self, adapter: str) -> str:
        """Return the address of one that is plugged in, or was."""
        return self._addresses[adapter]

    @property
    def all(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._powered)

    def powered(self) -> Iterator[str]:
        """Yield those that are on."""
        for adapter, powered in self._powered.items():
            if powered:
                yield adapter

    def plug(self, adapter: str, *, powered: bool, address: str = "") -> None:
        """Plug one in; without effect when it is. The kernel numbers them, addresses stay."""
        if adapter not in self._powered:
            number = int(adapter.removeprefix("hci"))
            self._addresses[adapter] = address or f"00:00:00:00:5E:{number:02X}"
            self._powered[adapter] = powered
            self.on_switched_on(adapter)
            if self._running():
                self._show(adapter)

    def unplug(self, adapter: str) -> None:
        """Pull one out: its devices go, then it goes; its sessions end without a word."""
        self.withdraw(adapter)
        self._powered.pop(adapter, None)

    def show_all(self) -> None:
        """Show all that are plugged in: bluetoothd has started."""
        for adapter in self._powered:
            self._show(adapter)

    def withdraw(self, adapter: str) -> None:
        """Take one back in good order."""
        path = names.adapter_path(adapter)
        self._parts.devices.remove_below(path)
        self._parts.tree.remove(path)
        self._parts.discovery.forget_adapter(path)
        self._parts.monitors.forget_adapter(path)

    def power(self, adapter: str, *, on: bool) -> None:
        """Switch one on or off. Off ends links and discovery; monitors outlast it."""
        path = names.adapter_path(adapter)
        self._powered[adapter] = on
        if on:
            self.on_switched_on(adapter)
        changed = {"Powered": Variant("b", on)}
        if not on:
            self._parts.discovery.forget_adapter(path)
            self._parts.devices.discovery_stopped(path)
            self._parts.gatt.lose_below(path)
            changed["Discovering"] = Variant("b", value=False)
        if self._shows_power_state:
            changed["PowerState"] = Variant("s", "on" if on else "off")
        self._parts.tree.change(path, names.ADAPTER, changed)

    def set_powered(self, call: Call, on: object) -> Message:
        """Do what a client asks for: off takes the temporary devices away first."""
        adapter = names.adapter_of(call.path)
        if self._powered[adapter] != bool(on):
            if not on:
                self._parts.devices.remove_below(call.path, temporary=True)
            if self._shows_power_state:
                state = Variant("s", "off-enabling" if on else "on-disabling")
                self._parts.tree.change(call.path, names.ADAPTER, {"PowerState": state})
            self.power(adapter, on=bool(on))
        return call.reply()

    @property
    def _shows_power_state(self) -> bool:
        return self._rules.profile.power_state or self._rules.experimental

    def _show(self, adapter: str) -> None:
        self._parts.tree.add(names.adapter_path(adapter), self._interfaces(adapter))

    def _interfaces(self, adapter: str) -> Interfaces:
        powered = self._powered[adapter]
        properties = {
            "Address": Variant("s", self._addresses[adapter]),
            "AddressType": Variant("s", "public"),
            "Name": Variant("s", adapter),
            "Alias": Variant("s", adapter),
            "Class": Variant("u", 0),
            "Powered": Variant("b", powered),
            "Discoverable": Variant("b", value=False),
            "DiscoverableTimeout": Variant("u", _USUAL_TIMEOUT_S),
            "Pairable": Variant("b", value=False),
            "PairableTimeout": Variant("u", 0),
            "Discovering": Variant("b", value=False),
            "UUIDs": Variant("as", []),
            "Modalias": Variant("s", _MODALIAS.format(*self._rules.profile.version)),
            "Roles": Variant("as", ["central", "peripheral"]),
        }
        if self._shows_power_state:
            properties["PowerState"] = Variant("s", "on" if powered else "off")
        if self._rules.profile.connectable:
            properties["Connectable"] = Variant("b", value=False)
        if self._rules.profile.adapter_version:
            properties["Manufacturer"] = Variant("q", _NO_COMPANY)
            properties["Version"] = Variant("y", _BLUETOOTH_5_0)
        interfaces = {names.ADAPTER: properties}
        if self._rules.experimental:
            features = ["controller-patterns"] if self._rules.offload else []
            interfaces[names.MONITOR_MANAGER] = {
                "SupportedMonitorTypes": Variant("as", ["or_patterns"]),
                "SupportedFeatures": Variant("as", features),
            }
        return interfaces
