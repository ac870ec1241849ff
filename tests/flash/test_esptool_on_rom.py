"""The real esptool 5 on a simulated chip: what it reads and writes, what it says of faults."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial

from gateway.sim.esp32 import Parts
from gateway.sim.esp_rom.application import MicroPythonOnFlash
from gateway.sim.esp_rom.cable import Plugged, Port, plugged_in
from gateway.sim.esp_rom.chip import CONSOLE_BAUD, IMAGE_MAGIC, SimulatedChip
from gateway.sim.esp_rom.faults import Faults
from gateway.sim.esp_rom.protocol import Command
from gateway.sim.esp_rom.silicon import Kind, Silicon
from tests.brokers import Mosquitto
from tests.esp32.boards import programs
from tests.flash.esptools import Ran, esptool, quick_esptool, run_esptool
from tests.sim import esp_flash
from ugw_flash.esp32 import files, filesystem
from ugw_flash.esp32.site import read_site

AT = 0x10000
CONTENT = bytes(range(256)) * 40 + os.urandom(60_000) + bytes(5_000)
KINDS = ["esp32", "esp32s3"]
GUARD_S = 30.0  # no promise: only the end of a wait that would never end
IMPATIENT = """\
[esptool]
timeout = 0.5
erase_write_timeout_per_mb = 1
connect_attempts = 1
"""


@pytest.fixture
def content(tmp_path: Path) -> str:
    """Return a file to be written."""
    path = tmp_path / "content.bin"
    path.write_bytes(CONTENT)
    return str(path)


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let esptool wait half a second instead of three, and look for the chip once."""
    path = tmp_path / "esptool.cfg"
    path.write_text(IMPATIENT)
    monkeypatch.setenv("ESPTOOL_CFGFILE", str(path))


@contextmanager
def at_pty(faults: Faults | None = None, **made: Any) -> Generator[Plugged]:  # noqa: ANN401
    """Plug a chip in at a pty, with BOOT held."""
    with plugged_in(SimulatedChip(Silicon(**made), faults=faults), "pty") as plug:
        yield plug


def is_written(plug: Plugged) -> bool:
    """Whether the content lies in the flash."""
    return plug.chip.flash.read(AT, len(CONTENT)) == CONTENT


def write(plug: Plugged, content: str, *options: str) -> Ran:
    """Write the content with esptool."""
    return run_esptool(esptool(), plug, *options, "write-flash", hex(AT), content)


# ------------------------------------------------------------------------------------ what it does
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_the_chip_its_address_and_its_flash(kind: Kind) -> None:
    with at_pty(kind=kind, flash_bytes=16 << 20, mac=bytes.fromhex("f412fa010203")) as plug:
        ran = run_esptool(esptool(), plug, "flash-id")
    assert ran.code == 0, ran.text
    assert {"esp32": "ESP32-D0WD-V3", "esp32s3": "ESP32-S3 (QFN56)"}[kind] in ran.text
    assert "f4:12:fa:01:02:03" in ran.text
    assert "Detected flash size: 16MB" in ran.text
    assert "WARNING" not in ran.text


@pytest.mark.parametrize("options", [(), ("--no-stub",)], ids=["stub", "rom"])
@pytest.mark.parametrize(("kind", "port"), [("esp32", "pty"), ("esp32s3", "socket")])
def test_what_it_writes_is_there_and_it_reads_the_same(
    kind: Kind, port: Port, options: tuple[str, ...], content: str, tmp_path: Path
) -> None:
    back = tmp_path / "back.bin"
    with plugged_in(SimulatedChip(Silicon(kind=kind)), port) as plug:
        ran = write(plug, content, *options)
        assert ran.code == 0, ran.text
        assert "Hash of data verified" in ran.text
        assert is_written(plug)
        ran = run_esptool(esptool(), plug, *options, "read-flash", hex(AT), "3000", str(back))
        assert ran.code == 0, ran.text
    assert back.read_bytes() == CONTENT[:3000]


def test_what_it_does_not_deflate_is_written_as_well(content: str) -> None:
    with at_pty() as plug:
        ran = run_esptool(esptool(), plug, "write-flash", "--no-compress", hex(AT), content)
        assert ran.code == 0, ran.text
        assert is_written(plug)


def test_it_erases_a_region_and_all() -> None:
    with at_pty(flash_bytes=1 << 20) as plug:
        plug.do(lambda: plug.chip.flash.program(0, bytes(1 << 20)))
        ran = run_esptool(esptool(), plug, "erase-region", "0x2000", "0x1000")
        assert ran.code == 0, ran.text
        assert plug.chip.flash.read(0x1FFF, 0x1002) == b"\0" + b"\xff" * 0x1000 + b"\0"
        ran = run_esptool(esptool(), plug, "erase-flash")
        assert ran.code == 0, ran.text
        assert plug.chip.flash.read(0, 1 << 20) == b"\xff" * (1 << 20)


@pytest.mark.parametrize("kind", KINDS)
def test_it_resets_a_chip_into_the_loader_and_out_again(
    kind: Kind, content: str, tmp_path: Path
) -> None:
    chip = SimulatedChip(Silicon(kind=kind))
    with plugged_in(chip, "rfc2217") as plug:
        assert chip.running == "application"
        fast = ("--baud", "460800", "write-flash", hex(AT), content)
        ran = run_esptool(quick_esptool(tmp_path), plug, *fast)
        assert ran.code == 0, ran.text
        assert is_written(plug)
        assert "Hard resetting via RTS pin" in ran.text
        assert chip.running == "application"


# ----------------------------------------------------------------------------------- what it finds
def test_a_worn_cell_is_found_by_the_digest(content: str) -> None:
    with at_pty(Faults(worn=frozenset({AT + 777}))) as plug:
        ran = write(plug, content)
    assert ran.code == 2
    assert "MD5 of file does not match" in ran.text


@pytest.mark.usefixtures("impatient")
def test_a_reply_that_is_lost_spoils_the_write_and_the_next_one_is_whole(content: str) -> None:
    with at_pty(Faults(lost_replies={Command.FLASH_DEFL_DATA: 1})) as plug:
        ran = write(plug, content)
        assert ran.code == 2, ran.text
        assert not is_written(plug)
        ran = write(plug, content)
        assert ran.code == 0, ran.text
        assert is_written(plug)


@pytest.mark.usefixtures("impatient")
def test_a_line_that_breaks_in_the_middle_ends_the_write(content: str) -> None:
    with at_pty(Faults(silent_after_blocks=2)) as plug:
        ran = write(plug, content)
        assert ran.code == 2
        assert "No more data to read from the serial port" in ran.text, ran.text
        assert not is_written(plug)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("port", ["pty", "socket"])
def test_a_cable_pulled_out_in_the_middle_ends_the_write(port: Port, content: str) -> None:
    chip = SimulatedChip(faults=Faults(unplugged_after_blocks=2))
    with plugged_in(chip, port) as plug:
        ran = write(plug, content)
    assert ran.code != 0
    assert chip.running == "nothing"
    assert chip.flash.read(AT, 4096) == CONTENT[:4096]
    assert chip.flash.read(AT + 0x10000, 10) == b"\xff" * 10


@pytest.mark.usefixtures("impatient")
def test_a_mute_chip_is_none() -> None:
    with at_pty(Faults(mute=True)) as plug:
        ran = run_esptool(esptool(), plug, "flash-id")
    assert ran.code == 2
    assert "Failed to connect" in ran.text
    assert "No serial data received" in ran.text


@pytest.mark.usefixtures("impatient")
def test_a_board_that_does_not_reach_its_loader_says_its_boot_mode(tmp_path: Path) -> None:
    chip = SimulatedChip(faults=Faults(boot_unwired=True))
    with plugged_in(chip, "rfc2217") as plug:
        ran = run_esptool(quick_esptool(tmp_path), plug, "flash-id")
    assert ran.code == 2
    assert "Wrong boot mode detected (0x13)" in ran.text


def test_a_slow_chip_is_waited_for(content: str) -> None:
    with at_pty(Faults(block_s=0.1)) as plug:
        assert write(plug, content).code == 0
        assert is_written(plug)


def test_another_chip_than_the_one_named_is_told(content: str) -> None:
    with at_pty(kind="esp32s3") as plug:
        ran = write(plug, content, "--chip", "esp32")
    assert ran.code == 2
    assert "This chip is ESP32-S3, not ESP32" in ran.text


# ------------------------------------------------------------------------------- what is forbidden
def test_secure_boot_1_keeps_it_from_where_the_bootloader_is(content: str) -> None:
    with at_pty(secure_boot=1) as plug:
        ran = run_esptool(esptool(), plug, "write-flash", "0x1000", content)
    assert ran.code == 2
    assert "Secure Boot V1 detected" in ran.text, ran.text


def test_a_secured_s3_is_brought_to_the_stub_by_a_pointer_of_its_roms(content: str) -> None:
    with at_pty(kind="esp32s3", secure_boot=2) as plug:
        ran = write(plug, content)
        assert ran.code == 0, ran.text
        assert "Stub flasher running" in ran.text
        assert Command.READ_FLASH_SLOW in plug.chip.commands
        assert is_written(plug)


def test_an_s3_tells_that_its_flash_is_encrypted_and_its_boot_secured() -> None:
    with at_pty(kind="esp32s3", flash_encryption=True, secure_boot=2) as plug:
        ran = run_esptool(esptool(), plug, "get-security-info")
    assert ran.code == 0, ran.text
    assert "Secure Boot: Enabled" in ran.text
    assert "Flash Encryption: Enabled" in ran.text


@pytest.mark.parametrize(
    ("made", "register", "value"),
    [
        ({}, 0x3FF5A000, 0),
        ({"flash_encryption": True}, 0x3FF5A000, 1 << 20),
        ({"secure_boot": 2}, 0x3FF5A018, 1 << 5),
    ],
)
def test_an_esp32_has_it_in_its_fuses(made: dict[str, Any], register: int, value: int) -> None:
    with at_pty(**made) as plug:
        ran = run_esptool(esptool(), plug, "read-mem", hex(register))
    assert f"{register:#010x} = {value:#010x}" in ran.text, ran.text


def test_in_secure_download_it_writes_and_reads_nothing(content: str) -> None:
    with at_pty(kind="esp32s3", download="secure") as plug:
        ran = run_esptool(esptool(), plug, "--no-stub", "write-flash", hex(AT), content)
        assert ran.code == 0, ran.text
        assert is_written(plug)
        ran = run_esptool(esptool(), plug, "--no-stub", "flash-id")
        assert ran.code != 0


# -------------------------------------------------------------------------------- what it starts
SITE = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {{host: 127.0.0.1, port: {port}}}
transports: [{{kind: ble}}]
clock: {{source: system}}
devices: [{{address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}}]
esp32: {{wifi: {{ssid: simulated}}, time_servers: [127.0.0.1]}}
"""


def flash_of(folder: Path, port: int) -> dict[int, bytes]:
    """Return all that is written to a board, by its address."""
    config = folder / "gateway.yaml"
    config.write_text(SITE.format(port=port))
    board = read_site(config, environ={}, made_ms=1_700_000_000_000)
    version, _ = files.version(board.drivers, 1, "ugw one")
    return {
        0x1000: bytes((IMAGE_MAGIC,)) + bytes(15),
        esp_flash.TABLE_AT: esp_flash.table(names_files=False),
        esp_flash.FILES_AT: filesystem.image(
            {**version, **board.files}, (2 << 20) - esp_flash.FILES_AT
        ),
    }


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's client
def test_the_agent_that_it_has_written_starts_at_the_reset_and_is_ready(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    try:
        runs = MicroPythonOnFlash(tmp_path / "chip", Parts(programs=programs()))
        chip = SimulatedChip(Silicon(flash_bytes=2 << 20), runs=runs)
        pieces: list[str] = []
        for at, data in flash_of(tmp_path, broker.port).items():
            piece = tmp_path / f"{at:x}.bin"
            piece.write_bytes(data)
            pieces += [hex(at), str(piece)]
        with plugged_in(chip, "rfc2217") as plug:
            ran = run_esptool(quick_esptool(tmp_path), plug, "write-flash", *pieces)
            assert ran.code == 0, ran.text
            assert "ugw READY gateway=gw-1" in console_of(plug)
    finally:
        broker.kill()


def console_of(plug: Plugged) -> str:
    """Return what the board says up to its being ready, or all of it."""
    said = ""
    with serial.serial_for_url(plug.port, CONSOLE_BAUD, timeout=GUARD_S) as console:
        while "READY" not in said and (line := console.readline()):
            said += line.decode(errors="replace")
    return said
