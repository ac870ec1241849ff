"""The agent as a process of its own: started, ended, killed, stalled, and started again.

It holds none of our pipes, says what it says into one file, and is gone with the bench, whatever
happens: so are those that it started and left in its process group.
"""

import asyncio
import contextlib
import mmap
import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import SimulatorError
from gateway.sim import lifeline
from gateway.sim.air import Air
from gateway.sim.ledger import KILL_MARGIN_NS
from gateway.sim.process import store

POLL_S: Final = 0.01
_START_S: Final = 60.0  # no promise: only the end of a wait that would never end
_TROUBLED_S: Final = 10.0  # so long a transport may say that it is not up, before we go on
_END_S: Final = 30.0  # its own limit is a few seconds (docs/explanation/delivery.md)
_UNREAD_NS: Final = 200_000_000  # sent so shortly before it is told to end, it may stand unread
_LAST_LINES: Final = 15
_LOOK_S: Final = 0.001
_LOOKS: Final = 500
# Variables that would make another agent of it than the bench's.
_OURS_ALONE: Final = ("UGW__", "NOTIFY_SOCKET", "WATCHDOG_")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What is started, asked anew at each start, and what is still waited for.

    `awaited`: the transports that are not up yet, by what it has said in this run.
    """

    command: Callable[[], Sequence[str]]
    environment: Callable[[], Mapping[str, str]]
    awaited: Callable[[str], Sequence[str]]


class AgentProcess:
    """The agent under test. What is sent while it does not run, the ledger excuses."""

    def __init__(self, program: Program, directory: Path, air: Air) -> None:
        self.starts = 0
        self.on_power_cut: Callable[[], None] = _nothing
        self._program = program
        self._directory = directory
        self._log = directory / "agent.log"
        self._last_words: str | None = None  # once its files are gone
        self._air = air
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._is_stalled = False
        self._away_since_ns: int | None = 0  # what is sent before the first start is not heard

    # ------------------------------------------------------------------------------ how it stands
    @property
    def code(self) -> int | None:
        """With which the last run ended; None: it runs, or never did. -9: it was killed."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process. Raises SimulatorError when it does not run."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All it has logged, of all its runs."""
        return self._said(0) if self._last_words is None else self._last_words

    @property
    def store(self) -> Path:
        """The folder of its store."""
        return self._directory / "store"

    def files(self) -> Mapping[str, bytes]:
        """Return what it has written to its store, by file name; rows also as they were packed."""
        with self._standing_still():  # else they would not be of one moment
            return store.contents(self.store)

    @contextlib.contextmanager
    def _standing_still(self) -> Generator[None]:
        stalls = self.running and not self._is_stalled
        if stalls:
            self.stall(is_stalled=True)
        yield
        if stalls:
            self.stall(is_stalled=False)

    @property
    def rss_bytes(self) -> int:
        """Memory of its process that is resident. Raises SimulatorError when it does not run."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * mmap.PAGESIZE

    # ------------------------------------------------------------------------------- start and end
    async def start(self) -> None:
        """Start it; return when its transports are up. Raises SimulatorError when it ends.

        One that says why it is not up, as when its hardware is gone, is given ten seconds.
        """
        if self.running:
            cause = "the agent runs already"
            raise SimulatorError(cause, "stop it, or kill it, before it is started again")
        self._note_end()
        before = self._log.stat().st_size if self._log.exists() else 0
        self._watching = asyncio.create_task(self._watch(self._launch()), name="gateway.watch")
        try:
            await self._up(before)
        except BaseException:
            self.end()
            raise
        self._hears_again()

    def _launch(self) -> subprocess.Popen[bytes]:
        command = list(self._program.command())
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_OURS_ALONE)
        }
        with self._log.open("ab") as log:
            try:
                process = subprocess.Popen(  # noqa: S603 - what the bench was told to run
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**inherited, **self._program.environment()},
                    process_group=0,  # Ctrl-C on a terminal is not meant for it
                    preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - one call
                )
            except OSError as error:
                cause = f"the program cannot be started: {error}"
                raise SimulatorError(cause, f"is {command[0]} installed?") from None
        self._process, self._is_stalled = process, False
        self._keeper = lifeline.keep(process.pid)
        self.starts += 1
        return process

    async def _up(self, before: int) -> None:
        clock_s = asyncio.get_running_loop().time
        began_s = clock_s()
        while awaited := self._program.awaited(said := self._said(before)):
            if not self.running:
                raise self._ended(said)
            passed_s = clock_s() - began_s
            if passed_s > _TROUBLED_S and all(f"transport {name} is " in said for name in awaited):
                return
            if passed_s > _START_S:
                cause = f"the agent did not come up: {_last(said)}"
                raise SimulatorError(cause, f"it said nothing of {', '.join(awaited)}")
            await asyncio.sleep(POLL_S)

    def _ended(self, said: str) -> SimulatorError:
        cause = f"the agent ended with code {self.code} before it was up: {_last(said)}"
        return SimulatorError(cause, "see what it said, in the bench's gateway.log")

    async def stop(self) -> int:
        """End it in order, as SIGTERM does; return its exit code. One that hangs is killed."""
        if self.code is not None:
            return self.code
        process = self._running()
        self._goes_away(self._air.now_ns() - _UNREAD_NS)
        os.killpg(process.pid, signal.SIGTERM)  # those that it started too, as systemd does it
        os.killpg(process.pid, signal.SIGCONT)  # a stalled one hears of it then
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                while process.poll() is None:  # noqa: ASYNC110 - processes set no event
                    await asyncio.sleep(POLL_S)
        self._sweep(process)
        return process.returncode

    def kill(self, *, power: bool = True) -> None:
        """End it as a power cut does: nothing more of it runs, what was not durable is gone.

        Of what it wrote and did not sync, the kernel keeps all: a process cannot take that away.
        Not `power`: it alone is killed, and the next start is in the same boot.
        """
        process = self._running()
        self._goes_away(self._air.now_ns() - KILL_MARGIN_NS)
        self._sweep(process)
        if power:
            self.on_power_cut()

    def stall(self, *, is_stalled: bool) -> None:
        """Stop it from running at all (SIGSTOP), or let it go on. Stopped, it has stopped."""
        process = self._running()
        os.killpg(process.pid, signal.SIGSTOP if is_stalled else signal.SIGCONT)
        if is_stalled:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._is_stalled = is_stalled

    def send_signal(self, number: signal.Signals) -> None:
        """Send it another signal, as SIGHUP. Raises SimulatorError when it does not run."""
        self._running().send_signal(number)

    def end(self) -> None:
        """Kill it where it runs, and what it started: the bench is over."""
        if self._process is not None:
            self._sweep(self._process)

    def close(self) -> None:
        """End it, and keep its log although its files go."""
        self.end()
        self._last_words = self.log

    # --------------------------------------------------------------------------------- its process
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            cause = "the agent does not run"
            raise SimulatorError(cause, "start it first")
        return self._process

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """See when it ends by itself."""
        while process.poll() is None:  # noqa: ASYNC110 - processes set no event
            await asyncio.sleep(POLL_S)
        self._note_end()

    def _note_end(self) -> None:
        """Excuse what one that has ended by itself had not accepted by then."""
        if self._process is not None and self._watching is not None:
            self._goes_away(self._air.now_ns() - KILL_MARGIN_NS)
            self._sweep(self._process)

    def _sweep(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the process and its group, once; return when it is dead."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
            _kill_group(process)
        if self._keeper is not None:
            lifeline.release(self._keeper)
            self._keeper = None
        process.wait()

    def _goes_away(self, since_ns: int) -> None:
        if self._away_since_ns is None:
            self._away_since_ns = since_ns

    def _hears_again(self) -> None:
        """Excuse what was sent while it was away, and what a kill may have taken."""
        if self._away_since_ns is not None:
            self._air.ledger.away(self._away_since_ns, self._air.now_ns())
            self._away_since_ns = None

    def _said(self, since: int) -> str:
        try:
            with self._log.open("rb") as file:
                file.seek(since)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started; return when they are gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for _ in range(_LOOKS):  # at its orphans, which somebody else has to reap
            os.killpg(process.pid, 0)
            time.sleep(_LOOK_S)


def _last(said: str) -> str:
    lines = said.strip().splitlines()[-_LAST_LINES:]
    return "\n".join(lines) or "it said nothing"


def _nothing() -> None:
    """Nobody has to know."""
