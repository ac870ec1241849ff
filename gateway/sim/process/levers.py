"""What a bench tells a running agent's clocks and disk to do: one small file, mapped by both.

A change counts from the next look on, and is seen whole or not at all: the writer counts in front
of the record, odd while it writes. There is one writer; readers never write.
"""

import mmap
import os
import struct
import time
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import SimulatorError
from gateway.sim.troubles import TROUBLES, DiskTrouble

UPTIME_NS: Final = 20_000_000_000  # of a machine whose agent has just been started

_COUNT: Final = struct.Struct("=Q")
_RECORD: Final = struct.Struct("=8q")
_LOOK_S: Final = 0.0001
_LOOKS: Final = 2000  # a writer that is killed in between leaves the record torn for ever


class Told(NamedTuple):
    """The record. Times are in ns."""

    began_ns: int = 0  # CLOCK_BOOTTIME at which the agent's boot began; 0: this machine's boot
    shift_ns: int = 0  # the wall clock is ahead by this, and by the drift since
    drift_ppb: int = 0
    drift_since_ns: int = 0  # CLOCK_BOOTTIME
    is_synced: int = 1
    trouble_number: int = 0  # in TROUBLES, from 1 on; 0: none
    slow_ns: int = 0
    damages: int = 0  # how often a row was to be damaged so far

    @property
    def trouble(self) -> DiskTrouble | None:
        """What the disk does, if anything."""
        return TROUBLES[self.trouble_number - 1] if self.trouble_number else None

    def ahead_ns(self, boottime_ns: int) -> int:
        """Return what the wall clock is ahead of this machine's."""
        drifted_ns = (boottime_ns - self.drift_since_ns) * self.drift_ppb // 1_000_000_000
        return self.shift_ns + drifted_ns


class Levers:
    """The writer's end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = Told()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(_COUNT.size + _RECORD.size))
        self._map = _mapped(path, os.O_RDWR, mmap.PROT_READ | mmap.PROT_WRITE)
        self._count = 0
        self.pull()

    def pull(self, **changed: int) -> None:
        """Change some of the record."""
        self.told = self.told._replace(**changed)
        record = _RECORD.pack(*self.told)
        _COUNT.pack_into(self._map, 0, self._count + 1)
        self._map[_COUNT.size :] = record
        self._count += 2
        _COUNT.pack_into(self._map, 0, self._count)

    def boot_anew(self) -> None:
        """Have the agents to come live in another boot, which has just begun."""
        began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - UPTIME_NS
        self.pull(began_ns=began_ns)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class Look:
    """A reader's end. Raises SimulatorError for a file that is not such a record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._map = _mapped(path, os.O_RDONLY, mmap.PROT_READ)
        if len(self._map) != _COUNT.size + _RECORD.size:
            raise _unreadable(path, "it is of another size")

    def __call__(self) -> Told:
        """Return what is told now."""
        for _ in range(_LOOKS):
            (before,) = _COUNT.unpack_from(self._map, 0)
            record = self._map[_COUNT.size :]
            (after,) = _COUNT.unpack_from(self._map, 0)
            if before == after and not before % 2:
                return Told(*_RECORD.unpack(record))
            time.sleep(_LOOK_S)
        raise _unreadable(self._path, "it is being written all the time")


def _mapped(path: Path, flags: int, protection: int) -> mmap.mmap:
    try:
        descriptor = os.open(path, flags)
        try:
            return mmap.mmap(descriptor, 0, prot=protection)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, why: str) -> SimulatorError:
    cause = f"what the simulator tells cannot be read from {path}: {why}"
    return SimulatorError(cause, "start the agent with the bench that made the file")
