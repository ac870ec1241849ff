"""Boot time, wall time, and whether the wall clock deserves to be believed.

Intervals, deadlines and ages use CLOCK_BOOTTIME, which counts through suspend and is never set.
Wall time counts only while the kernel says that something synchronises it (adjtimex, see
clock_adjtime(2)); it is never guessed.
"""

import ctypes
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

import msgspec

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex: clock not synchronised
_STA_UNSYNC = 0x0040
_ASK_AGAIN_NS = 1_000_000_000  # the kernel's word is asked for once a second at most


# Whom to ask whether wall time can be believed.
ClockSource = Literal["kernel", "system"]


class ClockState(StrEnum):
    """`holdover`: was synchronised in this boot, is not now."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


class ClockReading(msgspec.Struct, frozen=True):
    """What the kernel says of its clock now; `max_error_ms` where it tells."""

    state: ClockState
    max_error_ms: int | None = None


class Clock(Protocol):
    """Time as the agent sees it; tests hand in their own."""

    boot_id: str
    source: ClockSource

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970, believed or not."""
        ...

    def reading(self) -> ClockReading:
        """Whether wall time can be believed."""
        ...


class _Timex(ctypes.Structure):
    """The head of struct timex (sys/timex.h); the kernel writes the whole of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class SystemClock:
    """The machine's clock.

    `source="system"` believes it without asking the kernel, for hosts that set it otherwise.
    """

    def __init__(self, source: ClockSource = "kernel") -> None:
        self.boot_id = _BOOT_ID.read_text().strip()
        self.source: ClockSource = source
        self._was_synced = False
        self._asked_at_ns = -_ASK_AGAIN_NS
        self._reading = ClockReading(ClockState.UNSYNCED)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970, believed or not."""
        return time.time_ns()

    def reading(self) -> ClockReading:
        """Whether wall time can be believed, at most a second old."""
        now = self.boot_ns()
        if now - self._asked_at_ns >= _ASK_AGAIN_NS:
            self._asked_at_ns = now
            self._reading = self._ask()
        return self._reading

    def _ask(self) -> ClockReading:
        if self.source == "system":
            return ClockReading(ClockState.SYNCED)
        timex = _Timex()
        status = self._libc.adjtimex(ctypes.byref(timex))
        if status == -1:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "adjtimex")
        if status != _TIME_ERROR and not timex.status & _STA_UNSYNC:
            self._was_synced = True
            return ClockReading(ClockState.SYNCED, timex.maxerror // 1000)
        return ClockReading(ClockState.HOLDOVER if self._was_synced else ClockState.UNSYNCED)
