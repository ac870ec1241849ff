"""A chip on its board: power, the pins that DTR and RTS move, and whatever runs in it at a time.

    DTR  RTS      as two transistors on nearly every board have it
    off  on       EN low: held in reset
    on   off      IO0 low: at the end of a reset, the ROM's loader instead of the application
    else          both high

It lives in the event loop of whoever serves it; no call of it waits. What a part of it says is
lost where nobody listens, as on any serial line.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Literal, Protocol

from gateway.sim.esp_rom import boot_log
from gateway.sim.esp_rom.faults import Faults, Trouble
from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.loader import Loader
from gateway.sim.esp_rom.protocol import Request
from gateway.sim.esp_rom.rom import Rom
from gateway.sim.esp_rom.silicon import Silicon, registers
from gateway.sim.esp_rom.slip import Frames, frame
from gateway.sim.esp_rom.stub import GREETING, Stub
from gateway.sim.uart import garbled

Runs = Literal["nothing", "loader", "application"]

CONSOLE_BAUD: Final = 115200
IMAGE_MAGIC: Final = 0xE9
# How long the capacitor at EN keeps a board in reset when both pins are let go at once. A client
# of RFC 2217 needs as long between its two lines; boards with less of it cannot be reset by one.
_RISE_S: Final = 0.5
_TOLERANCE: Final = 0.03  # of a speed, within which the other end still understands


class Wire(Protocol):
    """The cable to the host, as the chip has it."""

    @property
    def baud(self) -> int | None:
        """The speed that the host has set; None where a line has none."""
        ...

    def send(self, data: bytes, *, waits: bool) -> None:
        """Send bytes; `waits`: keep them until there is room, else what finds none is lost."""

    def unplug(self) -> None:
        """Be gone, as if pulled out."""


class Application(Protocol):
    """What a flash holds, run."""

    def start(self, flash: NorFlash, say: Callable[[bytes], None]) -> None:
        """Start it; what it writes on its console goes to `say`."""

    def hear(self, data: bytes) -> None:
        """Take what was typed on its console."""

    def stop(self) -> None:
        """End it at once, as a reset does; what it wrote into the flash is there on return."""

    async def ended(self) -> None:
        """Return when nothing of it is left, after it was stopped."""


class SimulatedChip:
    """One chip with its flash. `runs` is what becomes of an application; None: only its boot log.

    `boot_held`: somebody holds its BOOT button, so that every reset ends in the ROM's loader.
    """

    def __init__(
        self,
        silicon: Silicon | None = None,
        *,
        faults: Faults | None = None,
        runs: Application | None = None,
    ) -> None:
        self.silicon = silicon or Silicon()
        self.trouble = Trouble(faults or Faults())
        self.flash = NorFlash(self.silicon.flash_bytes, self.trouble.faults.worn)
        self.commands: list[int] = []  # all that its loaders were asked for, since it was made
        self.boot_held = False
        self.running: Runs = "nothing"
        self._application = runs
        self._loader: Loader | None = None
        self._frames = Frames()
        self._wire: Wire | None = None
        self._baud = 0  # 0: it takes the host's, as the ROM does
        self._dtr = self._rts = False
        self._rising: asyncio.TimerHandle | None = None

    # --------------------------------------------------------------------------------------- power
    def plug(self, wire: Wire) -> None:
        """Give it power from a cable; it starts as its BOOT button says."""
        self._wire = wire
        self._dtr = self._rts = False
        self._start()

    def unplug(self) -> None:
        """Take cable and power away; the flash keeps what is written."""
        self._halt()
        if self._wire is not None:
            self._wire.unplug()
        self._wire = None

    async def ended(self) -> None:
        """Return when nothing of it runs any more, after it was unplugged."""
        if self._application is not None:
            await self._application.ended()

    def reset(self) -> None:
        """Press its RESET button once."""
        self._halt()
        self._start()

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """Move the two lines of the port."""
        self._dtr, self._rts = dtr, rts
        if rts and not dtr:
            self._halt()
        elif self.running == "nothing" and self._wire is not None:
            self._let_go()

    def _let_go(self) -> None:
        """End a reset: at once where both lines stand, later where one of them still moves."""
        if self._dtr and self._rts:
            loop = asyncio.get_running_loop()
            self._rising = self._rising or loop.call_later(_RISE_S, self._start)
        else:
            self._start()

    def _halt(self) -> None:
        if self._rising is not None:
            self._rising.cancel()
            self._rising = None
        if self.running == "application" and self._application is not None:
            self._application.stop()
        self.running = "nothing"
        self._loader = None

    def _start(self) -> None:
        self._halt()
        wired = self._dtr and not self._rts and not self.trouble.faults.boot_unwired
        if (self.boot_held or wired) and self.silicon.download != "off":
            self._load()
        else:
            self._run()

    def _load(self) -> None:
        """Start the loader."""
        self._log_reset(downloads=True)
        self._baud = 0
        self._frames = Frames()
        self._turn_to(Rom(self.silicon, self.flash, registers(self.silicon)))

    def _run(self) -> None:
        """Start what is in the flash."""
        self._log_reset(downloads=False)
        self._loader = None
        self.running = "application"
        first = self.flash.read(self.silicon.image_offset, 4)
        if first[0] != IMAGE_MAGIC:
            self._say(boot_log.no_image(first))
        elif self._application is not None:
            self._application.start(self.flash, self._say)

    def _log_reset(self, *, downloads: bool) -> None:
        self._baud = CONSOLE_BAUD
        self._say(boot_log.reset(self.silicon.kind, downloads=downloads))

    # ------------------------------------------------------------------------------------- talking
    def take(self, data: bytes) -> None:
        """Take what the host has sent."""
        if self._loader is not None and not self._baud:
            theirs = self._wire.baud if self._wire is not None else None
            self._loader.baud = theirs or CONSOLE_BAUD
        data = garbled(data) if self._is_garbled else data
        if self.running == "application" and self._application is not None:
            self._application.hear(data)
        elif self.running == "loader":
            for packet in self._frames.feed(data):
                self._take_packet(packet)

    def _take_packet(self, packet: bytes) -> None:
        if self._loader is None:
            return  # the packet before has ended it
        request = Request.parse(packet)
        answers = self._loader.answer(packet)
        if request is not None:
            self.commands.append(request.command)
            if self.trouble.loses(request.command):
                answers = []
        self._answer(answers)

    def _answer(self, answers: list[bytes]) -> None:
        loader = self._loader
        if loader is not None and loader.got_block:
            self.trouble.blocks += 1
            if self.trouble.is_unplugged:
                self.unplug()
                return
            if self.trouble.faults.block_s:
                loop = asyncio.get_running_loop()
                loop.call_later(self.trouble.faults.block_s, self._send_all, loader, answers)
                return
        self._send_all(loader, answers)

    def _send_all(self, loader: Loader | None, answers: list[bytes]) -> None:
        if loader is None or loader is not self._loader:
            return  # it was reset since
        self._say(b"".join(map(frame, answers)), waits=True)
        self._baud = loader.baud  # a new one counts from the answer on
        turn, loader.turn = loader.turn, ""
        if turn == "stub":
            self._turn_to(Stub(self.silicon, self.flash, loader.registers))
            self._say(frame(GREETING), waits=True)
        elif turn == "application":
            self._run()
        elif turn == "reset":
            self._load()  # what the pins were at the last reset counts

    def _turn_to(self, loader: Loader) -> None:
        loader.baud = self._baud
        self._loader = loader
        self.running = "loader"

    @property
    def _is_garbled(self) -> bool:
        """Whether host and chip have different speeds, so that neither understands the other."""
        theirs = self._wire.baud if self._wire is not None else None
        if theirs is None or not self._baud:
            return False
        return abs(theirs - self._baud) > _TOLERANCE * self._baud

    def _say(self, data: bytes, *, waits: bool = False) -> None:
        if self._wire is not None and not self.trouble.is_mute:
            self._wire.send(garbled(data) if self._is_garbled else data, waits=waits)
