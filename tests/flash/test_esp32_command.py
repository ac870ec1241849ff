"""`ugw flash esp32`: from the command line to a board that was written, and each way it ends."""

import json
from pathlib import Path

import pytest

from gateway.exit_codes import ExitCode
from gateway.sim.esp_rom.firmware_image import PLAIN
from tests.flash.boards import (
    ENVIRON,
    NUMBER,
    PASSWORD,
    chip,
    firmware_file,
    site,
)
from tests.flash.desks import BOARD, SHA256, profile
from tests.flash.esptools import esptool
from tests.flash.test_files import end_of

MAC = "24:0a:c4:a1:b2:c3"
QUIET = ("--number", str(NUMBER), "--baud", "115200", "--wait", "0")


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return the words that name a configuration and a firmware."""
    monkeypatch.setenv("UGW_ESPTOOL", str(esptool()))
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    site(tmp_path)
    path, sha256 = firmware_file(tmp_path)
    config = str(tmp_path / "gateway.yaml")
    return "esp32", "--config", config, "--firmware", str(path), "--sha256", sha256


def test_a_board_is_made_and_the_answer_is_one_object(
    one: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with chip() as plug:
        assert end_of(monkeypatch, *one, *QUIET, "--port", plug.port, "--json") == ExitCode.OK
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert (answer["ok"], answer["gateway"], answer["mac"]) == (True, "gw-1", MAC)
    assert (answer["flashBytes"], answer["ready"]) == (4 << 20, False)
    phases = [json.loads(line)["phase"] for line in said.err.splitlines() if '"phase"' in line]
    assert list(dict.fromkeys(phases)) == ["ask the board", "erase", "write and verify"]
    assert PASSWORD not in said.out + said.err


def test_a_person_reads_a_sentence(
    one: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with chip() as plug:
        assert end_of(monkeypatch, *one, *QUIET, "--port", plug.port) == ExitCode.OK
    said = capsys.readouterr()
    assert f"gw-1: the board {MAC} (ESP32-D0WD-V3 (revision v3.0)) is written" in said.out
    assert "gw-1: write and verify" in said.err


def test_a_board_of_a_profile_gets_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, sha256 = firmware_file(tmp_path)
    profile(tmp_path, BOARD.replace(SHA256, sha256))
    words = ("esp32", "--profile", str(tmp_path), "--gateway", "gw-1", "--dry-run", "--json")
    assert end_of(monkeypatch, *words) == ExitCode.OK
    answer = json.loads(capsys.readouterr().out)
    assert (answer["gateway"], answer["mac"], answer["firmware"]) == ("gw-1", None, PLAIN.version)
    assert answer["bytes"] > 100_000


def test_a_rehearsal_asks_the_board_and_writes_nothing(
    one: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with chip() as plug:
        words = ("--port", plug.port, "--number", str(NUMBER), "--dry-run")
        assert end_of(monkeypatch, *one, *words) == ExitCode.OK
        assert plug.chip.flash.read(0, 4 << 20) == b"\xff" * (4 << 20)
    assert f"would be written to the board {MAC}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        (("--sha256", "0" * 64), ExitCode.BAD_MATERIAL, "not the firmware meant"),
        (("--frozen",), ExitCode.BAD_MATERIAL, "no agent in it"),
        (("--port", "/dev/ttyUSB99"), ExitCode.NO_DEVICE, "no port /dev/ttyUSB99"),
        (("--esptool", "/none"), ExitCode.FAILED, "/none is no esptool"),
        ((), ExitCode.FAILED, "no port is named"),
    ],
)
def test_what_goes_wrong_is_one_object_with_its_exit_code(  # noqa: PLR0913, PLR0917 - fixtures
    one: tuple[str, ...],
    change: tuple[str, ...],
    code: ExitCode,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = () if not change or "--port" in change else ("--port", "/dev/ttyUSB99")
    assert end_of(monkeypatch, *one, *QUIET, *port, *change, "--json") == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["exitCode"] == code
    assert why in answer["error"]
    assert answer["remedy"]


@pytest.mark.parametrize(
    "words",
    [
        ("esp32",),
        ("esp32", "--profile", "x"),
        ("esp32", "--profile", "x", "--gateway", "g", "--config", "y"),
        ("esp32", "--config", "y", "--firmware", "z"),
    ],
)
def test_half_an_order_is_no_order(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of(monkeypatch, *words) == ExitCode.USAGE
    assert "--profile and --gateway" in capsys.readouterr().err.replace("\n", " ")


def test_a_board_that_is_not_ready_is_told_with_what_it_is(
    one: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nobody taps RESET, so it stays silent.
    with chip() as plug:
        words = (*QUIET[:-1], "0.2", "--port", plug.port, "--json")
        assert end_of(monkeypatch, *one, *words) == ExitCode.FAILED
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["mac"], answer["ready"]) == (False, MAC, False)
    assert "written and verified, but not ready" in answer["error"]
    assert answer["remedy"]
