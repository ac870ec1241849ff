"""The methods that bluetoothd offers, their arguments, and how it introduces its objects.

BlueZ takes a call only with the arguments it has declared; with others the method does not exist.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from xml.sax.saxutils import quoteattr

from dbus_fast import Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_tree import Interfaces

# (interface, member) -> the signature of its arguments
ARGUMENTS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (names.OBJECT_MANAGER, "GetManagedObjects"): "",
        (names.INTROSPECTABLE, "Introspect"): "",
        (names.PROPERTIES, "Get"): "ss",
        (names.PROPERTIES, "GetAll"): "s",
        (names.PROPERTIES, "Set"): "ssv",
        (names.AGENT_MANAGER, "RegisterAgent"): "os",
        (names.AGENT_MANAGER, "UnregisterAgent"): "o",
        (names.AGENT_MANAGER, "RequestDefaultAgent"): "o",
        (names.ADAPTER, "StartDiscovery"): "",
        (names.ADAPTER, "SetDiscoveryFilter"): "a{sv}",
        (names.ADAPTER, "StopDiscovery"): "",
        (names.ADAPTER, "RemoveDevice"): "o",
        (names.ADAPTER, "GetDiscoveryFilters"): "",
        (names.MONITOR_MANAGER, "RegisterMonitor"): "o",
        (names.MONITOR_MANAGER, "UnregisterMonitor"): "o",
        (names.DEVICE, "Connect"): "",
        (names.DEVICE, "Disconnect"): "",
        (names.DEVICE, "Pair"): "",
        (names.DEVICE, "CancelPairing"): "",
        (names.GATT_CHARACTERISTIC, "ReadValue"): "a{sv}",
        (names.GATT_CHARACTERISTIC, "WriteValue"): "aya{sv}",
        (names.GATT_CHARACTERISTIC, "StartNotify"): "",
        (names.GATT_CHARACTERISTIC, "StopNotify"): "",
        (names.GATT_CHARACTERISTIC, "AcquireNotify"): "a{sv}",
        (names.GATT_CHARACTERISTIC, "AcquireWrite"): "a{sv}",
    }
)
_EVERYWHERE = (names.PROPERTIES, names.INTROSPECTABLE)


def introduction(interfaces: Interfaces, children: Iterable[str]) -> str:
    """Return what Introspect answers for an object: its interfaces and what is below it."""
    offered = [*interfaces, *(_EVERYWHERE if interfaces else ())]
    shown = [_interface(name, interfaces.get(name, {})) for name in offered]
    below = [f"<node name={quoteattr(child)}/>" for child in children]
    return f"<node>{''.join(shown)}{''.join(below)}</node>"


def _interface(interface: str, properties: Mapping[str, Variant]) -> str:
    methods = [
        f"<method name={quoteattr(member)}>{_arguments(signature)}</method>"
        for (owner, member), signature in ARGUMENTS.items()
        if owner == interface
    ]
    shown = [
        f'<property name={quoteattr(name)} type="{value.signature}" access="read"/>'
        for name, value in properties.items()
    ]
    return f"<interface name={quoteattr(interface)}>{''.join(methods)}{''.join(shown)}</interface>"


def _arguments(signature: str) -> str:
    return f'<arg type="{signature}" direction="in"/>' if signature else ""
