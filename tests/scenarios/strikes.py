"""Instants that no clock can hit, the n-th write to a store; and how slow the machine was then.

A write is told by the kernel (inotify(7)) as it happens, to a thread that does nothing else: what
is struck then stands between two system calls of one transaction, or in the sync that follows.
"""

import ctypes
import os
import select
import struct
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.scenarios.agents import AgentProcess

_IN_MODIFY: Final = 0x2  # linux/inotify.h
_HEAD: Final = struct.Struct("=iIII")
_READ_BYTES: Final = 65_536
_LOOK_S: Final = 0.05  # whether it has ended by itself meanwhile
_SYNC_EVERY_S: Final = 0.1
_SYNCS: Final = 200  # that are remembered: the last twenty seconds and more
_libc = ctypes.CDLL(None, use_errno=True)


class Writes:
    """Sees each write to the files of a folder, from now on until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._file = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self._file >= 0, os.strerror(ctypes.get_errno())
        watched = _libc.inotify_add_watch(self._file, os.fsencode(folder), _IN_MODIFY)
        assert watched >= 0, os.strerror(ctypes.get_errno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def strike(self, number: int, file: str, run: AgentProcess, *, within_s: float) -> bool:
        """Kill a run at this write to the file, or to any (""); whether it came to that."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s and run.code is None:
            if select.select([self._file], [], [], _LOOK_S)[0]:
                number -= sum(file in {"", name} for name in self._names())
            if number <= 0:
                run.kill()
                return True
        return False

    def _names(self) -> Generator[str]:
        data = os.read(self._file, _READ_BYTES)
        at = 0
        while at < len(data):
            *_, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size + length
            yield data[at - length : at].rstrip(b"\0").decode()


class Patience:
    """How long a small sync took lately on the agent's medium, waiting for a processor included.

    What the gateway promises holds while a sync takes less than 0.3 s: on a machine that several
    share, somebody has to look whether it did.
    """

    def __init__(self) -> None:
        self._took: deque[tuple[float, float]] = deque(maxlen=_SYNCS)  # ended at, seconds
        self._ended = threading.Event()

    @contextmanager
    def looking(self, folder: Path) -> Generator[None]:
        """Sync a small file of our own there, ten times a second."""
        thread = threading.Thread(target=self._look, args=(folder / "patience",), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def worst_s(self, last_s: float) -> float:
        """Return the longest sync of the last seconds, or of the one that is going on."""
        now = time.monotonic()
        took = [seconds for ended, seconds in self._took if ended >= now - last_s]
        since = now - self._took[-1][0] - _SYNC_EVERY_S if self._took else 0.0
        return max([*took, since])

    def _look(self, path: Path) -> None:
        with path.open("wb", buffering=0) as file:
            began = time.monotonic()
            while not self._ended.wait(_SYNC_EVERY_S):
                file.seek(0)
                file.write(bytes(4096))
                os.fdatasync(file.fileno())
                now = time.monotonic()
                self._took.append((now, now - began - _SYNC_EVERY_S))
                began = now
