"""`ugw check` and `ugw config`: data on stdout, talk on stderr, secrets on neither."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import load, schema_text
from gateway.exit_codes import ExitCode
from tests.cli.calling import end_of

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SECRET = re.compile("who-we-are|231d39c1d7cc1ab1aee224cd096db932|correct-horse-battery")


def test_a_usable_configuration_is_summarised(ugw: Command, good: Path) -> None:
    done = ugw("check", "--offline", "--config", str(good))

    assert done.returncode == ExitCode.OK
    assert done.stdout.splitlines() == [
        f"{good}: ok",
        "  gateway     kiel/gw-1",
        "  broker      localhost:1883, MQTT 5, in clear, with user name",
        "  topics      ugw/v1/kiel/gw-1/...",
        "  store       /var/lib/ugw, at most 512 MB",
        "  transports  ble:hci0, passive scan",
        "              serial:ttyUSB0, reyax-rylr998",
        "  devices     1 Bluetooth LE, recognised by what they send",
        "              1 LoRa, cayenne-lpp",
    ]
    assert done.stderr == ""


def test_faults_end_with_their_code_and_nothing_on_standard_output(
    ugw: Command, bad: Path
) -> None:
    done = ugw("check", "--config", str(bad))

    assert done.returncode == ExitCode.CONFIGURATION
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{bad}:10:1: hpptp: unknown key 'hpptp', did you mean 'http'?",
        "   10 | hpptp:…",
        "      | ^",
        f"{bad}:11:14: log.level: must be debug, info, warning or error, not 'loud'",
        "   11 | log: {level: loud}",
        "      |              ^",
        "2 errors",
    ]


def test_faults_are_there_for_programs(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("check", "--json", "--config", str(bad)) == ExitCode.CONFIGURATION

    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["ok"], [each["line"] for each in report["findings"]]) == (False, [10, 11])
    assert said.err == ""


def test_the_summary_is_there_for_programs(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("check", "--offline", "--json", "--config", str(good)) == ExitCode.OK

    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["notes"]) == (True, [])
    assert report["summary"]["transports"][0] == "ble:hci0, passive scan"


def test_notes_are_talk(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(good.read_text() + "delivery: {durability: strict}\n")
    assert end_of("check", "--offline", "--config", str(good)) == ExitCode.OK

    said = capsys.readouterr()
    assert "note: delivery.durability: strict writes each observation" in said.err
    assert "strict" not in said.out


def test_a_driver_that_only_connects_is_no_driver_of_advertisements(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = '  - {address: "C4:7C:8D:00:00:04", driver: flower-care}\n'
    good.write_text(good.read_text().replace("devices:\n", f"devices:\n{device}"))
    end_of("check", "--config", str(good))

    said = capsys.readouterr().err
    assert "note: devices: C4:7C:8D:00:00:04: nothing it advertises is for flower-care" in said


def test_a_missing_file_ends_with_the_code_and_the_next_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert end_of("check", "--config", "/nowhere/gateway.yaml") == ExitCode.CONFIGURATION

    said = capsys.readouterr().err
    assert said.startswith("/nowhere/gateway.yaml: cannot be read: No such file or directory\n")
    assert "config/gateway.example.yaml" in said


def test_known_drivers_are_those_that_are_installed(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good.write_text(good.read_text().replace("cayenne-lpp", "cayenne-lp"))
    assert end_of("check", "--config", str(good)) == ExitCode.CONFIGURATION

    assert "did you mean 'cayenne-lpp'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            "reyax-rylr998, spreading_factor: 12",
            "5:79: transports[0].spreading_factor: {}: 5 to 11",
        ),
        ("reyax-rylr998, sync_word: 0x12", "5:72: transports[0].sync_word: {}: it has no such"),
        ("reyax-rylr998, sync_word: 0x12", "remove it; it knows address, network_id, band, "),
        ("reyax-rylr998, sender: byte", "5:69: transports[0].sender: {}: it says itself who"),
        ("rak-rui3", "5:5: transports[0].sender: {}: it does not say who sends; byte or word if"),
        (
            "dragino-la66, sender: byte, band: 868100500Hz",
            "transports[0].band: {}: whole kilohertz",
        ),
    ],
)
def test_a_radio_setting_the_modem_does_not_take_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, told: str
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "config_version: 1\n"
        "gateway: {org: kiel, id: gw-1}\n"
        "mqtt: {host: localhost}\n"
        "transports:\n"
        f"  - {{kind: serial, device: /dev/lora, modem: {wrong}}}\n"
    )
    assert end_of("check", "--config", str(config)) == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert told.format(wrong.partition(",")[0]) in said


def test_what_modems_do_not_take_is_said_together_with_all_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "config_version: 1\n"
        "gateway: {org: kiel, id: gw-1}\n"
        "mqtt: {host: localhost}\n"
        "transports:\n"
        "  - {kind: serial, device: /dev/lora-1, modem: rak-rui3}\n"
        "  - {kind: serial, device: /dev/lora, modem: ebyte-e32, sender: word, sync_word: 18}\n"
        "devices:\n"
        '  - {address: "lora:17"}\n'
    )
    assert end_of("check", "--config", str(config)) == ExitCode.CONFIGURATION
    said = capsys.readouterr().err
    assert "transports[0].sender: rak-rui3: it does not say" in said
    assert "transports[1].sync_word: ebyte-e32: it has no such setting" in said
    assert "devices[0].driver: " in said
    assert said.endswith("3 errors\n")


def test_more_faults_than_anybody_reads_are_counted(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good.write_text(good.read_text() + "".join(f"x{number}: 1\n" for number in range(150)))
    assert end_of("check", "--config", str(good)) == ExitCode.CONFIGURATION

    said = capsys.readouterr().err
    assert said.count("unknown key") == 100
    assert said.endswith("150 errors, of which the first 100 are shown\n")


def test_the_configuration_in_force_is_itself_a_configuration(
    ugw: Command, good: Path, tmp_path: Path
) -> None:
    done = ugw("config", "show", "--config", str(good), UGW__LOG__LEVEL="debug")
    shown = tmp_path / "shown.yaml"
    shown.write_text(done.stdout)

    in_force, written = load(shown), load(good)
    assert done.returncode == ExitCode.OK
    assert in_force.log.level == "debug"
    assert in_force.devices == written.devices
    assert in_force.transports == written.transports
    assert in_force.delivery == written.delivery
    assert (in_force.client_id, in_force.topic_root) == (written.client_id, written.topic_root)


def test_the_configuration_in_force_is_there_for_programs(ugw: Command, good: Path) -> None:
    done = ugw("config", "show", "--json", "--config", str(good))

    shown = json.loads(done.stdout)
    assert shown["mqtt"]["topic_root"] == "ugw/v1/kiel/gw-1"
    assert "env:BROKER_PASSWORD" in shown["mqtt"].values()
    assert shown["delivery"]["pace"] == "20ms"
    assert done.stderr == ""


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("config", "schema") == ExitCode.OK
    assert capsys.readouterr().out == schema_text()


@pytest.mark.parametrize(
    "words",
    [
        ["check"],
        ["check", "--json"],
        ["config", "show"],
        ["config", "show", "--json"],
    ],
)
def test_no_command_shows_a_secret(ugw: Command, good: Path, bad: Path, words: list[str]) -> None:
    for path in (good, bad):
        done = ugw(*words, "--config", str(path))
        assert SECRET.search(done.stdout + done.stderr) is None


def on_a_terminal(*words: str, **environ: str) -> str:
    """Run the command with a terminal for its standard error; what that shows."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **environ}
    with os.fdopen(theirs, "wb", closefd=True) as terminal:
        subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            stdout=subprocess.DEVNULL,
            stderr=terminal,
            env=environment,
            timeout=60,
            check=False,
        )
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    return shown


def test_a_terminal_gets_colours_unless_they_are_not_wanted(bad: Path) -> None:
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]")

    assert colour.search(on_a_terminal("check", "--config", str(bad)))
    assert not colour.search(on_a_terminal("check", "--config", str(bad), NO_COLOR="1"))


def test_a_file_cannot_drive_the_terminal(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text(good.read_text() + 'log: {level: "\\e]0;owned\\a[bold]x"}\n"a\\eb": 1\n')
    assert end_of("check", "--config", str(good)) == ExitCode.CONFIGURATION

    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "[bold]x" in said
