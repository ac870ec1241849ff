"""The agent as a real process, and what it leaves behind when it is killed.

An agent holds none of our pipes, dies with us, and writes what it says to a file of its own.
"""

import ctypes
import hashlib
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.esp32 import segments
from gateway.model import Bundle
from gateway.sim.esp32 import READY, RESET, Board

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
        command: Sequence[str] = ("-m", "gateway"),
    ) -> None:
        self._log = log
        inherited = {name: value for name, value in os.environ.items() if "UGW__" not in name}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*within, sys.executable, *command, "run", "--config", str(config)],
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

    def suspend(self) -> None:
        """Let it stand still, as a machine does that is short of everything."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> int:
        """End it at once; when that was (CLOCK_BOOTTIME)."""
        killed_at_ns = boot_ns()
        self._process.kill()
        self._process.wait()
        return killed_at_ns


class BoardRun(AgentProcess):
    """One run of the agent on a simulated ESP32, from when it had power."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._since = len(board.console)

    async def start(self, *, ready: bool) -> None:
        """Give it power; `ready`: return when the agent says that it is."""
        await self._board.ended()
        await self._board.power_on()
        if ready:
            await self._board.said_again(READY, self._board.console[: self._since].count(READY))

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs; 0 after a reset that was asked for."""
        status = self._board.status
        return 0 if status == RESET else status

    @property
    def pid(self) -> int:
        """The interpreter's process."""
        return self._board.pid

    @property
    def log(self) -> str:
        """What it has said on its console so far."""
        return self._board.console[self._since :]

    def hang_up(self) -> None:
        """No such thing on a board."""
        raise NotImplementedError

    def terminate(self) -> None:
        """Ask it to start anew, in order; here it stays off then."""
        self._board.enter("\nrestart\n")  # the first key only wakes the console

    def kill(self) -> int:
        """Take its power away; when that was (CLOCK_BOOTTIME)."""
        killed_at_ns = boot_ns()
        if self._board.runs:
            self._board.pull_the_plug()
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


def kept_numbers(store: Path) -> dict[str, set[int]]:
    """Read what waits in a store: the numbers of each stream."""
    if (store / "backlog.db").exists():
        found: dict[str, set[int]] = {}
        for row in kept_rows(store):
            numbers = range(row.first_seq, row.first_seq + len(row.entries))
            found.setdefault(row.stream, set()).update(numbers)
        return found
    return _kept_on_flash(store)


def _kept_on_flash(store: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for path in sorted(store.iterdir()):
        at = 0
        while (seen := segments.record(str(path), at, whole=True)) is not None:
            start, head, is_whole = seen
            count, first, stream = head[3], head[4], head[9].split()[0]
            if is_whole:
                found.setdefault(stream.decode(), set()).update(range(first, first + count))
            at = start + head[1] + struct.calcsize(segments._HEAD)  # noqa: SLF001 - of its file
    return found


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
    if (store / "backlog.db").exists():
        for bundle in kept_rows(store):
            yield msgspec.msgpack.encode(bundle)
