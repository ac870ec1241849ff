"""What the flash of a chip holds, run by the real MicroPython on the fakes of a board.

Its littlefs is mounted by MicroPython's own VfsLfs2, its NVS is what ESP-IDF would read, its
main.py is started and its console is the chip's. Of the firmware only its being there counts: the
interpreter is this machine's.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.errors import SimulatorError
from gateway.sim.esp32 import BOOT, Board, Parts
from gateway.sim.esp32_image import BLOCK_BYTES, Flash
from gateway.sim.esp_rom import boot_log, nvs
from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.partitions import Layout, Region, layout


class MicroPythonOnFlash:
    """Runs a chip's flash on a simulated board, as often as it is reset.

    `parts` says with which interpreter and which ports; its files come from the chip. All is kept
    in `directory`, which is not there yet.
    """

    def __init__(self, directory: Path, parts: Parts) -> None:
        self._directory = directory
        self._parts = parts
        self._lives: list[_Life] = []  # the newest last
        self._kept: Callable[[], None] = lambda: None  # puts back what it has written
        self._nvs = b""  # as it was read last

    def start(self, flash: NorFlash, say: Callable[[bytes], None]) -> None:
        """Start what is in the flash; without a partition table nothing starts."""
        found = layout(flash)
        if found is None or found.files is None:
            say(boot_log.NO_PARTITIONS)
            return
        blocks = found.files.size // BLOCK_BYTES
        content = Flash(drivers=None)
        parts = msgspec.structs.replace(self._parts, flash=content, blocks=blocks, entry=BOOT)
        board = Board(self._directory, parts)
        board.on_console = say
        self._lay_out(flash, found, found.files)
        self._lives.append(_Life(board))

    def hear(self, data: bytes) -> None:
        """Type at its console."""
        if self._lives:
            self._lives[-1].board.enter(data.decode("utf-8", "replace"))

    def stop(self) -> None:
        """Take its power away, and put back into the flash what it has written there."""
        if self._lives:
            self._lives[-1].stop()
        self._kept()
        self._kept = lambda: None

    async def ended(self) -> None:
        """Return when nothing of it runs any more. Raises SimulatorError where it never did."""
        for life in self._lives:
            await life.ended()
        self._lives.clear()

    def _lay_out(self, flash: NorFlash, found: Layout, files: Region) -> None:
        image = self._directory / "flash.img"
        image.write_bytes(flash.read(*files))
        self._kept = lambda: flash.load(files.offset, image.read_bytes()[: files.size])
        content = flash.read(*found.nvs) if found.nvs else b""
        if content != self._nvs:  # it was flashed: else it is what the application made of it
            self._nvs = content
            _write_nvs(nvs.read(content), self._directory / "nvs")


class _Life:
    """One start of a board, until it is stopped; that may be before it has begun."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._is_over = False
        self._begins = asyncio.create_task(self._begin(), name="esp32 on flash")

    async def _begin(self) -> None:
        if not self._is_over:
            await self.board.power_on()

    def stop(self) -> None:
        self._is_over = True
        self.board.on_console = None
        with contextlib.suppress(SimulatorError):  # it has no process: it ended, or is to begin
            self.board.pull_the_plug()

    async def ended(self) -> None:
        await self._begins
        await self.board.ended()


def _write_nvs(values: nvs.Values, folder: Path) -> None:
    """Write values as the board's NVS has them: a file for each, a number's with a # before."""
    shutil.rmtree(folder)
    folder.mkdir()
    for namespace, found in values.items():
        (folder / namespace).mkdir()
        for key, value in found.items():
            name, data = (f"#{key}", b"%d" % value) if isinstance(value, int) else (key, value)
            (folder / namespace / name).write_bytes(data)
