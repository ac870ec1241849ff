"""Device objects: what bluetoothd makes of reports (BlueZ src/device.c, src/adapter.c).

Two of its habits matter to a reader. Without DuplicateData it merges manufacturer data per company
and service data per UUID into what it has, so content of old reports stays and an unchanged report
is silent. And the signal strength is told at every report or only at a change of 8 dB, depending
on its version and on the filter.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim import bluez_wire as wire
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_filter import Scan
from gateway.sim.bluez_profiles import Profile
from gateway.sim.bluez_tree import Interfaces, ObjectTree, Properties

_Key = TypeVar("_Key", int, str)  # a company id or a service UUID
_FALSE = Variant("b", value=False)
_RSSI_THRESHOLD_DB = 8  # RSSI_THRESHOLD in src/device.c

EmitChanged = Callable[[wire.ChangedSignal, Iterable[bytes]], None]


class DeviceRules(NamedTuple):
    """What a release and its options do to devices."""

    profile: Profile
    rssi_needs_change: bool
    experimental: bool


class _Seen:
    """What bluetoothd remembers of a device that it shows."""

    __slots__ = (
        "connectable",
        "discovered",
        "flags",
        "heard_at_s",
        "manufacturer",
        "name",
        "rssi_dbm",
        "services",
        "signal",
        "temporary",
        "tx_power_dbm",
        "uuids",
    )

    def __init__(self, report: Advertisement, uuids: list[str]) -> None:
        self.signal: wire.ChangedSignal | None = None  # many are heard once and never again
        self.rssi_dbm: int | None = report.rssi_dbm
        self.tx_power_dbm = report.tx_power_dbm
        self.manufacturer = dict(report.manufacturer)
        self.services = dict(report.services)
        self.uuids = uuids
        self.name = report.name
        self.flags = report.flags
        self.connectable = report.connectable
        self.temporary = True
        self.discovered = False  # in the discovery that runs
        self.heard_at_s = 0.0

    def latest(self) -> Properties:
        """Return the properties that nearly every advertisement changes."""
        properties: Properties = {}
        if self.rssi_dbm is not None:
            properties["RSSI"] = Variant("n", self.rssi_dbm)
        if self.manufacturer:
            properties["ManufacturerData"] = _bytes_by("a{qv}", self.manufacturer)
        if self.services:
            properties["ServiceData"] = _bytes_by("a{sv}", self.services)
        return properties


def _merge(new: Mapping[_Key, bytes], kept: dict[_Key, bytes], *, afresh: bool) -> bool:
    """Merge a report's content into what is kept; True when that has to be signalled."""
    if afresh:
        kept.clear()
    elif new.items() <= kept.items():
        return False
    kept.update(new)
    return True


def _bytes_by(signature: str, content: Mapping[int, bytes] | Mapping[str, bytes]) -> Variant:
    values = {key: Variant("ay", data) for key, data in content.items()}
    return Variant(signature, values)


class Devices:
    """The devices of all adapters. `now_s` is any monotonic clock in seconds."""

    def __init__(
        self, tree: ObjectTree, now_s: Callable[[], float], emit: EmitChanged, rules: DeviceRules
    ) -> None:
        self._tree = tree
        self._now_s = now_s
        self._emit = emit
        self._rules = rules
        self._seen: dict[str, _Seen] = {}
        # Called with a device's path before it goes.
        self.on_removal: Callable[[str], None] = _nothing

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {(names.ADAPTER, "RemoveDevice"): self._remove_device}

    @property
    def count(self) -> int:
        """How many are shown."""
        return len(self._seen)

    def report(self, adapter: str, report: Advertisement, scan: Scan) -> bool:
        """Take one report that somebody listens for; True when a signal went out."""
        path = names.device_path(adapter, report.address)
        seen = self._seen.get(path)
        known = seen is not None
        if seen is None:
            seen = self._create(path, adapter, report)
        seen.heard_at_s = self._now_s()
        seen.connectable = report.connectable
        if scan.active:
            seen.discovered = True
        return not known or self._change(path, seen, report, scan)

    def _change(self, path: str, seen: _Seen, report: Advertisement, scan: Scan) -> bool:
        changed: dict[str, bytes] = {}
        delta_db = self._delta_db(scan)
        if seen.rssi_dbm is None or abs(seen.rssi_dbm - report.rssi_dbm) >= delta_db:
            seen.rssi_dbm = report.rssi_dbm
            changed["RSSI"] = wire.rssi(report.rssi_dbm)
        rare = self._rare_changes(seen, report)
        afresh = scan.duplicates
        if report.manufacturer and _merge(report.manufacturer, seen.manufacturer, afresh=afresh):
            changed["ManufacturerData"] = wire.manufacturer_data(seen.manufacturer)
        if report.services and _merge(report.services, seen.services, afresh=afresh):
            changed["ServiceData"] = wire.service_data(seen.services)
        if rare:
            # What changed goes out in one signal, as from one turn of bluetoothd's loop.
            latest = seen.latest()
            rare.update({name: latest[name] for name in changed})
            self._tree.change(path, names.DEVICE, rare)
        elif changed:
            if seen.signal is None:
                seen.signal = wire.ChangedSignal(path)
            self._emit(seen.signal, changed.values())
            self._tree.outdated(path, names.DEVICE, seen.latest)
        return bool(changed or rare)

    def _rare_changes(self, seen: _Seen, report: Advertisement) -> Properties | None:
        changed: Properties = {}
        if report.tx_power_dbm not in (None, seen.tx_power_dbm):
            seen.tx_power_dbm = report.tx_power_dbm
            changed["TxPower"] = Variant("n", report.tx_power_dbm)
        if report.name not in (None, seen.name):
            seen.name = report.name
            changed["Name"] = changed["Alias"] = Variant("s", report.name)
        fresh = [uuid for uuid in self._uuids(report) if uuid not in seen.uuids]
        if fresh:
            seen.uuids += fresh
            changed["UUIDs"] = Variant("as", list(seen.uuids))
        if report.flags not in {0, seen.flags}:
            seen.flags = report.flags
            if self._shows_flags:
                changed["AdvertisingFlags"] = Variant("ay", bytes([report.flags]))
        return changed or None

    def _uuids(self, report: Advertisement) -> tuple[str, ...]:
        if report.services and self._rules.profile.service_data_in_uuids:
            return (*report.uuids, *report.services)
        return report.uuids

    @property
    def _shows_flags(self) -> bool:
        return self._rules.profile.advertising_flags or self._rules.experimental

    def _delta_db(self, scan: Scan) -> int:
        # Up to 5.87 any filter asks for every report, since bluez e004414a1 only one by strength.
        every = scan.filtered and (scan.by_strength or not self._rules.rssi_needs_change)
        return 0 if every else _RSSI_THRESHOLD_DB

    def _create(self, path: str, adapter: str, report: Advertisement) -> _Seen:
        uuids = list(dict.fromkeys(self._uuids(report)))
        seen = self._seen[path] = _Seen(report, uuids)
        self._tree.add(path, self._interfaces(adapter, report, seen))
        return seen

    def _interfaces(self, adapter: str, report: Advertisement, seen: _Seen) -> Interfaces:
        address = report.address.upper()
        properties = {
            "Address": Variant("s", address),
            "AddressType": Variant("s", report.address_type),
            "Alias": Variant("s", report.name or address.replace(":", "-")),
            "Adapter": Variant("o", names.adapter_path(adapter)),
            "UUIDs": Variant("as", list(seen.uuids)),
            **dict.fromkeys(self._flags(), _FALSE),
            **seen.latest(),
        }
        if report.name is not None:
            properties["Name"] = Variant("s", report.name)
        if report.tx_power_dbm is not None:
            properties["TxPower"] = Variant("n", report.tx_power_dbm)
        if report.flags and self._shows_flags:
            properties["AdvertisingFlags"] = Variant("ay", bytes([report.flags]))
        interfaces = {names.DEVICE: properties}
        if self._rules.profile.bearer and self._rules.experimental:
            flags = dict.fromkeys(("Paired", "Bonded", "Connected"), _FALSE)
            interfaces[names.BEARER] = {"Adapter": properties["Adapter"], **flags}
        return interfaces

    def _flags(self) -> tuple[str, ...]:
        flags = ("Paired", "Bonded", "Trusted", "Blocked", "LegacyPairing", "Connected")
        more = ("CablePairing",) if self._rules.profile.cable_pairing else ()
        return (*flags, "ServicesResolved", *more)

    def keep(self, path: str) -> None:
        """Let a device be no longer temporary: it was connected to (dev_connect)."""
        if path in self._seen:
            self._seen[path].temporary = False

    def discovery_stopped(self, adapter_path: str) -> None:
        """Do what the end of the last discovery does (discovery_cleanup).

        What was found in it loses signal strength and power, and what cannot be connected to goes.
        """
        for path in self._tree.below(adapter_path):
            seen = self._seen.get(path)
            if seen is None:
                continue
            if seen.discovered:
                self._forget_strength(path, seen)
            if seen.temporary and not seen.connectable and not self._connected(path):
                self.remove(path)

    def _forget_strength(self, path: str, seen: _Seen) -> None:
        strength, power = seen.rssi_dbm, seen.tx_power_dbm
        seen.discovered, seen.rssi_dbm, seen.tx_power_dbm = False, None, None
        gone = ["RSSI"] * (strength is not None) + ["TxPower"] * (power is not None)
        if gone:
            self._tree.change(path, names.DEVICE, {}, gone)

    def _connected(self, path: str) -> bool:
        return self._tree.flag(path, names.DEVICE, "Connected")

    def expire(self, older_than_s: float) -> None:
        """Remove temporary devices that were not heard for so long and are not connected."""
        limit = self._now_s() - older_than_s
        for path in [path for path, seen in self._seen.items() if seen.heard_at_s < limit]:
            if self._seen[path].temporary and not self._connected(path):
                self.remove(path)

    def remove(self, path: str) -> None:
        """Take a device away with all that it shows."""
        self.on_removal(path)
        self._seen.pop(path, None)
        self._tree.remove(path)

    def remove_below(self, adapter_path: str, *, temporary: bool = False) -> None:
        """Take all devices of an adapter away, or only the temporary ones."""
        for path in self._tree.below(adapter_path):
            if path in self._seen and (self._seen[path].temporary or not temporary):
                self.remove(path)

    def forget_all(self) -> None:
        """Forget what was seen and say nothing: bluetoothd died."""
        self._seen.clear()

    def _remove_device(self, call: Call) -> Message:
        device = call.body[0]
        if device not in self._seen or not device.startswith(f"{call.path}/"):
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.not_ready()
        self.remove(device)
        return call.reply()


def _nothing(_: str) -> None:
    """Nobody wants to know."""
