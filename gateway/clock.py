"""Boot time, wall time, and whether the wall clock deserves to be believed.

Intervals, deadlines and ages use CLOCK_BOOTTIME, which counts through suspend and is never set.
Wall time is boot time plus an offset that was seen while the kernel said that something
synchronises its clock (adjtimex, see clock_adjtime(2)); it is never guessed. The offset and the
word that vouches for it are taken together and kept together, so that a step of the clock cannot
come between them.
"""

import ctypes
import os
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex: clock not synchronised
_STA_UNSYNC = 0x0040

_ASK_AGAIN_NS: Final = 1_000_000_000  # the host is asked once a second at most
_STEADY_NS: Final = 2_000_000  # two looks at an offset this far apart had no step between them
_LOOKS: Final = 8
# How far the kernel lets an unattended clock run away (MAXFREQ in linux/timex.h, 500 ppm), as
# milliseconds per nanosecond passed: 1 ms in 2 s.
_NS_PER_MS_OF_DRIFT: Final = 2_000_000_000

# Whom to ask whether wall time can be believed.
ClockSource = Literal["kernel", "system"]


class ClockState(StrEnum):
    """`holdover`: was synchronised in this boot, is not now."""

    SYNCED = "synced"
    HOLDOVER = "holdover"
    UNSYNCED = "unsynced"


class ClockReading(msgspec.Struct, frozen=True):
    """What is known of the time at one moment. Offsets are wall time minus boot time, in ns.

    In holdover `offset_ns` is the last one seen while synchronised: boot time goes on counting,
    and whoever sets the clock meanwhile changes nothing. `max_error_ms` is what the kernel tells,
    and then grows as fast as the kernel would let it.
    """

    state: ClockState
    max_error_ms: int | None = None
    offset_ns: int | None = None  # believed; None while unsynced
    shown_ns: int = 0  # what the machine's clock shows, believed or not
    since_ns: int = 0  # boot time since which the state is this


class Clock(Protocol):
    """Time as the agent sees it; tests hand in their own."""

    boot_id: str
    source: ClockSource

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970: boot time and `offset_ns`; unsynced, what the machine shows."""
        ...

    def reading(self) -> ClockReading:
        """Return what is known of the time; at most a second old."""
        ...


class Word(msgspec.Struct, frozen=True):
    """Whether something keeps the host's clock right; the error it may have, where it is told."""

    synced: bool
    max_error_ms: int | None = None


class Host(Protocol):
    """A machine and its clocks."""

    boot_id: str

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME in nanoseconds."""
        ...

    def wall_ns(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        ...

    def word(self) -> Word:
        """Ask whether the wall clock is synchronised."""
        ...


class SystemClock:
    """The clock of a host.

    `source="system"` believes it without asking, for hosts that set it otherwise.
    """

    def __init__(self, source: ClockSource = "kernel", host: Host | None = None) -> None:
        self._host = host or _Linux()
        self.boot_id = self._host.boot_id
        self.source: ClockSource = source
        self.boot_ns = self._host.boot_ns
        self._asked_at_ns = -_ASK_AGAIN_NS
        self._reading = ClockReading(ClockState.UNSYNCED)
        self._synced: ClockReading | None = None  # the last such reading,
        self._synced_at_ns = 0  # and when that was

    def wall_ns(self) -> int:
        """Nanoseconds since 1970: boot time and `offset_ns`; unsynced, what the machine shows."""
        reading = self.reading()
        offset_ns = reading.shown_ns if reading.offset_ns is None else reading.offset_ns
        return self.boot_ns() + offset_ns

    def reading(self) -> ClockReading:
        """Return what is known of the time; at most a second old."""
        now_ns = self.boot_ns()
        if now_ns - self._asked_at_ns >= _ASK_AGAIN_NS:
            self._asked_at_ns = now_ns
            self._reading = self._ask()
        return self._reading

    def _ask(self) -> ClockReading:
        """Take word and offset together; where a step keeps coming between, nothing is news."""
        before_ns = self._look()
        for _ in range(_LOOKS):
            word = Word(synced=True) if self.source == "system" else self._host.word()
            after_ns = self._look()
            if abs(after_ns - before_ns) < _STEADY_NS:
                return self._judge(word, after_ns)
            before_ns = after_ns
        return self._reading

    def _look(self) -> int:
        """Return wall time minus boot time, as the host shows them."""
        took_ns, offset_ns = self._glance()
        for _ in range(_LOOKS):
            if took_ns < _STEADY_NS:
                break
            took_ns, offset_ns = self._glance()  # we were interrupted between the two clocks
        return offset_ns

    def _glance(self) -> tuple[int, int]:
        before_ns = self.boot_ns()
        wall_ns = self._host.wall_ns()
        took_ns = self.boot_ns() - before_ns
        return took_ns, wall_ns - before_ns - took_ns // 2

    def _judge(self, word: Word, shown_ns: int) -> ClockReading:
        now_ns = self._asked_at_ns
        if word.synced:
            since_ns = self._since(ClockState.SYNCED)
            self._synced_at_ns = now_ns
            self._synced = ClockReading(
                ClockState.SYNCED, word.max_error_ms, shown_ns, shown_ns, since_ns
            )
            return self._synced
        last = self._synced
        if last is None:
            return ClockReading(ClockState.UNSYNCED, shown_ns=shown_ns)
        error_ms = last.max_error_ms
        if error_ms is not None:
            error_ms += (now_ns - self._synced_at_ns) // _NS_PER_MS_OF_DRIFT
        since_ns = self._since(ClockState.HOLDOVER)
        return ClockReading(ClockState.HOLDOVER, error_ms, last.offset_ns, shown_ns, since_ns)

    def _since(self, state: ClockState) -> int:
        return self._reading.since_ns if self._reading.state is state else self._asked_at_ns


# ---------------------------------------------------------------------------------------- the host
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


class _Linux:
    """This machine. The clocks are partials, not methods: one is read for every frame."""

    def __init__(self) -> None:
        self.boot_id = _BOOT_ID.read_text().strip()
        self.boot_ns = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
        self.wall_ns = time.time_ns
        self._libc = ctypes.CDLL(None, use_errno=True)

    def word(self) -> Word:
        """Ask the kernel. Whichever daemon sets the clock, the kernel knows."""
        timex = _Timex()
        status = self._libc.adjtimex(ctypes.byref(timex))
        if status == -1:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), "adjtimex")
        if status == _TIME_ERROR or timex.status & _STA_UNSYNC:
            return Word(synced=False)
        return Word(synced=True, max_error_ms=timex.maxerror // 1000)
