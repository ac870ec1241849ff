"""Media that fail below a running agent: one of its own that fills up, files nobody can write."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LIMIT_S: Final = 30.0
_POLL_S: Final = 0.01
_libc = ctypes.CDLL(None)  # loaded here: nothing may be loaded between fork and exec


class SmallMedium:
    """A file system of its own at `place`, seen by agents that run `within` alone.

    It lives in a mount namespace that a process of ours holds open: it outlives agents, nobody
    else sees it, and it ends with us. `store` is where the test finds it.
    """

    def __init__(self, place: Path, size: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        mount = f'mount -t tmpfs -o size={size},mode=700 none "$0" && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount, str(place)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one call
        )
        pid = self._holder.pid
        self.store = Path(f"/proc/{pid}/root{place}")
        self.within: Sequence[str] = (
            *("nsenter", f"--mount=/proc/{pid}/ns/mnt", f"--wd={Path.cwd()}", "--"),
        )
        self._other = self.store / "somebody"
        self._await(place)

    def _await(self, place: Path) -> None:
        end_s = time.monotonic() + _LIMIT_S
        while self._holder.poll() is None and time.monotonic() < end_s:
            if self.store.stat().st_dev != place.stat().st_dev:
                return
            time.sleep(_POLL_S)
        pytest.skip("a file system of its own needs the right to mount one (root)")

    def close(self) -> None:
        """Let it go."""
        self._holder.kill()
        self._holder.wait()

    @property
    def free_bytes(self) -> int:
        """What is free on it."""
        found = os.statvfs(self.store)
        return found.f_bavail * found.f_frsize

    def somebody_fills(self, *, leaving: int) -> None:
        """Take what is free, but for some bytes, as another program may."""
        with self._other.open("ab") as other:
            os.posix_fallocate(other.fileno(), other.tell(), self.free_bytes - leaving)

    def somebody_cleans_up(self) -> None:
        """Give it back."""
        self._other.unlink()


@contextmanager
def unwritable(store: Path) -> Generator[None]:
    """Let every write to the store's files fail, as on a medium that the kernel made read-only."""
    chattr = shutil.which("chattr")
    files = [str(path) for path in sorted(store.iterdir())]
    if chattr is None or subprocess.run([chattr, "+i", *files], check=False).returncode:
        pytest.skip("files that cannot be written to need root and a file system such as ext4")
    try:
        yield
    finally:
        subprocess.run([chattr, "-i", *files], check=True)


@contextmanager
def taken_away(store: Path) -> Generator[None]:
    """Let the store's folder be somewhere else, as when its medium is taken out."""
    elsewhere = store.with_name("elsewhere")
    store.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(store)
