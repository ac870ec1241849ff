"""What BlueZ says of one adapter on D-Bus, on a connection of its own.

bleak does not notice when bluetoothd, the adapter or the bus goes away under a scan; this does.
Signals only say that something happened, the picture is always asked for, so it cannot drift. It
never starts bluetoothd and never hears of a device. An adapter that the kernel numbers anew when
it is plugged in again is followed by its address.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, ClassVar

from dbus_fast import Message

from gateway.core import backoff
from gateway.transport.ble.bus import NO_REPLY, BusLostError, RefusedError, SystemBus
from gateway.transport.ble.causes import Adapter

_BLUEZ = "org.bluez"
_DBUS = "org.freedesktop.DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"
_OBJECTS = "org.freedesktop.DBus.ObjectManager"
_ADAPTER = "org.bluez.Adapter1"
_MONITORS = "org.bluez.AdvertisementMonitorManager1"
_ABSENT = (  # what is answered for an object or an interface that is not there
    "org.freedesktop.DBus.Error.UnknownObject",
    "org.freedesktop.DBus.Error.UnknownInterface",
    "org.freedesktop.DBus.Error.UnknownMethod",
    "org.freedesktop.DBus.Error.InvalidArgs",
    "org.freedesktop.DBus.Error.ServiceUnknown",
)
# From then on bluetoothd, where it compares itself, compares what it has taken apart (its commits
# bc2ab4ba3 and b0656c2cf, issues 652 and 901): no service data at first, since 5.71 service data
# without the UUID before it. What a driver looks for is never found.
_TAKES_APART = (5, 69)
_LATER_THAN_ANY = (255, 255)
_MODALIAS = re.compile(r"v1D6Bp0246d([0-9A-F]{2})([0-9A-F]{2})")  # its own product, its version
_NAMES = tuple(f"hci{number}" for number in range(10))  # under which an adapter is looked for
_FIRST_RETRY_S = 0.1
_MOST_RETRY_S = 5.0

_AT_ONCE = 50  # calls without an answer yet; dbus-daemon allows a connection 128

_log = logging.getLogger(__name__)


class _Removal(Enum):
    """How asking BlueZ to forget a device has ended."""

    DONE = auto()
    REFUSED = auto()
    UNANSWERED = auto()


class Watcher:
    """Follows one adapter; `run` it beside whoever reads it and waits for `changed`.

    `upsets` counts what ends every scan, whether or not it is over again when the reader looks:
    bluetoothd or D-Bus gone, the adapter removed, added or switched off.
    """

    _running: ClassVar[set["Watcher"]] = set()  # of this process: no two follow one adapter

    def __init__(self, adapter: str, chance: Callable[[], float] = random.random) -> None:
        self.adapter = Adapter()
        self.upsets = 0
        self.changed = asyncio.Event()
        self._name = f"ble:{adapter} bus"
        self._configured = self._called = adapter
        self._address = ""  # of the adapter we have been with
        self._chance = chance
        self._bus: SystemBus | None = None
        self._signalled = asyncio.Event()
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        """Watch for ever; a lost bus is tried again with back-off."""
        self._running.add(self)
        try:
            await self._run()
        finally:
            self._running.discard(self)

    async def _run(self) -> None:
        attempt = 0
        while True:
            await self._watch()
            attempt = 0 if self.adapter.connected else attempt + 1
            self._note(Adapter(), upset=self.adapter.connected)
            self.changed.set()
            delay_s = backoff.delay_s(
                attempt, self._chance(), first_s=_FIRST_RETRY_S, most_s=_MOST_RETRY_S
            )
            await asyncio.sleep(delay_s)

    async def refresh(self) -> None:
        """Ask BlueZ anew. Signals sent before the answer have been counted when this returns."""
        async with self._asking:
            while self._bus is not None:
                upsets = self.upsets
                adapter = await self._picture(self._bus)
                if upsets == self.upsets:  # else it was overtaken while it was taken
                    self._note(adapter)
                    return

    async def remove(self, paths: Sequence[str]) -> int:
        """Have BlueZ forget devices; return how many it did.

        Many at a time, for a busy street may bring them faster than one answer takes. Ends early
        when the bus has gone, or BlueZ does not answer: the scan is not to wait for that.
        """
        removed = 0
        for first in range(0, len(paths), _AT_ONCE):
            asked = [self._remove(path) for path in paths[first : first + _AT_ONCE]]
            answers = await asyncio.gather(*asked)
            removed += sum(answer is _Removal.DONE for answer in answers)
            if _Removal.UNANSWERED in answers:
                break
        return removed

    async def _remove(self, path: str) -> "_Removal":
        if self._bus is None:
            return _Removal.UNANSWERED
        try:
            await self._bus.ask(_ADAPTER, "RemoveDevice", "o", [path], at=_place(self._called))
        except RefusedError as error:  # mostly, it has forgotten the device by itself
            return _Removal.UNANSWERED if error.name == NO_REPLY else _Removal.REFUSED
        except BusLostError:
            return _Removal.UNANSWERED
        return _Removal.DONE

    async def _watch(self) -> None:
        """Connect, subscribe and follow; return when there is no connection, or no more."""
        bus = SystemBus(self._on_signal)
        try:
            await bus.connect()
        except BusLostError:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self._serve(bus), name=self._name)
            try:
                await bus.subscribe(self._rules())
                self._bus = bus
                await self._follow(bus)
            except (BusLostError, RefusedError):
                return
            finally:
                self._bus = None
                await bus.close()

    async def _serve(self, bus: SystemBus) -> None:
        await bus.serve()
        self._signalled.set()

    async def _follow(self, bus: SystemBus) -> None:
        self._signalled.set()
        while not bus.gone:
            await self._signalled.wait()
            self._signalled.clear()
            await self.refresh()

    def _rules(self) -> tuple[str, ...]:
        """Only the name, adapters and their properties: no device's signal reaches us."""
        ours = f"type='signal',sender='{_BLUEZ}'"
        names = dict.fromkeys((self._configured, *_NAMES))
        return (
            f"type='signal',sender='{_DBUS}',member='NameOwnerChanged',arg0='{_BLUEZ}'",
            f"{ours},interface='{_PROPERTIES}',path_namespace='/org/bluez',arg0='{_ADAPTER}'",
            *(f"{ours},interface='{_OBJECTS}',arg0path='/org/bluez/{name}'" for name in names),
        )

    def _on_signal(self, signal: Message) -> None:
        if signal.member == "NameOwnerChanged" and not signal.body[2]:
            # Nothing to ask, and the bus itself is often about to go: `systemctl restart dbus`.
            self._note(Adapter(connected=True), upset=True)
            return
        if _is_upset(signal, _place(self._called)[1]):
            self.upsets += 1
            self.changed.set()
        self._signalled.set()

    async def _picture(self, bus: SystemBus) -> Adapter:
        """Return what BlueZ shows now; without a bus the last picture, for `run` says so."""
        try:
            return await self._ask(bus)
        except RefusedError as error:
            return Adapter(connected=True, owned=True, refusal=error.name)
        except BusLostError:
            return self.adapter

    async def _ask(self, bus: SystemBus) -> Adapter:
        """Return the picture; raise RefusedError when BlueZ would not tell."""
        if not await bus.has_owner(_BLUEZ):
            return Adapter(connected=True)
        properties = await self._ours(bus)
        if properties is None:
            return Adapter(connected=True, owned=True)
        self._address = properties.get("Address", "")
        monitors = await self._properties(bus, _MONITORS) or {}
        return Adapter(
            name=self._called,
            connected=True,
            owned=True,
            present=True,
            powered=bool(properties.get("Powered")),
            discovering=bool(properties.get("Discovering")),
            monitors="or_patterns" in monitors.get("SupportedMonitorTypes", ()),
            finds_service_data="controller-patterns" in monitors.get("SupportedFeatures", ())
            or _version(properties.get("Modalias", "")) < _TAKES_APART,
        )

    async def _ours(self, bus: SystemBus) -> dict[str, Any] | None:
        """Return the properties of our adapter, wherever it is now, None where it is nowhere.

        Where its address has gone, what is there under the configured name has taken its place,
        unless somebody else has followed that here.
        """
        found = await self._properties(bus, _ADAPTER)
        if found is not None and self._address in ("", found.get("Address")):
            return found
        if not self._address:
            return None
        for name in (*_NAMES, self._configured):
            self._called, before = name, self._called
            found = await self._properties(bus, _ADAPTER)
            is_ours = found is not None and found.get("Address") == self._address
            if is_ours and name != before:
                _log.warning("adapter moved address=%s now=%s", self._address, name)
            if is_ours:
                return found
        others = self._running - {self}
        if found is not None and any(other.follows(found.get("Address", "")) for other in others):
            return None
        return found

    @property
    def address(self) -> str:
        """The address of the adapter it was with last, "" for none yet."""
        return self._address

    def follows(self, address: str) -> bool:
        """Whether it was with the adapter of this address last."""
        return self._address == address

    async def _properties(self, bus: SystemBus, interface: str) -> dict[str, Any] | None:
        """Return the properties of one interface of the adapter, None where there is none."""
        at = _place(self._called)
        try:
            (properties,) = await bus.ask(_PROPERTIES, "GetAll", "s", [interface], at=at)
        except RefusedError as error:
            if error.name in _ABSENT:
                return None
            raise
        return {name: variant.value for name, variant in properties.items()}

    def _note(self, adapter: Adapter, *, upset: bool = False) -> None:
        self.upsets += upset
        if upset or adapter != self.adapter:
            self.adapter = adapter
            self.changed.set()


def _place(adapter: str) -> tuple[str, str]:
    """Return service and path of an adapter."""
    return _BLUEZ, f"/org/bluez/{adapter}"


def _is_upset(signal: Message, path: str) -> bool:
    """Whether a signal says that scans on the adapter have ended, or that it is a new one."""
    if signal.member == "PropertiesChanged":
        powered = signal.body[1].get("Powered")
        return signal.path == path and powered is not None and not powered.value
    if signal.member in ("InterfacesAdded", "InterfacesRemoved"):
        return signal.body[0] == path and _ADAPTER in signal.body[1]
    return signal.member == "NameOwnerChanged"


def _version(modalias: str) -> tuple[int, int]:
    """Return the version of bluetoothd: 5.66 of usb:v1D6Bp0246d0542; unsaid, a late one."""
    found = _MODALIAS.search(modalias)
    return (int(found[1], 16), int(found[2], 16)) if found else _LATER_THAN_ANY
