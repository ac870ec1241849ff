"""The flasher stub, which esptool loads into the chip's memory and speaks to from then on.

As the second one of Espressif's does (esp-flasher-stub), it answers a block before it writes it,
so that what fails is told with the next request; it looks at no block's number, so that one sent
again is written twice; and the end of a download resets nothing. When it reads, one block goes
out after the other, each when the host has confirmed the one before, and last a digest.
"""

import struct
from typing import Final, NamedTuple

from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.loader import Handler, Loader
from gateway.sim.esp_rom.protocol import Command, RefusedError, Reply, Request, Why
from gateway.sim.esp_rom.silicon import Silicon
from gateway.sim.esp_rom.writing import Writing

GREETING: Final = b"OHAI"
_WORDS: Final = {
    Why.INVALID: 0xC3,
    Why.FAILED: 0xC6,  # not in flash mode
    Why.BAD_CHECKSUM: 0xC1,
    Why.BEYOND_FLASH: 0xC4,
    Why.NOT_INFLATED: 0xC7,
    Why.UNFINISHED: 0xC0,
}
_COUNT: Final = struct.Struct("<I")


class _Reading(NamedTuple):
    """A read under way, in bytes; `sent` of its whole."""

    offset: int
    size: int
    block: int
    sent: int = 0


class Stub(Loader):
    """The stub, since it was started."""

    status_bytes = 2
    erases_first = False
    sync_value = 0

    def __init__(self, silicon: Silicon, flash: NorFlash, registers: dict[int, int]) -> None:
        super().__init__(silicon, flash, registers)
        self._reading: _Reading | None = None
        self._late: Why | None = None  # what has failed after it was answered
        self.handlers = {
            **self.handlers,
            Command.ERASE_FLASH: self._erase_all,
            Command.ERASE_REGION: self._erase_region,
            Command.READ_FLASH: self._read,
        }
        if silicon.kind != "esp32":
            self.handlers[Command.GET_SECURITY_INFO] = self._security_info

    def answer(self, packet: bytes) -> list[bytes]:
        """Return the packets that answer one: a request, or during a read how much was had."""
        if self._reading is None:
            answers = super().answer(packet)
            return answers + self._next_block()
        if len(packet) == _COUNT.size:
            return self._next_block(_COUNT.unpack(packet)[0])
        self._reading = None
        return []

    def handler(self, request: Request) -> Handler:
        """Return what answers a request; what failed late is told in its place."""
        late, self._late = self._late, None
        if late is not None:
            raise RefusedError(late)
        return super().handler(request)

    def status(self, why: Why) -> bytes:
        """Return the number of a reason; it is the mark of a refusal as well."""
        return bytes((_WORDS[why],))

    def take_block(self, writing: Writing, number: int, content: bytes) -> None:
        """Write a block; what fails is told later."""
        del number
        try:
            writing.take(content[: max(0, writing.left)] if not writing.deflated else content)
        except RefusedError as refusal:
            self._late = refusal.args[0]

    def flash_end(self, request: Request) -> Reply:
        """End the download, when all of it has come; whatever is asked for, nothing is reset."""
        request.words(1)
        if self.writing is None:
            raise RefusedError(Why.FAILED)
        if self.writing.left:
            raise RefusedError(Why.UNFINISHED)
        self.writing = None
        return Reply()

    def digest(self, offset: int, size: int) -> bytes:
        """Return a digest as it is."""
        return self.flash.md5(offset, size)

    def _erase_all(self, _: Request) -> Reply:
        self.flash.erase(0, len(self.flash))
        return Reply()

    def _erase_region(self, request: Request) -> Reply:
        self.flash.erase(*self.within(*request.words(2)))
        return Reply()

    def _security_info(self, _: Request) -> Reply:
        return Reply(data=self.silicon.security_info)

    # ------------------------------------------------------------------------------------- reading
    def _read(self, request: Request) -> Reply:
        offset, size, block, _ = request.words(4)  # and how many ahead, which it ignores
        if not block:
            raise RefusedError(Why.INVALID)
        self.within(offset, size)
        self._reading = _Reading(offset, size, block)
        return Reply()

    def _next_block(self, had: int = 0) -> list[bytes]:
        """Return what goes out now that the host has so much; at the end of a read the digest."""
        reading = self._reading
        if reading is None:
            return []
        if had >= reading.size:
            self._reading = None
            return [self.flash.md5(reading.offset, reading.size)]
        size = min(reading.block, reading.size - reading.sent)
        self._reading = reading._replace(sent=reading.sent + size)
        return [self.flash.read(reading.offset + reading.sent, size)] if size else []
