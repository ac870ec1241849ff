"""The medium the store stands on: the floor of free space, and the ballast.

Below the floor the store's file does not grow. What is free within it can still be written to, so
a store that drops its oldest goes on. When even a deletion finds no room (it is written to the
WAL first), the ballast is given up for it, and made again once there is room to spare.
"""

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

BALLAST: Final = "ballast"
# What SQLite needs beside the file: a WAL of 1 MB, and as much for the checkpoint that empties it.
LEAST_FREE_BYTES: Final = 2_000_000
_AMPLE: Final = 2  # ballasts to be free above the floor before one is made again
_BLOCK_BYTES: Final = 512  # of st_blocks (stat(2))


Free = Callable[[Path], int]


def free_bytes(directory: Path) -> int:
    """Return how many bytes are free on the file system a directory is on."""
    try:
        found = os.statvfs(directory)
    except OSError:  # the medium is gone: there is no room on it
        return 0
    return found.f_bavail * found.f_frsize


class Medium:
    """The file system a directory is on."""

    def __init__(
        self, directory: Path, *, keep_free: int, ballast: int, free: Free = free_bytes
    ) -> None:
        self.floor_bytes = max(keep_free, LEAST_FREE_BYTES)
        self._directory = directory
        self._free = free
        self._ballast = directory / BALLAST
        self._ballast_bytes = ballast
        self._has_ballast = False
        self._has_complained = False

    @property
    def is_scarce(self) -> bool:
        """Whether less is free than must be kept free."""
        return self._free(self._directory) < self.floor_bytes

    def give_up_ballast(self) -> bool:
        """Free the ballast's space; whether there was any."""
        self._has_ballast = False
        try:
            size = self._ballast.stat().st_size
            self._ballast.unlink()
        except OSError:
            return False
        log.warning("ballast given up, the medium is full bytes=%d", size)
        return size > 0

    def take_ballast(self) -> None:
        """Have the ballast, if the medium has room to spare for it."""
        if self._has_ballast or not self._ballast_bytes:
            return
        try:
            self._has_ballast = self._is_whole() or self._make()
        except OSError as error:
            if not self._has_complained:
                log.warning("no ballast made: %s", error)
            self._has_complained = True

    def _is_whole(self) -> bool:
        try:
            found = self._ballast.stat()
        except FileNotFoundError:
            return False
        # Blocks, not the size: a file with a hole in it frees nothing.
        return min(found.st_size, found.st_blocks * _BLOCK_BYTES) >= self._ballast_bytes

    def _make(self) -> bool:
        self._ballast.unlink(missing_ok=True)
        if self._free(self._directory) < self.floor_bytes + _AMPLE * self._ballast_bytes:
            return False
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._ballast_bytes)
        except OSError as error:
            with suppress(OSError):
                self._ballast.unlink()
            if error.errno != errno.ENOSPC:
                raise
            return False
        finally:
            os.close(descriptor)
        return True
