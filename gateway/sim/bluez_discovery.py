"""Discovery sessions: who scans actively, with which filter (BlueZ src/adapter.c).

A session belongs to a D-Bus sender and an adapter, so two scanners on one connection share it, and
the second StartDiscovery is refused with InProgress.
"""

from collections.abc import Callable

import msgspec
from dbus_fast import Message, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_call import Call, Handlers
from gateway.sim.bluez_filter import NAMES, Filter, InvalidFilterError, Scan
from gateway.sim.bluez_tree import ObjectTree


class _Session(msgspec.Struct):
    filter: Filter | None = None
    discovering: bool = False


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

    @property
    def active(self) -> bool:
        """Whether anybody scans, on any adapter."""
        return any(scan.active for scan in self._scans.values())

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
        before, self._scans[adapter] = self.scan(adapter), Scan.of(active)
        if before.active == bool(active):
            return
        discovering = {"Discovering": Variant("b", bool(active))}
        self._tree.change(adapter, names.ADAPTER, discovering)
        if not active:
            self._stopped(adapter)

    def _session(self, call: Call) -> _Session:
        return self._sessions.setdefault((call.sender, call.path), _Session())

    def _set_filter(self, call: Call) -> Message:
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.not_ready()
        try:
            asked = Filter.parse(call.body[0])
        except InvalidFilterError:
            return call.invalid_arguments()
        self._session(call).filter = asked
        self._update(call.path)
        return call.reply()

    def _start(self, call: Call) -> Message:
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.not_ready()
        session = self._session(call)
        if session.discovering:
            return call.error(names.IN_PROGRESS, "Operation already in progress")
        session.discovering = True
        self._update(call.path)
        return call.reply()

    def _stop(self, call: Call) -> Message:
        if not self._tree.flag(call.path, names.ADAPTER, "Powered"):
            return call.not_ready()
        session = self._sessions.get((call.sender, call.path))
        if session is None or not session.discovering:
            return call.error(names.FAILED, "No discovery started")
        session.discovering = False
        self._update(call.path)
        return call.reply()

    def _filters(self, call: Call) -> Message:
        return call.reply("as", [list(NAMES)])
