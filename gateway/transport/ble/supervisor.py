"""Advertisements from one Bluetooth adapter, for ever: what ends a scan is noticed and repaired.

A scan dies silently in bleak when bluetoothd, the adapter, its power or the D-Bus daemon goes
away, and nobody at all notices a controller that has stopped receiving. So the watcher tells what
BlueZ shows, a clock tells how long nothing was heard, and either ends the scan; the next one
starts as soon as the watcher sees no obstacle. Where a new scan does not help, the ladder is
climbed (recovery.py). Silence alone is a reason only where it is unusual (quiet.py).
"""

import asyncio
import os
import random
from collections.abc import Callable

import msgspec

from gateway.core import backoff
from gateway.core.advertisement import SERVICE_DATA_TYPES
from gateway.health import Health
from gateway.model import Intake, TransportState
from gateway.transport.ble.causes import ScanError, obstacle, silent
from gateway.transport.ble.connection import converse
from gateway.transport.ble.ladder import RUNGS, Remedy, Rung
from gateway.transport.ble.poller import Company, Converse, Poller, Polls
from gateway.transport.ble.quiet import Quiet
from gateway.transport.ble.recovery import Recovery
from gateway.transport.ble.remedies import Remedies, SystemRemedies
from gateway.transport.ble.scanner import Pattern, Scan, Scanner
from gateway.transport.ble.unfinished import NoWords, Unfinished, Words
from gateway.transport.ble.watcher import Watcher
from gateway.transport.report import report
from gateway.transport.waiting import set_within

_STOP_LIMIT_S = 1.0
_TICK_S = 1.0  # how often silence and the number of listed devices are looked at
_FORGET_AGAIN_S = 10  # BlueZ that forgets nobody is not asked again sooner
_LOOK_AGAIN_S = 60.0  # an obstacle ends with a signal; this is for one that was lost
_FIRST_RETRY_S = 0.1
_MOST_RETRY_S = 30.0
_SECOND_NS = 1_000_000_000


class BleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to scan; `patterns` for passive scanning, one per kind of advertisement wanted."""

    adapter: str = "hci0"
    scan: Scan = "passive"
    patterns: tuple[Pattern, ...] = ()
    stall_after_s: float = 90.0  # silence after which a scan is taken for dead
    stall_most_s: float = 900.0  # up to this the silence doubles where restarting brings nothing
    rungs: tuple[Rung, ...] = RUNGS["service"]  # what else is tried then, and how often
    least_silences: int = 10  # that have ended before another is known to be unusual
    start_limit_s: float = 10.0
    most_listed: int = 5000  # devices BlueZ may list before strangers are removed
    polls: Polls = Polls()  # devices to be connected to


class Radio(msgspec.Struct, frozen=True):
    """What it hears with: bleak and BlueZ, unless a simulator hands in others; and its words."""

    scanner: Callable[[str, str, Intake], Scanner] = Scanner
    watcher: Callable[[str, Callable[[], float]], Watcher] = Watcher
    converse: Converse = converse
    remedies: Remedies = SystemRemedies()
    tick_s: float = _TICK_S
    words: Words = msgspec.field(default_factory=NoWords)


class BleTransport:
    """A `model.Transport`; active where a passive scan is wanted and not to be had, and says so.

    Heard is what bleak calls back for, and that is also each change made on the machine (Trusted,
    Connected) to a device still in range: it can put off the notice of a stall by one silence.
    """

    kind = "ble"

    def __init__(
        self,
        settings: BleSettings,
        intake: Intake,
        health: Health,
        *,
        chance: Callable[[], float] = random.random,
        radio: Radio | None = None,
    ) -> None:
        radio = radio or Radio()
        self.name = f"ble:{settings.adapter}"
        self._settings = settings
        self._health = health
        self._record = health.transport(self.name, self.kind)
        self._boot_ns = health.clock.boot_ns
        self._chance = chance
        self._pulse = health.vitals.pulse(self.name)
        self._tick_s = min(radio.tick_s, settings.stall_after_s / 4)
        self._watcher = radio.watcher(settings.adapter, chance)
        self._scanner = radio.scanner(settings.adapter, self.name, intake)
        self._poller = Poller(
            settings.adapter,
            settings.polls,
            Company(self._scanner, health, chance, radio.converse),
        )
        unfinished = Unfinished(self.name, radio.words, health.clock.boot_id)
        self._recovery = Recovery(
            settings.rungs, radio.remedies, self._record, self._boot_ns, unfinished
        )
        self._quiet = Quiet(settings.least_silences)
        self._active = False
        self._scans = 0
        self._refusals = 0  # starts in a row that BlueZ has refused
        self._silences = 0  # scans in a row that were ended for their silence
        self._forget_again_ns = 0

    async def run(self) -> None:
        """Hear for ever; cancel to end: the scan is then stopped within a second.

        bleak's connection is the event loop's and stays.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watcher.run(), name=f"{self.name} watcher")
            group.create_task(self._supervise(), name=f"{self.name} supervisor")
            group.create_task(self._poller.run(), name=f"{self.name} poller")

    async def _supervise(self) -> None:
        attempt = 0
        await self._watcher.changed.wait()  # its first picture
        while True:
            self._pulse.beat()
            if cause := self._obstacle():
                seen = self._seen
                self._report(TransportState.DOWN, cause)
                await self._recover()
                await self._until_upset(_LOOK_AGAIN_S, seen)
                await self._watcher.refresh()
                continue
            before = (self._signs, self._silences)
            await self._scan()
            await self._recover()
            # A scan that heard, or lasted a whole silence, is followed by the next without delay.
            attempt = 0 if (self._signs, self._silences) != before else attempt + 1
            delay_s = backoff.delay_s(
                attempt, self._chance(), first_s=_FIRST_RETRY_S, most_s=_MOST_RETRY_S
            )
            await self._until_upset(delay_s, self._seen)

    async def _recover(self) -> None:
        """Do what is due where BlueZ or the adapter fails us, beyond scanning anew."""
        shown, at = self._watcher.adapter, (self._called, self._watcher.address)
        if shown.present and not shown.powered:
            await self._recovery.switch_on(*at)
        elif self._is_wedged and not self._poller.connecting:
            no_power: Remedy | None = None if shown.owned else "power"
            if await self._recovery.climb(*at, since_ns=self._unusual_since_ns, but=no_power):
                self._pulse.beat()  # it may have taken most of a minute
                self._quiet.done(self._boot_ns())
                await self._watcher.refresh()  # what it has upset is not the next scan's trouble

    @property
    def _called(self) -> str:
        """What BlueZ calls our adapter now."""
        return self._watcher.adapter.name or self._settings.adapter

    @property
    def _is_wedged(self) -> bool:
        """Whether more than a new scan may be needed; an adapter that is not there needs people.

        Silence is one where it is unusual: else perhaps no sensor is near, or none due.
        """
        shown = self._watcher.adapter
        if self._obstacle():
            return shown.connected and (not shown.owned or bool(shown.refusal))
        return self._refusals > 0 or self._unusual_since_ns is not None

    @property
    def _unusual_since_ns(self) -> int | None:
        """Since when the silence that has ended a scan is unusual."""
        return self._quiet.unusual_since_ns(self._boot_ns()) if self._silences else None

    async def _scan(self) -> None:
        """Scan once, from start to whatever ends it."""
        upsets, signs = self._watcher.upsets, self._signs
        try:
            remark = await self._start()
        except ScanError as error:
            self._refusals += 1
            self._record.count("start_errors")
            self._report(TransportState.DOWN, str(error))
            if error.stuck:
                self._scanner.reset()
            return
        self._refusals = 0
        self._recovery.powered()
        self._quiet.listening(self._boot_ns())
        try:
            # After this the picture is younger than the scan: our own start is in it.
            await self._watcher.refresh()
            await self._listen(upsets, signs, remark)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if not self._watcher.adapter.owned:
            self._scanner.leave()
        elif not await self._scanner.stop(_STOP_LIMIT_S):
            # The normal end after a fault. Without the connection no session is left in BlueZ
            # that would refuse the next start as InProgress, and no lost device in bleak.
            self._record.count("unclean_stops")
            self._scanner.reset()

    async def _start(self) -> str:
        """Start passive or active; return what is to be said of the choice. Raises ScanError."""
        remark = ""
        self._scanner.adapter = self._poller.adapter = self._called
        self._active = self._settings.scan == "active"
        if not self._active:
            remark = await self._start_passive()
            self._active = bool(remark)
        if self._active:
            await self._scanner.start("active", (), self._settings.start_limit_s)
        if remark:
            self._record.count("active_instead_of_passive")
        if self._scans:
            self._record.count("restarts")
        self._scans += 1
        return remark

    async def _start_passive(self) -> str:
        """Start passive; return why it has to be active instead."""
        if not self._settings.patterns:
            return "active scan: no listed device has a pattern to scan for passively"
        if not self._watcher.adapter.monitors:
            return (
                "active scan: BlueZ offers no passive scan (needs Linux 5.10, BlueZ 5.56"
                " and bluetoothd --experimental)"
            )
        if not self._watcher.adapter.finds_service_data and self._wants_service_data():
            return (
                "active scan: this BlueZ does not find service data in a passive one, for the"
                " adapter does not compare it by itself"
            )
        try:
            await self._scanner.start(
                "passive", self._settings.patterns, self._settings.start_limit_s
            )
        except ScanError as error:
            if error.stuck:
                raise
            return f"active scan: the passive one was refused: {error}"
        return ""

    def _wants_service_data(self) -> bool:
        return any(kind in SERVICE_DATA_TYPES for kind, _, _ in self._settings.patterns)

    @property
    def _signs(self) -> int:
        """How often the adapter has shown that it receives."""
        return self._scanner.heard + self._poller.answers

    async def _listen(self, upsets: int, signs: int, remark: str) -> None:
        """Return when the scan has to be ended, having reported why."""
        if not self._silences:
            self._report(TransportState.UP, remark)
        since_ns = self._boot_ns()
        while True:
            self._pulse.beat()
            self._watcher.changed.clear()
            if trouble := await self._trouble(upsets):
                self._quiet.deaf()
                self._report(TransportState.DOWN, trouble)
                return
            if self._signs != signs:
                signs, since_ns = self._signs, self._boot_ns()
                self._record.counters["advertisements"] = self._scanner.heard
                self._silences = 0
                self._recovery.well()
                self._quiet.heard(since_ns)
                self._report(TransportState.UP, remark)
                await self._forget_strangers()
            elif self._boot_ns() - since_ns >= self._silence_limit_s() * _SECOND_NS:
                self._stalled()
                return
            await set_within(self._watcher.changed, self._tick_s)

    async def _trouble(self, upsets: int) -> str:
        """Return what has ended the scan, "" while nothing has."""
        if cause := self._obstacle():
            return cause
        if self._watcher.upsets != upsets:
            await self._watcher.refresh()  # the signal came before the picture
            restarted = f"bluetoothd or adapter {self._called} was restarted"
            return self._obstacle() or restarted
        if not self._scanner.connected:
            return "the scan's connection to D-Bus was lost"
        # While it connects BlueZ holds an active scan back, and takes it up again afterwards.
        is_held_back = self._poller.connecting
        if self._active and not self._watcher.adapter.discovering and not is_held_back:
            return "BlueZ has ended the scan"
        return ""

    def _silence_limit_s(self) -> float:
        limit_s = self._settings.stall_after_s * 2.0 ** min(self._silences, 30)
        return min(limit_s, max(self._settings.stall_most_s, self._settings.stall_after_s))

    def _stalled(self) -> None:
        self._silences += 1
        self._quiet.done(self._boot_ns())  # the scan is restarted
        self._record.count("stalls")
        self._report(
            TransportState.DEAF,
            silent(self._settings.stall_after_s, is_hopeless=self._hopeless),
        )

    @property
    def _hopeless(self) -> bool:
        return bool(self._settings.rungs) and self._recovery.is_exhausted

    async def _forget_strangers(self) -> None:
        """Bound what BlueZ and bleak hold of unlisted devices: addresses change, objects stay."""
        few = self._scanner.listed_devices() <= self._settings.most_listed
        if few or self._boot_ns() < self._forget_again_ns:
            return
        removed = await self._watcher.remove(self._scanner.strangers())
        self._record.count("forgotten_devices", removed)
        if not removed:
            self._forget_again_ns = self._boot_ns() + _FORGET_AGAIN_S * _SECOND_NS

    def _obstacle(self) -> str:
        address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "/run/dbus/system_bus_socket")
        return obstacle(self._watcher.adapter, self._called, address)

    @property
    def _seen(self) -> tuple[int, str]:
        """What tells that BlueZ has come or gone; what our own start and stop do does not."""
        return self._watcher.upsets, self._obstacle()

    async def _until_upset(self, limit_s: float, seen: tuple[int, str]) -> None:
        """Wait, or until BlueZ comes or goes since `seen`."""
        try:
            async with asyncio.timeout(limit_s):
                while self._seen == seen:
                    self._watcher.changed.clear()
                    await self._watcher.changed.wait()
        except TimeoutError:
            return

    def _report(self, state: TransportState, cause: str) -> None:
        report(self._health, self.name, state, cause)
