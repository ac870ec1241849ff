"""The port that a chip hangs on: a pty, a TCP socket, or RFC 2217 with all its lines.

A pty and a bare socket have no DTR and RTS: there, nobody but its buttons resets the chip, and it
is plugged in with BOOT held unless told otherwise. Over RFC 2217 a host resets it as it likes.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Final, Literal, NamedTuple, TypeVar

from gateway.errors import SimulatorError
from gateway.sim.esp_rom.chip import SimulatedChip
from gateway.sim.esp_rom.pty_wire import PtyWire
from gateway.sim.esp_rom.rfc2217 import Rfc2217Wire
from gateway.sim.esp_rom.socket_wire import SocketWire

Port = Literal["pty", "socket", "rfc2217"]
T = TypeVar("T")

_LIMIT_S: Final = 30.0
_HOST: Final = "127.0.0.1"


@asynccontextmanager
async def at_port(chip: SimulatedChip, port: Port, *, boot_held: bool) -> AsyncGenerator[str]:
    """Plug a chip in at a new port and yield its name, as pyserial and esptool take it."""
    chip.boot_held = boot_held
    serve = _on_pty(chip) if port == "pty" else _on_socket(chip, port)
    async with serve as name:
        try:
            yield name
        finally:
            chip.unplug()
            await chip.ended()


@asynccontextmanager
async def _on_pty(chip: SimulatedChip) -> AsyncGenerator[str]:
    wire = PtyWire(chip.take)
    chip.plug(wire)
    yield wire.name


@asynccontextmanager
async def _on_socket(chip: SimulatedChip, scheme: str) -> AsyncGenerator[str]:
    wire = SocketWire(chip) if scheme == "socket" else Rfc2217Wire(chip)
    loop = asyncio.get_running_loop()
    wire.server = server = await loop.create_server(wire.connection, _HOST, 0)
    chip.plug(wire)
    try:
        yield "{}://{}:{}".format(scheme, *server.sockets[0].getsockname())
    finally:
        server.close()


class Plugged(NamedTuple):
    """A chip that a thread serves; `port` is its name. All calls return when it is done."""

    chip: SimulatedChip
    port: str
    loop: asyncio.AbstractEventLoop

    def do(self, what: Callable[[], T]) -> T:
        """Do something with the chip where it lives."""

        async def done() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(_LIMIT_S)

    def reset(self, *, boot_held: bool) -> None:
        """Press RESET, with BOOT held or not."""

        def press() -> None:
            self.chip.boot_held = boot_held
            self.chip.reset()

        self.do(press)

    def unplug(self) -> None:
        """Pull it out."""
        self.do(self.chip.unplug)


@contextmanager
def plugged_in(
    chip: SimulatedChip, port: Port = "rfc2217", *, boot_held: bool | None = None
) -> Generator[Plugged]:
    """Plug a chip in, served by a thread, for programs that do not run in an event loop.

    `boot_held`: whether somebody holds its BOOT button; None: where nothing else could reach the
    loader. Raises SimulatorError when the port cannot be made.
    """
    held = port != "rfc2217" if boot_held is None else boot_held
    thread = _Thread(lambda: at_port(chip, port, boot_held=held))
    name, loop = thread.begin()
    try:
        yield Plugged(chip, name, loop)
    finally:
        thread.end()


class _Thread:
    """An event loop in a thread of its own, in which one port is open."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[str]]) -> None:
        self._opened = opened
        self._is_open = threading.Event()
        self._ends: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._name = ""
        self._thread = threading.Thread(target=self._run, name="esp-rom", daemon=True)

    def begin(self) -> tuple[str, asyncio.AbstractEventLoop]:
        """Open the port; its name, and the loop."""
        self._thread.start()
        self._is_open.wait(_LIMIT_S)
        if self._loop is None or not self._name:
            cause = "the port of a simulated chip cannot be opened"
            raise SimulatorError(cause)
        return self._name, self._loop

    def end(self) -> None:
        """Close it, and return when all of it is gone."""
        if self._loop is not None and self._ends is not None:
            self._loop.call_soon_threadsafe(self._ends.set)
        self._thread.join(_LIMIT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._is_open.set()

    async def _serve(self) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        async with self._opened() as self._name:
            self._is_open.set()
            await self._ends.wait()
