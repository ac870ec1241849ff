"""The loader in the chip's ROM, which answers when BOOT was held at a reset.

Slow and poor: it reads flash 64 bytes at a time, erases before it writes, and knows no "erase
all". A chip in secure download mode lets nobody read its registers or load code.
"""

from typing import Final

from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.loader import Loader
from gateway.sim.esp_rom.protocol import Command, RefusedError, Reply, Request, Why
from gateway.sim.esp_rom.silicon import Silicon
from gateway.sim.esp_rom.writing import Writing

_SLOW_BYTES: Final = 64
_SECURE: Final = frozenset(
    {
        Command.FLASH_BEGIN,
        Command.FLASH_DATA,
        Command.FLASH_END,
        Command.FLASH_DEFL_BEGIN,
        Command.FLASH_DEFL_DATA,
        Command.FLASH_DEFL_END,
        Command.SYNC,
        Command.SPI_SET_PARAMS,
        Command.SPI_ATTACH,
        Command.CHANGE_BAUDRATE,
        Command.GET_SECURITY_INFO,
    }
)


class Rom(Loader):
    """The ROM's loader, since a reset."""

    status_bytes = 4
    erases_first = True
    sync_value = 0x20120707  # any but zero: the stub answers zero

    def __init__(self, silicon: Silicon, flash: NorFlash, registers: dict[int, int]) -> None:
        super().__init__(silicon, flash, registers)
        self._attached = False
        handlers = {**self.handlers, Command.READ_FLASH_SLOW: self._read_slowly}
        if silicon.kind != "esp32":
            handlers[Command.GET_SECURITY_INFO] = self._security_info
        if silicon.download == "secure":
            handlers = {name: made for name, made in handlers.items() if name in _SECURE}
        self._unbent = registers.get(self._places.read_hook)
        self.handlers = handlers

    def attach(self, _: Request) -> Reply:
        """Connect the flash; before, no download begins."""
        self._attached = True
        return Reply()

    def flash_end(self, request: Request) -> Reply:
        """Leave the loader: 0 is a reset, 1 starts the application."""
        self.turn = "application" if request.words(1)[0] else "reset"
        return Reply()

    def digest(self, offset: int, size: int) -> bytes:
        """Return a digest in hexadecimal digits."""
        return self.flash.md5(offset, size).hex().encode()

    def status(self, why: Why) -> bytes:
        """Return the mark of a refusal, and the reason."""
        return bytes((1, why))

    def begin(self, request: Request, *, deflated: bool) -> Reply:
        """Begin a download; there is none without flash."""
        if not self._attached:
            raise RefusedError(Why.FAILED)
        return super().begin(request, deflated=deflated)

    def take_block(self, writing: Writing, number: int, content: bytes) -> None:
        """Write a block. Whether the chip takes one again is not known: here it does not."""
        if number != writing.blocks:
            raise RefusedError(Why.FAILED)
        writing.take(content)

    def _read_slowly(self, request: Request) -> Reply | None:
        offset, size = self.within(*request.words(2))
        if self._is_bent:
            self.turn = "stub"
            return None
        if size > _SLOW_BYTES:
            raise RefusedError(Why.TOO_LONG)
        return Reply(data=self.flash.read(offset, size).ljust(_SLOW_BYTES, b"\0"))

    @property
    def _is_bent(self) -> bool:
        """Whether reading flash would run what was loaded, as a secured ESP32-S3 is brought to."""
        return self._loading and self.registers.get(self._places.read_hook) != self._unbent

    def _security_info(self, _: Request) -> Reply:
        return Reply(data=self.silicon.security_info)
