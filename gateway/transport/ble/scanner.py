"""The one adapter of bleak: advertisements become frames, its errors become ScanError.

An unlisted device is counted by the intake and forgotten; nothing of it is made, kept or logged
here. What bleak and BlueZ list of it themselves is bounded by `strangers`, which names what can be
removed from both.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.backends.bluezdbus.manager import get_global_bluez_manager
from bleak.exc import BleakDBusError, BleakError
from dbus_fast.errors import DBusFastError

from gateway.core.advertisement import (
    LISTED_SERVICE,
    MANUFACTURER,
    NAME,
    SERVICE_DATA,
    uuid_number,
)
from gateway.model import Frame, Intake, Structure
from gateway.transport.ble.causes import IN_PROGRESS, NOT_ANSWERING, ScanError, refused

if TYPE_CHECKING:
    from dbus_fast.aio.message_bus import MessageBus

Scan = Literal["active", "passive"]
Pattern = tuple[int, int, bytes]  # (AD type, first byte of its data, the bytes to find there)

_NO_RSSI_DBM = -127  # bleak's word for none: nothing was received, some property changed
_WANTED = ("Paired", "Bonded", "Trusted", "Connected")  # properties of what is never removed

# What bleak raises when the bus or bluetoothd goes away under it.
_LOST = (BleakError, DBusFastError, OSError, EOFError)

_uuid_number = lru_cache(maxsize=1024)(uuid_number)


class Named(Protocol):
    """What a device is called: a BLEDevice."""

    @property
    def address(self) -> str:
        """Its address, in upper case."""
        ...


class Advertised(Protocol):
    """What one callback tells of a device: bleak's AdvertisementData, as far as it is read."""

    @property
    def rssi(self) -> int:
        """Signal strength in dBm; _NO_RSSI_DBM for none."""
        ...

    @property
    def local_name(self) -> str | None:
        """Its name, as it says it."""
        ...

    @property
    def manufacturer_data(self) -> Mapping[int, bytes]:
        """Data by company id."""
        ...

    @property
    def service_data(self) -> Mapping[str, bytes]:
        """Data by service UUID."""
        ...

    @property
    def service_uuids(self) -> Sequence[str]:
        """The services it lists."""
        ...


def structures(data: Advertised) -> tuple[Structure, ...]:
    """Return what an advertisement carried: manufacturer data, service data, name, services.

    Loops, for most have one round or none, and a comprehension of nothing costs a call too.
    """
    found: list[Structure] = []
    for company, rest in data.manufacturer_data.items():
        found.append((MANUFACTURER, company, rest))
    for uuid, rest in data.service_data.items():
        found.append((SERVICE_DATA, _uuid_number(uuid), rest))
    if data.local_name:
        found.append((NAME, 0, data.local_name.encode()))
    for uuid in data.service_uuids:
        found.append((LISTED_SERVICE, _uuid_number(uuid), b""))  # noqa: PERF401 - as above
    return tuple(found)


class Scanner:
    """bleak's scanner on one adapter; one scan at a time."""

    def __init__(self, adapter: str, source: str, intake: Intake) -> None:
        # bleak's debug log spells out every device on the air, and a root logger at DEBUG lets it.
        # What it warns of are the faults that the supervisor reports, in other words.
        logging.getLogger("bleak").setLevel(logging.ERROR)
        self.heard = 0  # advertisements, listed or not
        self.adapter = adapter  # as BlueZ numbers it now
        self._source = source
        self._admits = intake.admits
        self._hear = intake.hear
        self._lists = intake.lists
        self.wants = intake.wants
        self._scanner: BleakScanner | None = None
        self._left: BleakScanner | None = None  # to be stopped on the next connection
        self._bus: MessageBus | None = None

    # ---------------------------------------------------------------------------- the hot path
    def on_advertisement(self, device: Named, data: Advertised) -> None:
        """Take one callback of bleak. Any change of a device causes one, even with old data."""
        rssi_dbm = data.rssi
        if rssi_dbm == _NO_RSSI_DBM:
            return
        self.heard += 1
        address = device.address
        # bleak makes these anew for each callback: comparing them is all that a repeat costs.
        content = (data.service_data, data.manufacturer_data, data.local_name)
        at_ns = self._admits(address, content, rssi_dbm)
        if at_ns is None:
            return
        self._hear(
            Frame(
                medium="ble",
                source=self._source,
                address=address,
                heard_at_ns=at_ns,
                content=content,
                structures=structures(data),
                rssi_dbm=rssi_dbm,
            )
        )

    # ----------------------------------------------------------------------------------- polls
    def answer(self, address: str, payload: bytes) -> None:
        """Hand over what a poll has read, as a frame like any other, though never a repeat."""
        rssi_dbm = self._rssi_dbm(address)
        at_ns = self._admits(address, None, rssi_dbm)
        if at_ns is None:
            return
        self._hear(
            Frame(
                medium="ble",
                source=self._source,
                address=address,
                heard_at_ns=at_ns,
                content=None,
                payload=payload,
                polled=True,
                rssi_dbm=rssi_dbm,
            )
        )

    def _rssi_dbm(self, address: str) -> int | None:
        """Return how strong a device's last advertisement was, where this scan has heard one."""
        if self._scanner is None:
            return None
        heard = self._scanner.discovered_devices_and_advertisement_data.get(address)
        return None if heard is None or heard[1].rssi == _NO_RSSI_DBM else heard[1].rssi

    # -------------------------------------------------------------------------- life of a scan
    async def start(self, scan: Scan, patterns: Sequence[Pattern], limit_s: float) -> None:
        """Start scanning; raise ScanError with the cause, at the latest after `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                await self._start(scan, patterns)
        except TimeoutError:
            raise ScanError(NOT_ANSWERING, stuck=True) from None
        except asyncio.CancelledError:
            self.reset()  # BlueZ may have taken the start that nobody waits for any more
            raise
        except BleakDBusError as error:
            stuck = error.dbus_error == IN_PROGRESS
            cause = refused(error.dbus_error, error.dbus_error_details or "")
            raise ScanError(cause, stuck=stuck) from error
        except _LOST as error:
            cause = f"the scan did not start: {error}"
            raise ScanError(cause) from error

    async def _start(self, scan: Scan, patterns: Sequence[Pattern]) -> None:
        # bleak keeps one connection per event loop, and makes a new one here if it has ended.
        manager = await get_global_bluez_manager()
        self._bus = getattr(manager, "_bus", None)
        if self._left is not None:
            left, self._left = self._left, None
            await self._end(left)
        scanner = BleakScanner(
            self.on_advertisement,
            scanning_mode=scan,
            bluez=_arguments(self.adapter, scan, patterns),
        )
        await scanner.start()
        self._scanner = scanner

    async def stop(self, limit_s: float) -> bool:
        """End the scan within `limit_s`; False when not in order, as after most faults."""
        if not self.connected:
            self.leave()
            return False
        scanner, self._scanner = self._scanner, None
        if scanner is None:
            return True
        try:
            async with asyncio.timeout(limit_s):
                return await self._end(scanner)
        except TimeoutError:
            return False

    async def _end(self, scanner: BleakScanner) -> bool:
        """Have bleak forget a scan; False when BlueZ knew nothing of it any more."""
        try:
            await scanner.stop()
        except _LOST:
            return False
        return True

    def leave(self) -> None:
        """Drop a scan without a word to BlueZ, which has gone; bleak forgets it at the next start.

        On an ended connection bleak's stop would write to a socket whose number may be another's
        by now, and dbus-fast then takes that one's reader out of the event loop.
        """
        self._left, self._scanner = self._scanner or self._left, None
        self.reset()

    def reset(self) -> None:
        """Close bleak's connection: BlueZ ends our sessions, bleak forgets what it has cached.

        bleak has no call for it, so its private connection is closed, and only if it is still the
        one this scan began with: another adapter's scanner may have reset it before. The next
        start opens a new one.
        """
        if self._bus is not None and self._bus.connected:
            self._bus.disconnect()

    @property
    def connected(self) -> bool:
        """Whether the connection this scan began on still stands, as far as bleak shows it."""
        return self._bus is None or self._bus.connected

    # ------------------------------------------------------------------------ what bleak keeps
    def listed_devices(self) -> int:
        """How many devices bleak and BlueZ hold because of this scan."""
        return len(self._scanner.discovered_devices) if self._scanner else 0

    def strangers(self) -> list[str]:
        """Return paths of devices nobody wants: not listed, paired, trusted or connected."""
        if self._scanner is None:
            return []
        seen = self._scanner.discovered_devices_and_advertisement_data
        shown = [
            data.platform_data for address, (_, data) in seen.items() if not self._lists(address)
        ]
        return [path for path, flags in shown if not any(flags.get(mark) for mark in _WANTED)]


def _arguments(adapter: str, scan: Scan, patterns: Sequence[Pattern]) -> BlueZScannerArgs:
    """Return bleak's arguments.

    Active: DuplicateData makes BlueZ report every advertisement with just its own content. Passive
    has no such switch: BlueZ then merges what a device sends and reports only what changed, or a
    signal strength that moved by 8 dB; a device that repeats itself unchanged is not heard again.
    """
    if scan == "active":
        return {"adapter": adapter, "filters": {"DuplicateData": True}}
    or_patterns = [
        OrPattern(start, AdvertisementDataType(kind), content) for kind, start, content in patterns
    ]
    return {"adapter": adapter, "or_patterns": [*or_patterns]}
