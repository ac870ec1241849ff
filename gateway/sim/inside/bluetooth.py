"""Bluetooth in memory: what the agent's own supervisor of scans meets in place of bleak and BlueZ.

The agent's supervisor, poller and hot path are the real ones; below them there is no D-Bus, no
bleak and no device object. Modelled are a daemon that stops, crashes, hangs and refuses, adapters
that go, come and lose power, a scan that ends without a sign, and what a passive scan passes on.
Not modelled: `Discovering`, what BlueZ remembers from one scan to the next, sessions in progress.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from dbus_fast import Message

from gateway.model import Intake
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement
from gateway.sim.bluez_call import received
from gateway.sim.bluez_faults import Cure, Deafness, MethodFault, MethodFaults
from gateway.sim.bluez_monitors import MonitorRules, compared
from gateway.sim.bluez_names import adapter_path
from gateway.sim.bluez_profiles import profile
from gateway.sim.systemd import DENIED, restart
from gateway.transport.ble.causes import IN_PROGRESS, Adapter, ScanError, refused
from gateway.transport.ble.remedies import not_restarted
from gateway.transport.ble.scanner import Pattern, Scan, Scanner
from gateway.transport.ble.watcher import Watcher

Enter = Callable[..., bool]  # has the agent run a function when it runs next; or it never will

_RSSI_STEP_DB: Final = 8  # by which a signal has to move to be told of again (BlueZ, device.c)


_MOST_KNOWN: Final = 5000  # as many as an agent lets BlueZ list

K = TypeVar("K")


class _Device(NamedTuple):
    address: str


class _Advertised(NamedTuple):
    rssi: int
    local_name: str | None
    manufacturer_data: Mapping[int, bytes]
    service_data: Mapping[str, bytes]
    service_uuids: Sequence[str]


class InsideBluez:
    """The daemon and its adapters; `enter` leads into the agent that listens to them."""

    def __init__(
        self, adapters: Sequence[str], options: BluezOptions | None, enter: Enter
    ) -> None:
        self.running = True
        self.crashed = False
        self.restart_permitted = options is not None and options.restart_permitted
        self._deafness = Deafness()
        self.faults = MethodFaults()
        self.enter = enter
        options = options or BluezOptions()
        self.profile = profile(options.profile)
        self.rules = MonitorRules(options.offload, self.profile.parsed_patterns)
        self.rssi_needs_change = self.profile.rssi_needs_change
        if options.rssi_needs_change is not None:
            self.rssi_needs_change = options.rssi_needs_change
        self._has_monitors = options.monitors
        self._powered = dict.fromkeys(adapters, True)
        self._watchers: dict[InsideWatcher, None] = {}
        self._scanners: dict[InsideScanner, None] = {}

    # ----------------------------------------------------------------------------- the process
    async def start(self) -> None:
        """Start the daemon, unless it runs."""
        if not self.running:
            self.running, self.crashed = True, False
            self._deafness.restarted()
            self._show(upset=True)

    async def crash(self) -> None:
        """Die at once: every scan has ended."""
        self.running, self.crashed = False, True
        self._scanners.clear()
        self._show(upset=True)

    async def stop(self) -> None:
        """Stop orderly; to who scans that is no different."""
        await self.crash()
        self.crashed = False

    # ---------------------------------------------------------------------------- the hardware
    def plug_adapter(self, adapter: str) -> None:
        """Plug an adapter in; it has power."""
        self._powered[adapter] = True
        self._deafness.switched_on(adapter)
        self._show(upset=True)

    def unplug_adapter(self, adapter: str) -> None:
        """Pull it out."""
        self._powered.pop(adapter, None)
        self._silence(adapter)
        self._show(upset=True)

    def power(self, adapter: str, *, on: bool) -> None:
        """Switch an adapter on or off."""
        self._powered[adapter] = on
        if on:
            self._deafness.switched_on(adapter)
        else:
            self._silence(adapter)
        self._show(upset=not on)

    def wedge(self, until: Cure = "scan") -> None:
        """Stop hearing without a sign, until scans are started again, or more is done."""
        self._deafness.begin(self._powered, until)
        for scanner in self._scanners:
            scanner.deaf = True

    def _silence(self, adapter: str) -> None:
        for scanner in [each for each in self._scanners if each.adapter == adapter]:
            del self._scanners[scanner]

    # ---------------------------------------------------------------------------------- faults
    def fail(self, member: str, error: str, text: str = "") -> MethodFault:
        """Answer a method with an error until that is lifted."""
        return self.faults.add(MethodFault(member=member, error=error, text=text))

    def hang(self, member: str) -> MethodFault:
        """Never answer a method until that is lifted."""
        return self.faults.add(MethodFault(member=member, hang=True))

    async def call(self, member: str, adapter: str) -> None:
        """Have a method called. Raises ScanError where it fails; it may never return."""
        message = Message(path=adapter_path(adapter), member=member)
        fault = self.faults.striking(received(message))
        if fault is None:
            return
        if fault.hang:
            await asyncio.get_running_loop().create_future()
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.error:
            cause = refused(fault.error, fault.text)
            raise ScanError(cause, stuck=fault.error == IN_PROGRESS)

    # ------------------------------------------------------------------------------ who listens
    def watched(self, watcher: "InsideWatcher", *, is_watched: bool) -> None:
        """Show a watcher what there is, from now on, or no more."""
        if is_watched:
            self._watchers[watcher] = None
        else:
            self._watchers.pop(watcher, None)

    def scanned(self, scanner: "InsideScanner", *, is_scanned: bool) -> None:
        """Let a scanner hear, or no more."""
        if is_scanned:
            self._scanners[scanner] = None
        else:
            self._scanners.pop(scanner, None)

    def scans(self, scanner: "InsideScanner") -> bool:
        """Whether a scanner is in force still."""
        return scanner in self._scanners

    def forsake(self) -> None:
        """Forget everybody who listened: the agent was killed."""
        self._watchers.clear()
        self._scanners.clear()

    def advertise(self, report: Advertisement) -> bool:
        """Let an advertisement arrive; whether somebody was told of it."""
        taken = False
        for scanner in self._scanners:
            is_deaf = self._deafness.strikes(scanner.adapter)
            told = None if is_deaf else scanner.hears(report)
            if told is not None:
                taken = self.enter(scanner.take, report.address, told) or taken
        return taken

    def picture(self, adapter: str) -> Adapter:
        """Return what the daemon shows of an adapter."""
        if not self.running:
            return Adapter(connected=True)
        powered = self._powered.get(adapter)
        return Adapter(
            name="" if powered is None else adapter,
            connected=True,
            owned=True,
            present=powered is not None,
            powered=bool(powered),
            discovering=bool(powered),
            monitors=self._has_monitors and powered is not None,
        )

    def _show(self, *, upset: bool) -> None:
        for watcher in self._watchers:
            self.enter(partial(watcher.look, upset=upset))


class InsideRemedies:
    """What an agent may do about them, as far as this machine lets it."""

    def __init__(self, bluez: InsideBluez) -> None:
        self._bluez = bluez

    async def power_cycle(self, adapter: str) -> None:
        """Switch an adapter off and on."""
        self._bluez.power(adapter, on=False)
        await self.switch_on(adapter)

    async def switch_on(self, adapter: str) -> None:
        """Switch an adapter on."""
        self._bluez.power(adapter, on=True)

    async def restart_service(self) -> None:
        """Restart the daemon. Raises RemedyError where that is not permitted."""
        if not self._bluez.restart_permitted:
            raise not_restarted(DENIED)
        await restart(self._bluez)


class InsideWatcher(Watcher):
    """Follows one adapter, without a bus to lose."""

    def __init__(self, bluez: InsideBluez, adapter: str, chance: Callable[[], float]) -> None:
        super().__init__(adapter, chance)
        self._bluez = bluez
        self._watched = adapter

    async def run(self) -> None:
        """Watch for ever."""
        self._bluez.watched(self, is_watched=True)
        self.look(upset=False)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._bluez.watched(self, is_watched=False)

    def look(self, *, upset: bool) -> None:
        """Take a new picture; `upset`: scans have ended."""
        self._note(self._bluez.picture(self._watched), upset=upset)

    async def refresh(self) -> None:
        """Ask anew."""
        self.look(upset=False)

    async def remove(self, paths: Sequence[str]) -> int:
        """Have devices forgotten: there are none."""
        return len(paths)


class _Known:
    """What the daemon remembers of a device: it forgets no name and no service (device.c)."""

    __slots__ = ("manufacturer", "name", "rssi_dbm", "services", "uuids")

    def __init__(self, report: Advertisement) -> None:
        self.rssi_dbm = report.rssi_dbm
        self.manufacturer: dict[int, bytes] = {}
        self.services: dict[str, bytes] = {}
        self.uuids: dict[str, None] = {}
        self.name: str | None = None

    def take(self, report: Advertisement, uuids: Sequence[str], telling: "_Telling") -> bool:
        """Take in a report; whether that is told, as something has changed."""
        told = abs(report.rssi_dbm - self.rssi_dbm) >= telling.step_db
        if told:
            self.rssi_dbm = report.rssi_dbm
        fresh = [uuid for uuid in uuids if uuid not in self.uuids]
        self.uuids.update(dict.fromkeys(fresh))
        if report.name not in (None, self.name):
            self.name, told = report.name, True
        told |= _merge(report.manufacturer, self.manufacturer, afresh=telling.duplicates)
        told |= _merge(report.services, self.services, afresh=telling.duplicates)
        return told or bool(fresh)

    def shown(self) -> _Advertised:
        """Return what bleak would make of it."""
        return _Advertised(
            self.rssi_dbm,
            self.name,
            dict(self.manufacturer),
            dict(self.services),
            tuple(self.uuids),
        )


class _Telling(NamedTuple):
    """What is told of a device that is known."""

    step_db: int  # by which its signal has to move
    duplicates: bool  # what it says again too, and just that (DuplicateData)


def _merge(new: Mapping[K, bytes], kept: dict[K, bytes], *, afresh: bool) -> bool:
    if not new or (not afresh and new.items() <= kept.items()):
        return False
    if afresh:
        kept.clear()
    kept.update(new)
    return True


class InsideScanner(Scanner):
    """A scan on one adapter: heard is what `InsideBluez.advertise` lets arrive."""

    def __init__(self, bluez: InsideBluez, adapter: str, source: str, intake: Intake) -> None:
        super().__init__(adapter, source, intake)
        self.adapter = adapter
        self.deaf = False
        self._bluez = bluez
        self._patterns: tuple[Pattern, ...] = ()
        self._is_passive = False
        self._telling = _Telling(0, duplicates=True)
        self._known: dict[str, _Known] = {}  # by address, in the order they were first heard

    # -------------------------------------------------------------------------- life of a scan
    async def _start(self, scan: Scan, patterns: Sequence[Pattern]) -> None:
        await self._bluez.call(
            "StartDiscovery" if scan == "active" else "RegisterMonitor", self.adapter
        )
        self._patterns = tuple(patterns)
        self._is_passive = scan == "passive"
        needs_step = self._is_passive or self._bluez.rssi_needs_change
        self._telling = _Telling(_RSSI_STEP_DB * needs_step, duplicates=not self._is_passive)
        self._known.clear()
        self.deaf = False
        self._bluez.scanned(self, is_scanned=True)

    async def stop(self, limit_s: float) -> bool:  # noqa: ARG002 - as bleak's takes it
        """End the scan; False when the daemon knew nothing of it any more."""
        was_there = self._bluez.scans(self)
        self.leave()
        return was_there

    def leave(self) -> None:
        """Drop the scan."""
        self._bluez.scanned(self, is_scanned=False)

    def reset(self) -> None:
        """Close the connection, of which there is none: the daemon forgets the scan."""
        self.leave()

    @property
    def connected(self) -> bool:
        """Whether the bus is there: it always is."""
        return True

    def listed_devices(self) -> int:
        """How many devices are held because of this scan: none."""
        return 0

    def strangers(self) -> list[str]:
        """Return paths of devices nobody wants: none are held."""
        return []

    # ------------------------------------------------------------------------------ what comes
    def hears(self, report: Advertisement) -> _Advertised | None:
        """Return what is told of an advertisement, None where BlueZ keeps it to itself."""
        if self.deaf or (self._is_passive and not self._matches(report)):
            return None
        known = self._known.get(report.address)
        is_new = known is None
        if known is None:
            known = self._known[report.address] = _Known(report)
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        told = known.take(report, self._uuids(report), self._telling)
        return known.shown() if told or is_new else None

    def _matches(self, report: Advertisement) -> bool:
        structures = compared(report, self._bluez.rules)
        return any(
            kind == found and data[start : start + len(content)] == content
            for kind, start, content in self._patterns
            for found, data in structures
        )

    def _uuids(self, report: Advertisement) -> Sequence[str]:
        if report.services and self._bluez.profile.service_data_in_uuids:
            return (*report.uuids, *report.services)
        return report.uuids

    def take(self, address: str, data: _Advertised) -> None:
        """Hand on what is told, as bleak's callback does."""
        self.on_advertisement(_Device(address), data)

    def _rssi_dbm(self, address: str) -> int | None:
        known = self._known.get(address)
        return known.rssi_dbm if known else None
