"""What a simulated chip's flash holds, run by the real MicroPython: files, NVS, console."""

import asyncio
import struct
import zlib
from pathlib import Path

import pytest
import serial

from gateway.sim.esp32 import Parts
from gateway.sim.esp_rom import nvs
from gateway.sim.esp_rom.application import MicroPythonOnFlash
from gateway.sim.esp_rom.cable import plugged_in
from gateway.sim.esp_rom.chip import CONSOLE_BAUD, SimulatedChip
from gateway.sim.esp_rom.flash import NorFlash
from gateway.sim.esp_rom.partitions import Layout, Region, layout
from gateway.sim.esp_rom.silicon import Silicon
from tests.brokers import strict_run
from tests.esp32.boards import programs
from tests.sim import esp_flash
from ugw_flash.esp32 import nvs as made_nvs

MIB = 1 << 20
GUARD_S = 30.0  # no promise: only the end of a wait that would never end


def chip_with(folder: Path, *, names_files: bool = True) -> SimulatedChip:
    """Return a chip whose main.py counts its starts and says what it hears."""
    runs = MicroPythonOnFlash(folder / "chip", Parts(programs=programs()))
    chip = SimulatedChip(Silicon(flash_bytes=MIB), runs=runs)
    esp_flash.load(chip, {"main.py": esp_flash.MAIN}, names_files=names_files)
    return chip


def until(console: serial.Serial, text: bytes) -> bytes:
    """Read until a text has come; what came last is in the failure."""
    said = b""
    while text not in said:
        byte = console.read()
        assert byte, said
        said += byte
    return said


# What pyserial's client of RFC 2217 does in its thread's name.
OLD_WAYS = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")


def console_at(port: str) -> serial.Serial:
    """Open a port as who reads a console does."""
    return serial.serial_for_url(port, CONSOLE_BAUD, timeout=GUARD_S)


@pytest.mark.parametrize("names_files", [True, False])
def test_main_py_runs_from_the_littlefs_with_the_nvs_beside_it(
    tmp_path: Path, *, names_files: bool
) -> None:
    chip = chip_with(tmp_path, names_files=names_files)
    with plugged_in(chip, "pty", boot_held=True) as plug, console_at(plug.port) as console:
        plug.reset(boot_held=False)
        assert b"boot:0x13" in until(console, b"start 1 1 with b'secret'")
        console.write(b"hello\n")
        until(console, b"heard hello")


def test_what_it_writes_is_in_the_flash_after_a_reset_and_after_the_cable_was_out(
    tmp_path: Path,
) -> None:
    chip = chip_with(tmp_path)
    with plugged_in(chip, "socket", boot_held=True) as plug, console_at(plug.port) as console:
        for start in (b"start 1 1", b"start 2 2"):
            plug.reset(boot_held=False)
            until(console, start + b" with b'secret'")
    image = chip.flash.read(esp_flash.FILES_AT, esp_flash.FILES_BYTES)
    assert esp_flash.content_of(image, "starts") == b"2"
    with plugged_in(chip, "socket", boot_held=True) as plug, console_at(plug.port) as console:
        plug.reset(boot_held=False)
        until(console, b"start 3 3")


@OLD_WAYS
def test_rts_resets_the_application_over_rfc2217(tmp_path: Path) -> None:
    chip = chip_with(tmp_path)
    with plugged_in(chip, "rfc2217", boot_held=True) as plug:
        console = serial.serial_for_url(plug.port, CONSOLE_BAUD, timeout=GUARD_S, do_not_open=True)
        console.dtr = False
        console.open()
        plug.do(lambda: setattr(chip, "boot_held", False))
        console.rts = True
        console.rts = False
        until(console, b"start 1")
        console.close()


def test_at_another_speed_its_console_cannot_be_read(tmp_path: Path) -> None:
    chip = chip_with(tmp_path)
    with (
        plugged_in(chip, "pty", boot_held=True) as plug,
        serial.serial_for_url(plug.port, 9600, timeout=GUARD_S) as console,
    ):
        plug.reset(boot_held=False)
        assert min(console.read(40)) >= 0x80


def test_a_flash_without_a_partition_table_starts_nothing(tmp_path: Path) -> None:
    chip = chip_with(tmp_path)
    chip.flash.erase(esp_flash.TABLE_AT, 4096)
    with plugged_in(chip, "pty", boot_held=True) as plug, console_at(plug.port) as console:
        plug.reset(boot_held=False)
        until(console, b"load partition table error!")


# ---------------------------------------------------------------------------------- the partitions
def test_the_files_are_where_the_table_says_or_else_behind_the_last_partition() -> None:
    flash = NorFlash(MIB)
    assert layout(flash) is None
    nvs_region = Region(esp_flash.NVS_AT, esp_flash.NVS_BYTES)
    for names_files, size in ((True, esp_flash.FILES_BYTES), (False, MIB - esp_flash.FILES_AT)):
        flash.erase(esp_flash.TABLE_AT, 1)
        flash.program(esp_flash.TABLE_AT, esp_flash.table(names_files=names_files))
        assert layout(flash) == Layout(nvs_region, Region(esp_flash.FILES_AT, size))


# ----------------------------------------------------------------------------------------- the NVS
SECRETS = {"tls_key": bytes(range(256)) * 20, "mqtt_pass": b"a", "empty": b""}


def test_the_nvs_that_espressifs_generator_makes_is_read_whole() -> None:
    image = made_nvs.image({name: value for name, value in SECRETS.items() if value}, 0x6000)
    assert nvs.read(image) == {"ugw": {name: value for name, value in SECRETS.items() if value}}


def test_what_is_damaged_in_the_nvs_is_not_there() -> None:
    image = bytearray(made_nvs.image({"first": b"11111111", "other": b"22222222"}, 0x6000))
    at = image.index(b"22222222")
    image[at] ^= 1
    assert nvs.read(bytes(image)) == {"ugw": {"first": b"11111111"}}
    name = image.index(b"ugw\0")
    image[name] ^= 1  # the entry is not the one that its checksum is of
    assert nvs.read(bytes(image)) == {}
    image[name] ^= 1
    image[32] &= 0b11  # all entries of the first four are erased but that of the namespace
    assert nvs.read(bytes(image)) == {"ugw": {}}
    image[4] ^= 1  # the header of the page
    assert nvs.read(bytes(image)) == {}
    assert nvs.read(b"\xff" * 0x6000) == {}


def test_a_number_is_read_with_its_sign() -> None:
    image = bytearray(made_nvs.image({"blob": b"1"}, 0x6000))
    entry = bytearray(struct.pack("<BBBBI16si4x", 1, 0x14, 1, 0xFF, 0, b"count", -7))
    summed = entry[:4] + entry[8:]
    entry[4:8] = struct.pack("<I", zlib.crc32(summed, 0xFFFFFFFF))
    free = next(
        index for index in range(126) if image[64 + 32 * index : 96 + 32 * index] == b"\xff" * 32
    )
    image[64 + 32 * free : 96 + 32 * free] = entry
    image[32 + free // 4] &= ~(1 << 2 * (free % 4))
    assert nvs.read(bytes(image))["ugw"]["count"] == -7


def test_a_board_that_ends_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    async def story() -> None:
        runs = MicroPythonOnFlash(tmp_path / "chip", Parts(programs=programs()))
        chip = SimulatedChip(Silicon(flash_bytes=MIB))
        esp_flash.load(chip, {"main.py": esp_flash.MAIN})
        said: list[bytes] = []
        for turns in range(4):  # of the event loop, that it had
            runs.start(chip.flash, said.append)
            for _ in range(turns):
                await asyncio.sleep(0)
            runs.stop()
            await runs.ended()
        assert said == []

    strict_run(story())
