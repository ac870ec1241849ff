"""Uptime that never goes back, wall time as far as it is known, and how far that may be off.

Everything in the agent is uptime in whole milliseconds; wall time is uptime and an offset that a
time server vouched for. It is believed to within an error that grows as fast as the crystal may
drift; from a second on the clock is in holdover (docs/explanation/time.md).
"""

import os
import time
from binascii import hexlify

_ANEW_MS = 0x10000000  # a quarter of the chip's period of ticks; half of it is where they go wrong
_SYNCED_MS = 1000  # the error below which the clock is called synchronised


class Clock:
    """The clock of one boot."""

    def __init__(self, drift_ppm: int = 100) -> None:
        self.boot: str = hexlify(
            os.urandom(16)
        ).decode()  # a UUID as good as any: nobody parses it
        self.offset_ms: int | None = None  # unix time minus uptime
        self.since_ms = 0  # uptime since which the state is what `state` said last
        self._drift = 1000000 // drift_ppm  # milliseconds in which the error grows by one
        self._base = time.ticks_ms(), 0
        self._ends = 0  # uptime at which the error will have grown to what ends `synced`

    def now(self) -> int:
        """Return milliseconds since boot; to be called every 3 days, by whom does not matter."""
        ticks = time.ticks_ms()
        before, now = self._base  # one tuple: whoever interrupts finds both or none changed
        passed = time.ticks_diff(ticks, before)
        now += passed
        if passed > _ANEW_MS:
            self._base = ticks, now
        return now

    def set(self, offset_ms: int, error_ms: int) -> int:
        """Believe a time server; return by how much wall time stepped, 0 the first time."""
        now = self.now()
        if self.state() != "synced":
            self.since_ms = now
        step = offset_ms - (self.offset_ms or offset_ms)
        self.offset_ms = offset_ms
        self._ends = now + (_SYNCED_MS - error_ms) * self._drift
        return step

    def state(self) -> str:
        """Return `synced`, `holdover` or `unsynced`."""
        if self.offset_ms is None:
            return "unsynced"
        if self.now() < self._ends:
            return "synced"
        self.since_ms = self._ends
        return "holdover"

    def max_error_ms(self) -> int | None:
        """Return how far wall time may be off; None where it is not known."""
        if self.offset_ms is None:
            return None
        return _SYNCED_MS - (self._ends - self.now()) // self._drift
