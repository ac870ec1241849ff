"""org.freedesktop.DBus.Properties of every object, with the errors of BlueZ's gdbus/object.c."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_tree import ObjectTree, Properties

# Those with a setter in src/adapter.c and src/device.c, by their type.
_WRITABLE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        names.ADAPTER: {
            "Alias": "s",
            "Connectable": "b",
            "Powered": "b",
            "Discoverable": "b",
            "DiscoverableTimeout": "u",
            "Pairable": "b",
            "PairableTimeout": "u",
        },
        names.DEVICE: {
            "Alias": "s",
            "Trusted": "b",
            "Blocked": "b",
            "WakeAllowed": "b",
            "PreferredBearer": "s",
        },
    }
)
# Those without a setter that an object may lack at the moment.
_OPTIONAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        names.ADAPTER: frozenset({"ExperimentalFeatures"}),
        names.DEVICE: frozenset(
            {"Name", "Class", "Appearance", "Icon", "Modalias", "RSSI", "TxPower"}
            | {"ManufacturerData", "ServiceData", "AdvertisingFlags", "AdvertisingData"}
        ),
        names.GATT_CHARACTERISTIC: frozenset({"Value", "Notifying", "MTU"}),
    }
)

SetPowered = Callable[[Call, object], Message]


class PropertyAnswers:
    """Get, GetAll and Set. `set_powered` does what setting an adapter's Powered does."""

    def __init__(self, tree: ObjectTree, set_powered: SetPowered) -> None:
        self._tree = tree
        self._set_powered = set_powered

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.PROPERTIES, "Get"): self._get,
            (names.PROPERTIES, "GetAll"): self._get_all,
            (names.PROPERTIES, "Set"): self._set,
        }

    def _get(self, call: Call) -> Message:
        interface, name = call.body
        shown = self._tree.properties(call.path, interface)
        if shown is None:
            return _no_interface(call, interface)
        if name not in shown:
            return call.error(names.INVALID_ARGS, f"No such property '{name}'")
        return call.reply("v", [shown[name]])

    def _get_all(self, call: Call) -> Message:
        interface = call.body[0]
        shown = self._tree.properties(call.path, interface)
        if shown is None:
            return _no_interface(call, interface)
        return call.reply("a{sv}", [shown])

    def _set(self, call: Call) -> Message:
        interface, name, value = call.body
        shown = self._tree.properties(call.path, interface)
        if shown is None:
            return _no_interface(call, interface)
        refusal = _refusal(call, interface, shown)
        if refusal is not None:
            return refusal
        if (interface, name) == (names.ADAPTER, "Powered"):
            return self._set_powered(call, value.value)
        if name == "Alias" and not value.value:
            value = shown.get("Name", shown[name])  # an empty one takes it back
        if value.value != shown[name].value:
            self._tree.change(call.path, interface, {name: value})
        return call.reply()


def _no_interface(call: Call, interface: str) -> Message:
    return call.error(names.INVALID_ARGS, f"No such interface '{interface}'")


def _refusal(call: Call, interface: str, shown: Properties) -> Message | None:
    """Return why a property is not set, in the order in which BlueZ looks."""
    name: str = call.body[1]
    value: Variant = call.body[2]
    writable = _WRITABLE.get(interface, {})
    if name not in writable and (name in shown or name in _OPTIONAL.get(interface, ())):
        return call.error(names.PROPERTY_READ_ONLY, f"Property '{name}' is not writable")
    if name not in shown:
        return call.error(names.UNKNOWN_PROPERTY, f"No such property '{name}'")
    if value.signature != writable[name]:
        return call.error(names.INVALID_SIGNATURE, f"Invalid signature for '{name}'")
    return None
