"""What the ROM and the flasher stub have in common: registers, memory, writing flash, digests.

Each request gets its answer as a chip gives it, or its refusal; none of them raises. What becomes
of the chip then (the stub runs, it starts anew) stands in `turn`, for its owner to carry out.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal

from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.protocol import Command, RefusedError, Reply, Request, Why, done, refused
from gateway.sim.esp_rom.silicon import PLACES, Silicon, clock_divider
from gateway.sim.esp_rom.writing import Writing

Turn = Literal["", "stub", "reset", "application"]
Handler = Callable[[Request], Reply | None]  # None: no answer, what was called never returned

_SYNC: Final = b"\x07\x07\x12\x20" + b"\x55" * 32
_SYNC_REPLIES: Final = 8
_SEND: Final = 1 << 18  # the bit of a controller's command register that sends the user's command
_READ_ID: Final = 0x9F
_REGISTER_WRITE_BYTES: Final = 16


class Loader:
    """One life of a loader, between two resets. `baud` is the speed of the line by now."""

    status_bytes: ClassVar[int]
    erases_first: ClassVar[bool]
    sync_value: ClassVar[int]

    def __init__(self, silicon: Silicon, flash: NorFlash, registers: dict[int, int]) -> None:
        self.silicon = silicon
        self.flash = flash
        self.registers = registers
        self.baud = 0  # that of the host, whatever it is
        self.turn: Turn = ""
        self.got_block = False  # the newest request brought one for the flash
        self.writing: Writing | None = None
        self._loading = False
        self._places = PLACES[silicon.kind]
        self.handlers: Mapping[int, Handler] = {
            Command.FLASH_BEGIN: self._begin_plain,
            Command.FLASH_DATA: self._take,
            Command.FLASH_END: self.flash_end,
            Command.FLASH_DEFL_BEGIN: self._begin_deflated,
            Command.FLASH_DEFL_DATA: self._take,
            Command.FLASH_DEFL_END: self.flash_end,
            Command.MEM_BEGIN: self._load_begin,
            Command.MEM_DATA: self._load,
            Command.MEM_END: self._load_end,
            Command.SYNC: self._sync,
            Command.WRITE_REG: self._write_registers,
            Command.READ_REG: self._read_register,
            Command.SPI_SET_PARAMS: self._set_size,
            Command.SPI_ATTACH: self.attach,
            Command.CHANGE_BAUDRATE: self._change_baud,
            Command.SPI_FLASH_MD5: self._md5,
        }

    def answer(self, packet: bytes) -> list[bytes]:
        """Return the packets that answer one; none to what is no request."""
        self.got_block = False
        request = Request.parse(packet)
        if request is None:
            return []
        try:
            reply = self.handler(request)(request)
        except RefusedError as refusal:
            return [refused(request.command, self.status(refusal.args[0]), self.status_bytes)]
        if reply is None:
            return []
        packets = [done(request.command, reply, self.status_bytes)]
        return packets * (_SYNC_REPLIES if request.command == Command.SYNC else 1)

    def handler(self, request: Request) -> Handler:
        """Return what answers a request. Raises RefusedError where nothing does."""
        handler = self.handlers.get(request.command)
        if handler is None:
            raise RefusedError(Why.INVALID)
        return handler

    # ----------------------------------------------------------------------------------- differing
    def status(self, why: Why) -> bytes:
        """Return why something is refused, in this loader's words."""
        raise NotImplementedError

    def take_block(self, writing: Writing, number: int, content: bytes) -> None:
        """Take a block that has come whole."""
        raise NotImplementedError

    def flash_end(self, request: Request) -> Reply:
        """Leave the download."""
        raise NotImplementedError

    def attach(self, _: Request) -> Reply:
        """Connect the flash."""
        return Reply()

    def digest(self, offset: int, size: int) -> bytes:
        """Return a digest of flash, as this loader writes it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------ the line
    def _sync(self, request: Request) -> Reply:
        if request.data != _SYNC:
            raise RefusedError(Why.INVALID)
        return Reply(self.sync_value)

    def _change_baud(self, request: Request) -> Reply:
        self.baud = request.words(2)[0]
        return Reply()

    # ----------------------------------------------------------------------------------- registers
    def _read_register(self, request: Request) -> Reply:
        (address,) = request.words(1)
        if address == self._places.clock_divider and self.baud:
            return Reply(clock_divider(self.baud))
        return Reply(self.registers.get(address, 0))

    def _write_registers(self, request: Request) -> Reply:
        for at in range(0, len(request.data), _REGISTER_WRITE_BYTES):
            part = request._replace(data=request.data[at : at + _REGISTER_WRITE_BYTES])
            address, value, mask, _ = part.words(4)
            kept = self.registers.get(address, 0) & ~mask
            self.registers[address] = kept | value & mask
            if address == self._places.spi and value & mask & _SEND:
                self._ask_the_flash()
        return Reply()

    def _ask_the_flash(self) -> None:
        """Do what the flash's controller does when it is told to send a command; one is known."""
        command = self.registers.get(self._places.user2, 0) & 0xFF
        self.registers[self._places.data] = self.silicon.jedec if command == _READ_ID else 0
        self.registers[self._places.spi] &= ~_SEND

    # -------------------------------------------------------------------------------------- memory
    def _load_begin(self, request: Request) -> Reply:
        request.words(4)
        self._loading = True
        return Reply()

    def _load(self, request: Request) -> Reply:
        if not self._loading:
            raise RefusedError(Why.FAILED)
        request.block()
        return Reply()

    def _load_end(self, request: Request) -> Reply:
        stays, entry = request.words(2)
        if not stays and not (entry and self._loading):
            raise RefusedError(Why.FAILED)
        if not stays:
            self.turn = "stub"  # of all that could be loaded, that is what the world loads
        return Reply()

    # --------------------------------------------------------------------------------------- flash
    def _set_size(self, request: Request) -> Reply:
        _, size = request.words(2)
        if size > len(self.flash):
            raise RefusedError(Why.FAILED)
        return Reply()

    def _begin_plain(self, request: Request) -> Reply:
        return self.begin(request, deflated=False)

    def _begin_deflated(self, request: Request) -> Reply:
        return self.begin(request, deflated=True)

    def begin(self, request: Request, *, deflated: bool) -> Reply:
        """Begin a download."""
        size, _, _, offset = request.words(4)
        self.writing = Writing(
            self.flash, offset, size, erases_first=self.erases_first, deflated=deflated
        )
        return Reply()

    def _take(self, request: Request) -> Reply:
        if self.writing is None:
            raise RefusedError(Why.FAILED)
        self.take_block(self.writing, *request.block())
        self.got_block = True
        return Reply()

    def _md5(self, request: Request) -> Reply:
        offset, size = request.words(2)
        return Reply(data=self.digest(*self.within(offset, size)))

    def within(self, offset: int, size: int) -> tuple[int, int]:
        """Return a range of the flash. Raises RefusedError when it is beyond."""
        if not self.flash.holds(offset, size):
            raise RefusedError(Why.BEYOND_FLASH)
        return offset, size
