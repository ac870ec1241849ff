"""A firmware is looked through before it comes near a board: what fits, what is refused, why."""

import hashlib
from pathlib import Path

import pytest

from gateway.sim.esp_rom import firmware_image
from gateway.sim.esp_rom.firmware_image import PLAIN, Recipe
from tests.flash.boards import firmware_file
from ugw_flash.esp32 import firmware, partitions
from ugw_flash.esp32.partitions import Partition
from ugw_flash.outcome import BadMaterialError

MB = 1 << 20


def refusal(content: bytes) -> BadMaterialError:
    with pytest.raises(BadMaterialError) as caught:
        firmware.inspect(content)
    assert caught.value.remedy
    return caught.value


def damaged(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x10
    return bytes(changed)


@pytest.mark.parametrize(
    ("recipe", "offset", "flash_mb"),
    [
        (Recipe(), 0x1000, 4),
        (Recipe(chip="esp32s3", flash_mb=8, version="v1.25.0"), 0x0, 8),
        (Recipe(version="v1.26.0-preview.12.gabcdef", vfs_bytes=2 * MB), 0x1000, 4),
    ],
)
def test_what_a_firmware_says_of_itself_is_known(
    recipe: Recipe, offset: int, flash_mb: int
) -> None:
    content = firmware_image.firmware(recipe)
    found = firmware.inspect(content)
    assert (found.chip, found.offset, found.version) == (recipe.chip, offset, recipe.version)
    assert found.flash_bytes == flash_mb * MB
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert not found.has_agent
    assert found.is_tried
    assert str(len(content)) not in repr(found)


def test_an_agent_that_is_frozen_into_it_is_noticed() -> None:
    assert firmware.inspect(firmware_image.firmware(Recipe(frozen=True))).has_agent


def test_a_micropython_newer_than_any_tried_is_taken_and_told() -> None:
    found = firmware.inspect(firmware_image.firmware(Recipe(version="v1.31.0")))
    assert not found.is_tried


def test_another_file_than_the_one_meant_is_refused_by_its_digest(tmp_path: Path) -> None:
    path, sha256 = firmware_file(tmp_path)
    assert firmware.read(path, sha256.upper()).chip == "esp32"
    with pytest.raises(BadMaterialError, match="not the firmware meant: its SHA-256 is " + sha256):
        firmware.read(path, "0" * 64)


def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "page.bin"
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(BadMaterialError, match=r"page\.bin: it is a web page"):
        firmware.read(path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(BadMaterialError, match="cannot be read: No such file"):
        firmware.read(tmp_path / "none.bin", "0" * 64)


def test_a_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadMaterialError, match="larger than any firmware"):
        firmware.read(path, "0" * 64)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"UF2\nWQ]\x9e", "uf2"),
        (b"\x7fELF\x01", "elf"),
        (b"PK\x03\x04", "zip"),
        (b"", "does not begin"),
        (bytes(100_000), "does not begin"),
        (b"\xe9", "does not begin"),
    ],
)
def test_what_is_no_firmware_is_refused_by_what_it_is(content: bytes, why: str) -> None:
    assert why in str(refusal(content))


def test_a_firmware_for_a_chip_ugw_does_not_run_on_is_refused_by_name() -> None:
    content = bytearray(firmware_image.firmware())
    content[12] = 5
    assert "ESP32-C3" in str(refusal(bytes(content)))
    content[12] = 200
    assert "numbered 200" in str(refusal(bytes(content)))


def test_an_application_alone_is_refused_for_it_would_never_start() -> None:
    error = refusal(firmware_image.application())
    assert ".app-bin" in str(error)
    assert "bootloader" in error.remedy


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (200, "its bootloader has another checksum"),
        (0x7000, "the partition table"),
        (0x7000 + 14, "the partition table is damaged"),
        (0x7000 + 96, "the partition table"),
        (0xF000 + 3000, "its application has another checksum"),
        (0xF000, "its application does not begin"),
        (0xF000 + 32, "its application has"),
    ],
)
def test_damage_anywhere_is_noticed(at: int, why: str) -> None:
    assert why in str(refusal(damaged(firmware_image.firmware(), at)))


def test_every_length_it_can_be_cut_off_at_is_refused() -> None:
    content = firmware_image.firmware(Recipe(code_bytes=300))
    for end in [*range(0, len(content), 997), len(content) - 1, len(content) - 33]:
        refusal(content[:end])


def test_a_hash_that_does_not_fit_is_noticed_where_the_checksum_does() -> None:
    content = bytearray(firmware_image.firmware())
    content[4] ^= 1  # the entry point: in the header, in no checksum
    assert "another SHA-256" in str(refusal(bytes(content)))


def test_a_program_that_is_no_micropython_is_refused_by_its_name() -> None:
    assert "'blink'" in str(refusal(firmware_image.firmware(Recipe(project="blink"))))


def test_a_micropython_too_old_for_the_agent_is_refused() -> None:
    error = refusal(firmware_image.firmware(Recipe(version="v1.24.1")))
    assert "v1.24.1" in str(error)
    assert "1.25" in str(error)


def test_bootloader_and_application_are_for_the_same_chip() -> None:
    s3 = firmware_image.application(Recipe(chip="esp32s3"))
    content = firmware_image.firmware()[: 0x10000 - 0x1000] + s3
    assert "another chip than its bootloader" in str(refusal(content))


def test_nothing_is_written_where_the_secrets_lie() -> None:
    read = firmware.inspect(firmware_image.firmware())
    first, rest = read.pieces()
    assert (first.offset, first.end) == (0x1000, 0x9000)
    assert rest.offset == 0xF000
    assert rest.end == 0x1000 + len(read.content)
    whole = first.content + read.content[0x8000:0xE000] + rest.content
    assert whole == read.content


def rows(*rows: tuple[int, int, int, int, bytes]) -> bytes:
    return firmware_image.table_of(list(rows))


NVS = (1, 2, 0x9000, 0x6000, b"nvs")
APP = (0, 0, 0x10000, 0x1F0000, b"factory")


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (b"\xff" * 0xC00, "missing"),
        (b"", "missing"),
        (rows(NVS, APP)[:64], "no MD5"),
        (rows(NVS, (0, 0, 0xA000, 0x10000, b"app")), "overlap"),
        (rows((1, 2, 0x8000, 0x6000, b"nvs"), APP), "overlap"),
        (rows((1, 2, 0x9100, 0x6000, b"nvs"), APP), "no sector begins"),
        (rows((1, 2, 0x9000, 0, b"nvs"), APP), "no sector begins"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(table: bytes, why: str) -> None:
    with pytest.raises(BadMaterialError, match=why):
        partitions.parse(table)


def test_a_table_without_secrets_or_application_is_refused() -> None:
    with pytest.raises(BadMaterialError, match="no NVS"):
        partitions.secrets(partitions.parse(rows(APP)))
    with pytest.raises(BadMaterialError, match="no place for an application"):
        partitions.application(partitions.parse(rows(NVS)))


def test_the_files_lie_where_the_firmware_makes_their_partition() -> None:
    table = partitions.parse(firmware_image.table())
    assert partitions.files(table, 4 * MB) == Partition("vfs", 1, 0x81, 0x200000, 2 * MB)
    assert partitions.files(table, 16 * MB).size == 14 * MB


def test_the_files_lie_where_the_table_says_where_it_says_so() -> None:
    table = partitions.parse(firmware_image.table(PLAIN._replace(vfs_bytes=2 * MB)))
    assert partitions.files(table, 16 * MB).size == 2 * MB


def test_a_flash_without_room_for_files_is_refused() -> None:
    table = partitions.parse(firmware_image.table())
    with pytest.raises(BadMaterialError, match="this one has 2 MB"):
        partitions.files(table, 2 * MB)


def test_a_table_of_tinyuf2_is_refused() -> None:
    table = partitions.parse(rows(NVS, APP, (1, 0x81, 0x200000, 0x100000, b"ffat")))
    with pytest.raises(BadMaterialError, match="TinyUF2"):
        partitions.files(table, 4 * MB)
