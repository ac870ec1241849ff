"""The two images of a board: its files, its secrets. What goes in comes out, and nothing else."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from littlefs import LittleFS

from gateway.errors import UgwError
from gateway.sim.esp_rom import nvs as as_the_chip_reads
from ugw_flash.esp32 import filesystem, nvs
from ugw_flash.outcome import BadMaterialError

SIZE = 256 << 10
NVS_BYTES = 0x6000
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_.-0123456789", min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=20, deadline=None)
@given(st.dictionaries(st.builds("{}/{}".format, NAMES, NAMES), st.binary(max_size=9000)))
def test_files_come_out_of_an_image_as_they_went_in(files: dict[str, bytes]) -> None:
    assert filesystem.read(filesystem.image(files, SIZE)) == files


def test_only_blocks_that_say_something_are_written_and_are_enough() -> None:
    files = {"main.py": b"x" * 9000, "a/b/c.mpy": random.Random(1).randbytes(20_000)}  # noqa: S311
    image = filesystem.image(files, SIZE)
    parts = filesystem.used(image)
    assert sum(len(part) for _, part in parts) < 60_000
    # What lies in the other blocks is whatever was there before.
    flash = bytearray(random.Random(2).randbytes(SIZE))  # noqa: S311
    for at, part in parts:
        assert at % 4096 == 0
        flash[at : at + len(part)] = part
    assert filesystem.read(bytes(flash)) == files


def test_a_board_that_has_run_is_read_though_its_littlefs_is_newer() -> None:
    content = filesystem.image({"a/x": b"1"}, 64 * 4096)
    board = LittleFS(mount=False, block_size=4096, block_count=64, read_size=32, prog_size=32)
    board.context.buffer = bytearray(content)
    board.mount()
    with board.open("log", "wb") as file:
        file.write(b"2")
    board.unmount()

    assert filesystem.read(bytes(board.context.buffer)) == {"a/x": b"1", "log": b"2"}


def test_files_that_do_not_fit_are_refused_with_both_sizes() -> None:
    with pytest.raises(BadMaterialError, match=r"300,000 bytes of files.*262,144") as caught:
        filesystem.image({"a": bytes(300_000)}, SIZE)
    assert "more flash" in caught.value.remedy


@pytest.mark.parametrize("content", [b"\xff" * SIZE, bytes(SIZE)])
def test_a_flash_without_files_is_told_apart_from_one_with_none(content: bytes) -> None:
    assert filesystem.read(filesystem.image({}, SIZE)) == {}
    with pytest.raises(BadMaterialError, match="no file system"):
        filesystem.read(content)


def test_every_secret_is_in_the_image_as_the_chip_reads_it_and_none_else() -> None:
    secrets = {"wifi_psk": b"secret", "mqtt_pass": bytes(range(256)), "tls_key": os.urandom(4500)}
    image = nvs.image(secrets, NVS_BYTES)
    assert len(image) == NVS_BYTES
    assert as_the_chip_reads.read(image) == {"ugw": secrets}


def test_a_board_without_secrets_gets_an_image_that_takes_the_old_ones_away() -> None:
    assert as_the_chip_reads.read(nvs.image({}, NVS_BYTES)).get("ugw", {}) == {}


def test_secrets_that_do_not_fit_are_refused_without_being_told() -> None:
    with pytest.raises(BadMaterialError, match="do not fit") as caught:
        nvs.image({"tls_key": b"\xaa" * 30_000}, NVS_BYTES)
    assert "aaaa" not in str(caught.value) + caught.value.remedy


def test_a_name_that_nvs_would_cut_off_is_refused() -> None:
    with pytest.raises(BadMaterialError, match="'0123456789abcdef' is no name"):
        nvs.image({"0123456789abcdef": b"x"}, NVS_BYTES)


def test_secrets_stand_in_no_argument_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], int, int]] = []
    run = subprocess.run

    def watched(command: list[str], **how: object) -> object:
        folder = Path(str(how["cwd"]))
        modes = folder.stat().st_mode & 0o777, (folder / "secrets.csv").stat().st_mode & 0o777
        seen.append((command, *modes))
        return run(command, **how)  # type: ignore[call-overload]

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", watched)
    nvs.image({"wifi_psk": b"secret-psk"}, NVS_BYTES)
    (command, folder, file) = seen[0]
    assert (folder, file) == (0o700, 0o600)
    shown = " ".join(command)
    assert "secret-psk" not in shown
    assert b"secret-psk".hex() not in shown
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", ["littlefs", "esp_idf_nvs_partition_gen"])
def test_a_library_that_is_missing_is_named_with_what_installs_it(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setattr(nvs, "_MODULE", "no_such_generator")
    make = filesystem.image if library == "littlefs" else nvs.image
    with pytest.raises(UgwError, match="is not installed") as caught:
        make({}, NVS_BYTES)
    assert caught.value.remedy == "pip install 'urban-gateway[flash]'"
