"""The wall clock of an agent that was started through the launcher; nobody touches this machine's.

`LeverClock` is the bench's face; `LeverHost` is what the agent takes for its machine.
"""

import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from gateway.clock import Word
from gateway.sim.process.levers import Levers, Look

_NS_PER_S: Final = 1_000_000_000
_PPB_PER_PPM: Final = 1000
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ERROR_MS: Final = 20  # that the kernel tells of a clock which something keeps right

_boottime_ns: Final = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)


class LeverClock:
    """The bench's end. `levers` raises SimulatorError where the agent has no such clock.

    `known` are those there are, if there are any: to look is no reason to have some.
    """

    def __init__(self, levers: Callable[[], Levers], known: Callable[[], Levers | None]) -> None:
        self._levers = levers
        self._known = known
        self.watchers: list[Callable[[], None]] = []  # called before it is changed

    def step(self, seconds: float) -> None:
        """Jump, forward or back."""
        levers = self._watched()
        levers.pull(shift_ns=levers.told.shift_ns + round(seconds * _NS_PER_S))

    def show(self, unix_s: float) -> None:
        """Show this time from now on (0: 1970)."""
        levers, now_ns = self._watched(), _boottime_ns()
        ahead_ns = round(unix_s * _NS_PER_S) - time.time_ns()
        levers.pull(shift_ns=ahead_ns, drift_since_ns=now_ns)

    def drift(self, ppm: float) -> None:
        """Run fast, or slow where it is negative, in parts per million; 0: right again."""
        levers, now_ns = self._watched(), _boottime_ns()
        levers.pull(
            shift_ns=levers.told.ahead_ns(now_ns),
            drift_ppb=round(ppm * _PPB_PER_PPM),
            drift_since_ns=now_ns,
        )

    def synced(self, *, is_synced: bool) -> None:
        """Have the kernel vouch for it, or not."""
        self._watched().pull(is_synced=int(is_synced))

    def heal(self) -> None:
        """Show the true time again, without drift, and have the kernel vouch for it."""
        self._watched().pull(shift_ns=0, drift_ppb=0, is_synced=1)

    def vouched_ns(self) -> int | None:
        """Return what it shows, in ns since 1970; None while nothing vouches for it."""
        levers = self._known()
        if levers is None:
            return time.time_ns()
        ahead_ns = levers.told.ahead_ns(_boottime_ns())
        return time.time_ns() + ahead_ns if levers.told.is_synced else None

    def _watched(self) -> Levers:
        """Return what it is changed by, when whoever watches has looked."""
        levers = self._levers()
        for watch in self.watchers:
            watch()
        return levers


class LeverHost:
    """The agent's end: a machine whose clocks do as told. Which boot it is, is asked once."""

    def __init__(self, look: Look) -> None:
        self._look = look
        told = look()
        if not told.began_ns:
            self.boot_id = _BOOT_ID.read_text().strip()
            self.boot_ns: Callable[[], int] = _boottime_ns
        else:
            self.boot_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(told.began_ns)))
            self.boot_ns = lambda: _boottime_ns() - told.began_ns

    def wall_ns(self) -> int:
        """Return this machine's time and what it is ahead of that, in ns since 1970."""
        return time.time_ns() + self._look().ahead_ns(_boottime_ns())

    def word(self) -> Word:
        """Return what the kernel is to say of it."""
        if self._look().is_synced:
            return Word(synced=True, max_error_ms=_ERROR_MS)
        return Word(synced=False)
