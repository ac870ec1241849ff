"""Device objects: what bluetoothd makes of advertising reports (BlueZ src/device.c).

Two of its habits matter to a reader. Without DuplicateData it merges manufacturer data per company
and service data per UUID into what it has, so content of old reports stays and an unchanged report
is silent. And the signal strength is told at every report or only at a change of 8 dB, depending
on its version and on the filter.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_discovery import Scan
from gateway.sim.bluez_tree import ObjectTree, Properties

_Key = TypeVar("_Key", int, str)  # a company id or a service UUID
_RSSI_THRESHOLD_DB = 8  # RSSI_THRESHOLD in src/device.c


class _Seen(msgspec.Struct, kw_only=True):
    """What bluetoothd remembers of a device that it shows."""

    rssi_dbm: int | None
    manufacturer: dict[int, bytes]
    services: dict[str, bytes]
    uuids: set[str]
    name: str | None
    heard_at_s: float


def _merge(new: Mapping[_Key, bytes], kept: dict[_Key, bytes], *, afresh: bool) -> bool:
    """Merge a report's content into what is kept; True when that has to be signalled."""
    if not new:
        return False
    if afresh:
        kept.clear()
    if new.items() <= kept.items():
        return False
    kept.update(new)
    return True


def _bytes_by(signature: str, content: dict[int, bytes] | dict[str, bytes]) -> Variant:
    # Not verified: this is the hot path, and what we put in is bytes by type.
    values = {key: Variant("ay", data, verify=False) for key, data in content.items()}
    return Variant(signature, values, verify=False)


class Devices:
    """The devices of all adapters. `now_s` is any monotonic clock in seconds."""

    def __init__(
        self, tree: ObjectTree, now_s: Callable[[], float], *, rssi_needs_change: bool
    ) -> None:
        self._tree = tree
        self._now_s = now_s
        self._rssi_needs_change = rssi_needs_change
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
        if seen is None:
            self._create(path, adapter, report)
            return True
        seen.heard_at_s = self._now_s()
        changed = self._changes(seen, report, scan)
        if changed:
            self._tree.change(path, names.DEVICE, changed)
        return bool(changed)

    def _changes(self, seen: _Seen, report: Advertisement, scan: Scan) -> Properties:
        changed: Properties = {}
        if seen.rssi_dbm is None or abs(seen.rssi_dbm - report.rssi_dbm) >= self._delta_db(scan):
            seen.rssi_dbm = report.rssi_dbm
            changed["RSSI"] = Variant("n", report.rssi_dbm, verify=False)
        if _merge(report.manufacturer, seen.manufacturer, afresh=scan.duplicates):
            changed["ManufacturerData"] = _bytes_by("a{qv}", seen.manufacturer)
        if _merge(report.services, seen.services, afresh=scan.duplicates):
            changed["ServiceData"] = _bytes_by("a{sv}", seen.services)
        if report.name not in (None, seen.name):
            seen.name = report.name
            changed["Name"] = changed["Alias"] = Variant("s", report.name)
        if not seen.uuids.issuperset(report.uuids):
            seen.uuids |= set(report.uuids)
            changed["UUIDs"] = Variant("as", sorted(seen.uuids))
        return changed

    def _delta_db(self, scan: Scan) -> int:
        # Up to 5.87 any filter asks for every report, since bluez e004414a1 only one by strength.
        every = scan.by_strength if self._rssi_needs_change else scan.filtered
        return 0 if every else _RSSI_THRESHOLD_DB

    def _create(self, path: str, adapter: str, report: Advertisement) -> None:
        manufacturer, services = dict(report.manufacturer), dict(report.services)
        self._seen[path] = _Seen(
            rssi_dbm=report.rssi_dbm,
            manufacturer=manufacturer,
            services=services,
            uuids=set(report.uuids),
            name=report.name,
            heard_at_s=self._now_s(),
        )
        address = report.address.upper()
        properties = {
            "Address": Variant("s", address),
            "AddressType": Variant("s", report.address_type),
            "Alias": Variant("s", report.name or address.replace(":", "-")),
            "Adapter": Variant("o", names.adapter_path(adapter)),
            "UUIDs": Variant("as", list(report.uuids)),
            "RSSI": Variant("n", report.rssi_dbm),
        }
        for flag in ("Paired", "Bonded", "Trusted", "Blocked", "LegacyPairing", "Connected"):
            properties[flag] = Variant("b", value=False)
        properties["ServicesResolved"] = Variant("b", value=False)
        if report.name is not None:
            properties["Name"] = Variant("s", report.name)
        if report.tx_power_dbm is not None:
            properties["TxPower"] = Variant("n", report.tx_power_dbm)
        if manufacturer:
            properties["ManufacturerData"] = _bytes_by("a{qv}", manufacturer)
        if services:
            properties["ServiceData"] = _bytes_by("a{sv}", services)
        self._tree.add(path, {names.DEVICE: properties})

    def discovery_stopped(self, adapter_path: str) -> None:
        """Invalidate every signal strength, as the end of a discovery does."""
        for path in self._tree.below(adapter_path):
            if path in self._seen:
                self._seen[path].rssi_dbm = None
                self._tree.change(path, names.DEVICE, {}, ["RSSI"])

    def expire(self, older_than_s: float) -> None:
        """Remove devices that were not heard for so long and are neither connected nor paired."""
        limit = self._now_s() - older_than_s
        for path in [path for path, seen in self._seen.items() if seen.heard_at_s < limit]:
            connected = self._tree.flag(path, names.DEVICE, "Connected")
            if not connected and not self._tree.flag(path, names.DEVICE, "Paired"):
                self.remove(path)

    def remove(self, path: str) -> None:
        """Take a device away with all that it shows."""
        self.on_removal(path)
        self._seen.pop(path, None)
        self._tree.remove(path)

    def remove_below(self, adapter_path: str) -> None:
        """Take all devices of an adapter away."""
        for path in self._tree.below(adapter_path):
            if path in self._seen:
                self.remove(path)

    def forget_all(self) -> None:
        """Forget what was seen and say nothing: bluetoothd died."""
        self._seen.clear()

    def _remove_device(self, call: Call) -> Message:
        if call.body[0] not in self._seen:
            return call.error(names.DOES_NOT_EXIST, "Does Not Exist")
        self.remove(call.body[0])
        return call.reply()


def _nothing(_: str) -> None:
    """Nobody wants to know."""
