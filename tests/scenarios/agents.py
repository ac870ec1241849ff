"""The agent as a real process, and what it leaves behind when it is killed.

An agent holds none of our pipes, dies with us, and writes what it says to a file of its own.
"""

import ctypes
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.model import Bundle

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_libc = ctypes.CDLL(None)  # loaded here: nothing may be loaded between fork and exec


def boot_ns() -> int:
    """Return CLOCK_BOOTTIME, by which the agent and the ledger count."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class AgentProcess:
    """One run of `python -m gateway run`, from its start on."""

    def __init__(
        self,
        config: Path,
        log: Path,
        environment: Mapping[str, str],
        *,
        within: Sequence[str] = (),
    ) -> None:
        self._log = log
        inherited = {name: value for name, value in os.environ.items() if "UGW__" not in name}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*within, sys.executable, "-m", "gateway", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**inherited, **environment},
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one call
            )

    @property
    def code(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def hang_up(self) -> None:
        """Ask it to read its configuration anew."""
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        """Ask it to end in order."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> int:
        """End it at once; when that was (CLOCK_BOOTTIME)."""
        killed_at_ns = boot_ns()
        self._process.kill()
        self._process.wait()
        return killed_at_ns


# -------------------------------------------------------------------------------------- its store
def copy_store(store: Path, to: Path) -> Path:
    """Copy the store of an agent that is dead, byte by byte."""
    return shutil.copytree(store, to)


def kept_rows(copy: Path) -> list[Bundle]:
    """Read every row in a copy of a store; SQLite plays the journal in, as it does at a start."""
    with sqlite3.connect(copy / "backlog.db") as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM bundle ORDER BY id")]
    connection.close()
    return [msgspec.msgpack.decode(zlib.decompress(body), type=Bundle) for body in bodies]


def fingerprint(store: Path) -> dict[str, tuple[int, int, str]]:
    """Return size, time of the last change and content of every file: equal if nobody wrote."""
    return {
        path.name: (
            path.stat().st_size,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(store.iterdir())
    }


def contents(store: Path) -> Iterator[bytes]:
    """Yield all that stands in a store's files, also what is compressed in its rows."""
    for path in sorted(store.iterdir()):
        yield path.read_bytes()
    for bundle in kept_rows(store):
        yield msgspec.msgpack.encode(bundle)
