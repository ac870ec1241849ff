"""The clocks of a simulated gateway: boot time as the loop counts it, wall time as one sets it.

The boot clock only ever counts on and begins anew with each boot; the wall clock may jump, run
fast and lie. True time begins at `EPOCH_S`, whatever the machine's own clock says.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.clock import Word
from gateway.sim.inside.loop import VirtualLoop, running

EPOCH_S: Final = 1_767_225_600.0  # 2026-01-01T00:00:00Z
BOOTED_S: Final = 20.0  # what the boot clock shows when the bench begins: an agent starts late
SYNCED_ERROR_MS: Final = 5  # what a kernel that is kept right by NTP tells

_NS: Final = 1_000_000_000
_BOOT_ID: Final = "b0075eed-0000-4000-8000-{:012d}"
_GRID_S: Final = 1.0  # at which an agent looks at its clock

Look = Callable[[], None]


def _nothing() -> None:
    """Nobody wants to look before."""


class VirtualHost:
    """The machine of one bench: `gateway.clock.Host`, and the face `Clock`.

    `before_change` is called before the wall clock is touched: whoever would have looked at it
    once a second does so then.
    """

    def __init__(self, *, epoch_s: float = EPOCH_S) -> None:
        self._loop: VirtualLoop = running()
        self.watchers: list[Look] = []  # as `before_change`, for whoever judges
        self._boots = 0
        self._booted_ns = 0
        self.boot_id = ""
        self.before_change: Look = _nothing
        self._true_offset_ns = round(epoch_s * _NS) - self._loop.now_ns  # to the loop's time
        self._offset_ns = self._true_offset_ns
        self._ppm = 0.0
        self._drifts_since_ns = 0
        self._word = Word(synced=True, max_error_ms=SYNCED_ERROR_MS)
        self._changed = asyncio.Event()
        self._looks = 0  # that are still worth it
        self.reboot()

    def reboot(self) -> None:
        """Begin another boot."""
        self._boots += 1
        self.boot_id = _BOOT_ID.format(self._boots)
        self._booted_ns = self._loop.now_ns - round(BOOTED_S * _NS)

    # ------------------------------------------------------------------------ as an agent sees it
    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return self._loop.now_ns - self._booted_ns

    def wall_ns(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        return self._loop.now_ns + self._offset_ns + self._drifted_ns()

    def word(self) -> Word:
        """Ask whether the wall clock is synchronised."""
        return self._word

    async def news(self) -> None:
        """Return when an agent that looks once a second may see something new."""
        if not self._ppm and not self._looks:
            self._changed.clear()
            await self._changed.wait()
        self._looks = max(0, self._looks - 1)
        now_s = self._loop.time()
        await asyncio.sleep(_GRID_S - now_s % _GRID_S)

    # ------------------------------------------------------------------------------- as it is set
    def step(self, seconds: float) -> None:
        """Jump, forward or back."""
        self._change()
        self._offset_ns += round(seconds * _NS)

    def show(self, unix_s: float) -> None:
        """Show this time from now on (0: 1970)."""
        self._change()
        self._offset_ns += round(unix_s * _NS) - self.wall_ns()

    def suspend(self, seconds: float) -> None:
        """Have slept for so long: both clocks have gone on, and nothing has run meanwhile.

        The loop's own clock stood still, as CLOCK_MONOTONIC does then.
        """
        self._change()
        slept_ns = round(seconds * _NS)
        self._booted_ns -= slept_ns
        self._offset_ns += slept_ns
        self._true_offset_ns += slept_ns

    def drift(self, ppm: float) -> None:
        """Run fast, or slow where it is negative, in parts per million; 0: right again."""
        self._change()
        self._offset_ns += self._drifted_ns()
        self._drifts_since_ns = self._loop.now_ns
        self._ppm = ppm

    def synced(self, *, is_synced: bool) -> None:
        """Have the kernel vouch for it, or not."""
        self._change()
        self._word = Word(is_synced, SYNCED_ERROR_MS if is_synced else None)

    def heal(self) -> None:
        """Show the true time again, without drift, and have the kernel vouch for it."""
        self._change()
        self._ppm, self._offset_ns = 0.0, self._true_offset_ns
        self._word = Word(synced=True, max_error_ms=SYNCED_ERROR_MS)

    def vouched_ns(self) -> int | None:
        """Return what it shows, in ns since 1970; None while nothing vouches for it."""
        return self.wall_ns() if self._word.synced else None

    def _change(self) -> None:
        self.before_change()
        for watch in self.watchers:
            watch()
        self._changed.set()
        self._looks = 2  # the first may still be shown a reading from before the change

    def _drifted_ns(self) -> int:
        if not self._ppm:
            return 0
        return round((self._loop.now_ns - self._drifts_since_ns) * self._ppm / 1_000_000)
