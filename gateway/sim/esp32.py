"""An ESP32 in the simulator: MicroPython's unix port with the chip's heap, on fakes of its parts.

It is a process of its own, so it can hang, reset, lose its power or be killed, and what it kept is
there at its next start. Its console is a pty, its serial ports are the world's, its sockets real.
"""

import asyncio
import contextlib
import os
import pty
import re
import signal
import socket
import struct
import termios
import tty
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from gateway.errors import SimulatorError
from gateway.sim import esp32_image, esp32_wire, lifeline
from gateway.sim.esp32_gatt import Peripherals
from gateway.sim.esp32_image import Flash, Programs
from gateway.sim.esp32_wire import Report, Vitals

AGENT: Final = "gateway.esp32.main"
BOOT: Final = "main"  # the flash's own main.py
READY: Final = "ugw READY "

POWER_ON: Final = 1  # what machine.reset_cause() answers
HARD_RESET: Final = 2
WATCHDOG: Final = 3
BROWN_OUT: Final = 21  # exit statuses: board.py
RESET: Final = 22

_CONSOLE_BYTES: Final = 1_000_000  # of the newest; the tests look no further back
_READ_BYTES: Final = 65536
_UNSENT_BYTES: Final = 65536  # a report beyond is not heard
_ANSWER_LIMIT_S: Final = 30.0
_SLACK: Final = 1.025  # of what is allowed for: the tables that the heap keeps of it
_LARGEST: Final = re.compile(rb"max free sz: (\d+)")
_HEAP_WORD: Final = 4  # a block of the 32-bit heap is four words


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """How a board is made; `entry` is a module with run(root), `folders` where it may be found.

    `blocks` of flash make a littlefs of its own; 0: its root is a folder of this machine. `heap`
    None: the chip's, with what is allowed for the fakes.
    """

    programs: Programs
    flash: Flash = Flash()
    uarts: Mapping[int, Path] = {}  # number -> the world's port
    blocks: int = 0
    heap: int | None = None
    entry: str = AGENT
    folders: tuple[Path, ...] = ()
    reboots: bool = True  # by itself, after a reset or the watchdog


class Board:
    """One chip: an async context, without power at first. All files are in `directory`."""

    def __init__(self, directory: Path, parts: Parts) -> None:
        self.directory = directory
        self.parts = parts
        self.boots = 0
        self.status: int | None = None  # how the newest process ended; None: it runs
        self.heard = 0  # reports that a scan has heard
        self.cost = 0  # bytes of heap the fakes have taken, as the newest start found it
        self.on_console: Callable[[bytes], None] | None = None  # gets what it says, as it says it
        self._console = bytearray()
        self._said = asyncio.Event()  # something came: on the console, by the stream, or its end
        self._outstanding: deque[Callable[[bool], None]] = deque()
        self._buffer = bytearray()
        self._vitals: list[Vitals] = []  # answers that nobody has taken
        self.peripherals = Peripherals(lambda event: self._tell("G", event))
        self._powered = False
        self._unsent = bytearray()
        self._wifi, self._ethernet = esp32_wire.THERE, esp32_wire.AWAY
        self._stream: socket.socket | None = None
        self._master: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        frozen = parts.programs.frozen
        esp32_image.flash(directory, parts.flash, parts.blocks, frozen=frozen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cut_power()

    # -------------------------------------------------------------------------------------- power
    @property
    def runs(self) -> bool:
        """Whether it has a process."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Its process. Raises SimulatorError when there is none."""
        if self._process is None:
            cause = f"the board is without power: it ended with {self.status}"
            raise SimulatorError(cause)
        return self._process.pid

    async def power_on(self) -> None:
        """Give it power; it starts with nothing in its memory, and NVS and flash as they were."""
        if not self._powered:
            self._powered = True
            for kept in (self.directory / "rtc").iterdir():
                kept.unlink()
            await self._boot(POWER_ON)

    async def cut_power(self) -> None:
        """Take its power away, whatever it is doing (SIGKILL)."""
        self._powered = False
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self.ended()

    def pull_the_plug(self) -> None:
        """Take its power away, and return when it has done its last."""
        self._powered = False
        with contextlib.suppress(ProcessLookupError, ChildProcessError):  # it has just ended
            os.kill(self.pid, signal.SIGKILL)
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)  # the event loop reaps it

    async def ended(self) -> int:
        """Wait until it has no process any more, and does not start by itself; how it ended."""
        while self._watch is not None and not self._watch.done():
            await asyncio.wait({self._watch})  # which a start after a reset replaces
        return -1 if self.status is None else self.status

    async def _boot(self, cause: int) -> None:
        ours, theirs = socket.socketpair()
        master, slave = pty.openpty()
        tty.setraw(slave)
        for descriptor in (ours.fileno(), theirs.fileno(), master):
            os.set_blocking(descriptor, False)
        uarts = {number: _open(path) for number, path in self.parts.uarts.items()}
        try:
            self._process = await self._spawn(cause, theirs.fileno(), slave, uarts)
        finally:
            theirs.close()
            for descriptor in (slave, *uarts.values()):
                os.close(descriptor)
        if not self._powered:  # it was cut while this process was made
            self._process.kill()
        self.boots += 1
        self.status = None
        self._stream, self._master = ours, master
        self._buffer.clear()
        self._unsent.clear()
        self._tell("W", bytes((self._wifi,)))
        self._tell("E", bytes((self._ethernet,)))
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._hear_stream)
        loop.add_reader(master, self._hear_console)
        self._watch = asyncio.create_task(self._follow(self._process), name="esp32")
        self._watch.add_done_callback(lambda _: self._said.set())

    async def _spawn(
        self, cause: int, stream: int, console: int, uarts: Mapping[int, int]
    ) -> asyncio.subprocess.Process:
        parts = self.parts
        root = f"lfs:{parts.blocks}" if parts.blocks else str(self.directory / "root")
        heap = parts.heap or self.heap_bytes()
        return await asyncio.create_subprocess_exec(
            parts.programs.micropython,
            *("-X", f"heapsize={heap}", "-m", "start"),
            *(str(stream), str(self.directory), root, str(cause), parts.entry),
            *(f"{number}={descriptor}" for number, descriptor in uarts.items()),
            cwd=self.directory,
            env={"MICROPYPATH": self._path(), "HOME": str(self.directory)},
            stdin=console,
            stdout=console,
            stderr=console,
            pass_fds=(stream, *uarts.values()),
            process_group=0,  # Ctrl-C on a terminal is not meant for it
            preexec_fn=lifeline.die_with_parent,
        )

    def heap_bytes(self) -> int:
        """Return the heap it is started with: the chip's, and what the fakes take of it."""
        littlefs = self.parts.blocks > 0
        taken = esp32_image.allowance(self.parts.programs, littlefs=littlefs)
        return self.parts.programs.heap_bytes + round(taken * _SLACK)

    def _path(self) -> str:
        slot = "/flash" if self.parts.blocks else str(self.directory / "root")
        if self.parts.entry != BOOT:  # which chooses the slot
            slot += "/a"
        return self.parts.programs.path(slot, *self.parts.folders)

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Wait for the end of a process, take its last words, and start it anew if it would."""
        status = await process.wait()
        self._hear_stream()
        self._hear_console()
        self._let_go()
        self._process = None
        self.status = status
        self.peripherals.forget()
        for answer in self._outstanding:
            answer(False)  # noqa: FBT003 - whether it was heard
        self._outstanding.clear()
        cause = {RESET: HARD_RESET, -signal.SIGALRM: WATCHDOG}.get(status)
        self._powered = self._powered and cause is not None and self.parts.reboots
        if self._powered and cause is not None:
            await self._boot(cause)

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        if self._stream is not None:
            loop.remove_reader(self._stream)
            loop.remove_writer(self._stream)
            self._stream.close()
        if self._master is not None:
            loop.remove_reader(self._master)
            os.close(self._master)
        self._stream = self._master = None

    # ------------------------------------------------------------------------------------- console
    @property
    def console(self) -> str:
        """What it has said on its console, of all starts; the newest megabyte."""
        return self._console.decode(errors="replace")

    def enter(self, text: str) -> None:
        """Type something at its console."""
        if self._master is not None:
            os.write(self._master, text.encode())

    async def said(self, *texts: str, limit_s: float = _ANSWER_LIMIT_S) -> None:
        """Return when all of it stands on the console. Raises SimulatorError when it does not."""
        await self._until(lambda: all(text in self.console for text in texts), limit_s, texts)

    async def said_again(self, text: str, before: int) -> None:
        """Return when a text stands on the console more often than before."""
        await self._until(lambda: self.console.count(text) > before, _ANSWER_LIMIT_S, (text,))

    async def ready(self, limit_s: float = _ANSWER_LIMIT_S) -> None:
        """Return when the agent has said as often as it started that it is ready."""
        await self._until(lambda: self.console.count(READY) >= self.boots, limit_s, (READY,))

    async def _until(
        self, condition: Callable[[], bool], limit_s: float, what: tuple[str, ...]
    ) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    if self._watch is not None and self._watch.done():
                        break
                    self._said.clear()
                    await self._said.wait()
        except TimeoutError:
            pass  # said below
        if not condition():
            cause = f"the board did not say {what}; ended: {self.status}; console:\n{self.console}"
            raise SimulatorError(cause)

    def _hear_console(self) -> None:
        if self._master is None:
            return
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open any more
            while data := os.read(self._master, _READ_BYTES):
                self._console += data
                if self.on_console is not None:
                    self.on_console(data)
        del self._console[:-_CONSOLE_BYTES]
        self._said.set()

    # -------------------------------------------------------------------------------------- stream
    def _send(self, data: bytes) -> bool:
        """Send a message, now or when there is room; whether there is somebody to send it to."""
        if self._stream is None or len(self._unsent) > _UNSENT_BYTES:
            return False
        if not self._unsent:
            asyncio.get_running_loop().add_writer(self._stream, self._flush)
        self._unsent += data
        self._flush()
        return True

    def _tell(self, letter: str, data: bytes) -> None:
        self._send(esp32_wire.message(letter, data))

    def _flush(self) -> None:
        if self._stream is None:
            return
        with contextlib.suppress(OSError):  # no room, or it has just ended
            del self._unsent[: self._stream.send(self._unsent)]
        if not self._unsent:
            asyncio.get_running_loop().remove_writer(self._stream)

    def _hear_stream(self) -> None:
        if self._stream is None:
            return
        with contextlib.suppress(OSError):
            while data := self._stream.recv(_READ_BYTES):
                self._buffer += data
        for letter, data in esp32_wire.messages(self._buffer):
            self._take(letter, data)
        self._said.set()

    def _take(self, letter: str, data: bytes) -> None:
        if letter == "A":
            self.heard += sum(data)
            for heard in data:
                self._outstanding.popleft()(bool(heard))
        elif letter == "Q":
            self._vitals.append(esp32_wire.vitals(data))
        elif letter == "G":
            self.peripherals.answer(data)
        elif letter == "S":
            before, after = struct.unpack("<II", data)
            self.cost = after - before

    # ------------------------------------------------------------------------------- what happens
    def hear(self, report: Report, answer: Callable[[bool], None]) -> None:
        """Let a report be on the air; the answer says, maybe later, whether a scan heard it."""
        if self._send(esp32_wire.report_message(report)):
            self._outstanding.append(answer)
        else:
            answer(False)  # noqa: FBT003 - whether it was heard

    @property
    def unanswered(self) -> int:
        """How many reports are on their way."""
        return len(self._outstanding)

    async def settle(self, limit_s: float = _ANSWER_LIMIT_S) -> None:
        """Return when of every report so far it is known whether it was heard."""
        await self._until(lambda: not self._outstanding, limit_s, ("heard or not",))

    def set_wifi(self, state: int) -> None:
        """Change what Wi-Fi is: AWAY, THERE, REFUSING. What is connected is the proxy's matter."""
        self._wifi = state
        self._tell("W", bytes((state,)))

    def set_ethernet(self, state: int) -> None:
        """Plug the cable in, or out."""
        self._ethernet = state
        self._tell("E", bytes((state,)))

    def brown_out(self) -> None:
        """Let the supply fail between two steps of the agent's."""
        self._tell("B", b"")

    def fail_in_flash(self, operations: int) -> None:
        """Let the power go in the midst of the so many-th write or erase of the flash from now."""
        self._tell("C", struct.pack("<I", operations))

    def hang(self) -> None:
        """Let the interpreter hang: only the watchdog ends that."""
        self._tell("H", b"")

    async def vitals(self, *, collect: bool = True) -> Vitals:
        """Ask how it is doing; `collect`: after a collection of its garbage."""
        self._vitals.clear()
        since = len(_LARGEST.findall(self._console))
        self._tell("Q", bytes((collect,)))

        def answered() -> bool:
            return len(self._vitals) > 0 and len(_LARGEST.findall(self._console)) > since

        await self._until(answered, _ANSWER_LIMIT_S, ("how it is doing",))
        blocks = int(_LARGEST.findall(self._console)[-1])
        largest = blocks * 4 * _HEAP_WORD
        return msgspec.structs.replace(self._vitals.pop(), largest_free=largest)


def _open(port: Path) -> int:
    """Open a port of the world's as the chip has it: nothing waits, nothing old is in it."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    termios.tcflush(descriptor, termios.TCIFLUSH)
    return descriptor
