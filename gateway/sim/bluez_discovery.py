"""Discovery sessions: who scans actively, with which filter (BlueZ src/adapter.c).

A session belongs to a D-Bus sender and an adapter, so two scanners on one connection share it, and
the second StartDiscovery is refused with InProgress.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_tree import ObjectTree

_FILTERS = ["UUIDs", "RSSI", "Pathloss", "Transport", "DuplicateData", "Discoverable", "Pattern"]


class Filter(msgspec.Struct, frozen=True):
    """What SetDiscoveryFilter asked for; not `given` before the first and after an empty one."""

    given: bool = False
    duplicates: bool = False
    by_strength: bool = False  # RSSI or Pathloss
    rssi_dbm: int | None = None
    uuids: frozenset[str] = frozenset()
    pattern: str = ""

    def passes(self, report: Advertisement) -> bool:
        """Whether a report is for this session."""
        if self.uuids and self.uuids.isdisjoint(report.uuids):
            return False
        if self.rssi_dbm is not None and report.rssi_dbm < self.rssi_dbm:
            return False
        return report.address.startswith(self.pattern) or (report.name or "").startswith(
            self.pattern
        )


def _parse(asked: Mapping[str, Variant]) -> Filter:
    values: dict[str, Any] = {name: variant.value for name, variant in asked.items()}
    return Filter(
        given=bool(values),
        duplicates=bool(values.get("DuplicateData", False)),
        by_strength="RSSI" in values or "Pathloss" in values,
        rssi_dbm=values.get("RSSI"),
        uuids=frozenset(values.get("UUIDs", ())),
        pattern=str(values.get("Pattern", "")),
    )


class _Session(msgspec.Struct):
    filter: Filter = Filter()
    discovering: bool = False


class Scan(msgspec.Struct, frozen=True):
    """All sessions of one adapter together, as they decide what becomes of a report."""

    filters: tuple[Filter, ...] = ()
    duplicates: bool = False
    filtered: bool = False
    by_strength: bool = False

    def wants(self, report: Advertisement) -> bool:
        """Whether any session is for this report."""
        return any(one.passes(report) for one in self.filters)


_NOBODY = Scan()


class Discovery:
    """The sessions of all adapters, and the Adapter1 methods that make them."""

    def __init__(self, tree: ObjectTree, stopped: Callable[[str], None]) -> None:
        self._tree = tree
        self._stopped = stopped  # called with the adapter's path when its last session ends
        self._sessions: dict[tuple[str, str], _Session] = {}  # (sender, adapter path)
        self._scans: dict[str, Scan] = {}

    def handlers(self) -> Handlers:
        """Return the methods it answers."""
        return {
            (names.ADAPTER, "SetDiscoveryFilter"): self._set_filter,
            (names.ADAPTER, "StartDiscovery"): self._start,
            (names.ADAPTER, "StopDiscovery"): self._stop,
            (names.ADAPTER, "GetDiscoveryFilters"): self._filters,
        }

    def scan(self, adapter: str) -> Scan:
        """Return what is scanned for on an adapter path, at no cost per report."""
        return self._scans.get(adapter, _NOBODY)

    def forget_sender(self, sender: str) -> None:
        """End the sessions of a client that left the bus."""
        for owner, adapter in [key for key in self._sessions if key[0] == sender]:
            del self._sessions[owner, adapter]
            self._update(adapter)

    def forget_adapter(self, adapter: str) -> None:
        """Drop the sessions of an adapter that went or was switched off; no client is told."""
        for key in [key for key in self._sessions if key[1] == adapter]:
            del self._sessions[key]
        self._scans.pop(adapter, None)

    def forget_all(self) -> None:
        """Drop every session and say nothing: the silent stall."""
        self._sessions.clear()
        self._scans.clear()

    def _update(self, adapter: str) -> None:
        active = [
            session.filter
            for (_, path), session in self._sessions.items()
            if path == adapter and session.discovering
        ]
        before, self._scans[adapter] = self.scan(adapter), _together(active)
        if bool(before.filters) == bool(active):
            return
        discovering = {"Discovering": Variant("b", bool(active))}
        self._tree.change(adapter, names.ADAPTER, discovering)
        if not active:
            self._stopped(adapter)

    def _set_filter(self, call: Call) -> Message:
        session = self._sessions.setdefault((call.sender, call.path), _Session())
        session.filter = _parse(call.body[0])
        self._update(call.path)
        return call.reply()

    def _start(self, call: Call) -> Message:
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.error(names.NOT_READY, "Resource Not Ready")
        session = self._sessions.setdefault((call.sender, call.path), _Session())
        if session.discovering:
            return call.error(names.IN_PROGRESS, "Operation already in progress")
        session.discovering = True
        self._update(call.path)
        return call.reply()

    def _stop(self, call: Call) -> Message:
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.error(names.NOT_READY, "Resource Not Ready")
        session = self._sessions.get((call.sender, call.path))
        if session is None or not session.discovering:
            return call.error(names.FAILED, "No discovery started")
        session.discovering = False
        self._update(call.path)
        return call.reply()

    def _filters(self, call: Call) -> Message:
        return call.reply("as", [_FILTERS])


def _together(active: list[Filter]) -> Scan:
    return Scan(
        filters=tuple(active),
        duplicates=any(one.duplicates for one in active),
        filtered=any(one.given for one in active),
        by_strength=any(one.by_strength for one in active),
    )
