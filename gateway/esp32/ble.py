"""Advertisements heard by the chip's own radio, in windows, for ever.

Its interrupt counts every report, puts those of listed devices into a ring of 16 and forgets the
others: nothing of a stranger is kept. A radio that refuses a scan, or falls silent, is switched
off and on again.
"""

import asyncio
import random
from collections import deque

import bluetooth

from gateway.core import backoff
from gateway.core.refusal import BAD_LENGTH

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gateway.esp32.clock import Clock
    from gateway.esp32.pipeline import Intake

_SCAN_RESULT = 5  # events of the firmware: extmod/modbluetooth.h
_SCAN_DONE = 6
_SCAN_RESPONSE = 4  # a kind of report

_SLOTS = 16
_DATA = 31  # bytes of an advertisement

_INTERVAL_US = 30_000  # of as long a window: it listens all the time that Wi-Fi leaves it
_TICK_MS = 40  # how late a frame is handed on at most; the moment it was heard is exact
_LATE_MS = 2_000  # a window that has not ended by then has been lost

_SILENCE_MS = 60_000
_MOST_SILENCE_MS = 900_000  # up to this the silence doubles where starting anew brings nothing
_RETRY_MS = 100
_MOST_RETRY_MS = 30_000


class Scanner:
    """The radio as a transport: `name`, `kind`, `state`, `since_ms`, `cause`.

    `listener`: who is to be told of every event of the firmware as well, within the interrupt.
    """

    listener: "Callable[[int, tuple[Any, ...]], None] | None" = None
    is_held = False  # no window begins

    def __init__(
        self, ble: "dict[str, Any]", intake: "Intake", clock: "Clock", beat: "Callable[[], None]"
    ) -> None:
        self.kind = "ble"
        self.name = ble.get("name", "ble")
        self.state, self.cause = "down", "starting"
        self.since_ms = 0
        self._failed = 0  # starts in a row that brought nothing
        self._ends_ms = 0  # when the window is lost; 0: it has ended
        self._hears: bool | None = None  # anything in this window; None: nothing yet at all
        self._ble, self._intake, self._clock, self._beat = ble, intake, clock, beat
        self.radio = bluetooth.BLE()
        self._ring: deque[tuple[Any, ...]] = deque((), _SLOTS)  # noqa: RUF037 - no keywords

    def waiting(self) -> int:
        """Return how many frames are heard and not yet handed on."""
        return len(self._ring)

    def hold(self) -> None:
        """End the window, for the radio either scans or connects. Raises OSError."""
        self.is_held = True
        self.radio.gap_scan(None)

    def _irq(self, event: int, report: "tuple[Any, ...]") -> None:
        """Take an event of the firmware, which uses its buffers again as soon as this returns.

        Never raises: it would not be called again. No task runs meanwhile.
        """
        if self.listener:
            self.listener(event, report)
        if event == _SCAN_DONE:
            self._ends_ms = 0
        if event != _SCAN_RESULT:
            return
        _, address, kind, rssi, data = report
        self._hears = True
        if kind == _SCAN_RESPONSE and not data:  # most devices have nothing to add
            return
        counts = self._intake.counts
        counts.heard += 1
        try:
            address = bytes(address)
            if not self._intake.lists(address):
                counts.unlisted += 1
            elif len(data) > _DATA:
                counts.refuse(BAD_LENGTH)
            else:
                self._keep((address, rssi, bytes(data), self._clock.now()))
        except MemoryError:
            counts.limited += 1

    def _keep(self, frame: "tuple[Any, ...]") -> None:
        """Have a frame wait; in a full ring instead of the latest of its device, if routine."""
        ring, slot = self._ring, len(self._ring)
        if slot < _SLOTS:
            ring.append(frame)
            return
        if self._intake.coalesces(frame[0]):
            while slot:
                slot -= 1
                if ring[slot][0] == frame[0]:
                    ring[slot] = frame
                    self._intake.counts.coalesced += 1
                    return
        self._intake.counts.limited += 1

    async def run(self) -> None:
        """Scan for ever."""
        while True:
            try:
                await self._scan()
                self._turn("deaf", "no advertisement any more, the radio is started anew")
            except OSError as error:
                self._turn("down", f"the radio refuses to scan: {error}")
            chance = random.random()  # noqa: S311 - only spreads attempts
            await self._listen(
                backoff.delay_s(self._failed, chance, first_s=_RETRY_MS, most_s=_MOST_RETRY_MS)
            )
            self._failed += 1

    async def _scan(self) -> None:
        """Start the radio; return when nothing is heard any more. Raises OSError."""
        radio, window_ms, silence_ms = self.radio, self._ble["window_ms"], 0
        if self._failed:
            radio.active(False)
        radio.active(True)
        radio.irq(self._irq)
        while silence_ms < min(_SILENCE_MS << min(self._failed, 4), _MOST_SILENCE_MS):
            while self.is_held:
                await self._listen(_TICK_MS)
            radio.gap_scan(window_ms, _INTERVAL_US, _INTERVAL_US, self._ble["scan"] == "active")
            if self.state == "down" or not self._failed:
                self._turn("up", "")
            await self._listen(window_ms + _LATE_MS)
            if self._ends_ms:
                radio.gap_scan(None)
            if self._hears:
                self._failed = silence_ms = 0
                self._hears = False
            elif self._hears is False:
                silence_ms += window_ms

    async def _listen(self, limit_ms: float) -> None:
        """Hand on what is heard until the window ends, at most so long."""
        self._ends_ms = self._clock.now() + int(limit_ms)
        while self._clock.now() < self._ends_ms:
            self._beat()
            if self._ring:
                self._intake.heard_ble(*self._ring.popleft())
            await asyncio.sleep_ms(0 if self._ring else _TICK_MS)

    def _turn(self, state: str, cause: str) -> None:
        if state != self.state:
            self.since_ms = self._clock.now()
        self.state, self.cause = state, cause
