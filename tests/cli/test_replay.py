"""`ugw replay` plays to an unmodified agent, or shows what the drivers make of a file."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.exit_codes import ExitCode
from gateway.sim.broker import ScriptedBroker
from gateway.sim.capture import CaptureFile, Header, Writer, golden
from gateway.sim.lifeline import die_with_parent
from gateway.sim.sensors import SensorOptions
from tests.brokers import HANG_S, Taken, strict_run
from tests.cli.calling import end_of
from tests.cli.places import Ended, configuration, ugw
from tests.sim.captures import KEY, LAMP, NODE, PARK, STARTED_US, heard, written

SENSORS = (
    SensorOptions(model="bthome-v2-encrypted", address=LAMP, every_s=1.0, key=KEY),
    SensorOptions(model="ruuvi-rawv2", address=PARK, address_type="random", every_s=1.0),
    SensorOptions(model="cayenne-lpp", address=NODE, every_s=1.0),
)
FRAMES = heard(*SENSORS, for_s=4)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return written(tmp_path / "capture.jsonl", FRAMES)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(KEY.hex())
    devices = [
        f"{{address: '{LAMP}', id: lamp, key: 'file:{tmp_path}/key'}}",
        f"{{address: '{PARK}', address_type: random, id: park}}",
        f"{{address: '{NODE}', id: bin, driver: cayenne-lpp}}",
    ]
    return configuration(tmp_path, devices=f"[{', '.join(devices)}]")


# ------------------------------------------------------------------------------------------ played
def test_an_agent_hears_all_of_it_and_publishes_what_was_measured_then(
    capture: Path, config: Path
) -> None:
    program = f"{sys.executable} -m gateway run --config {{config}}"

    async def scene() -> tuple[Ended, list[dict[str, object]]]:
        async with ScriptedBroker() as broker:
            where = ("--broker", f"127.0.0.1:{broker.port}", "--config", str(config))
            ended = await ugw("replay", str(capture), *where, "--speed", "4", "--run", program)
            live = [one for one in Taken(broker).messages if one.topic.endswith("/obs/live")]
        said = [json.loads(one.payload) for one in live]
        return ended, [each for one in said for each in one["observations"]]

    ended, observations = strict_run(scene())
    assert ended.code == ExitCode.OK, ended.err
    assert f"{len(FRAMES)} frames played" in ended.err
    assert "nobody listened" not in ended.err
    expected = golden(capture, config)
    assert len(expected) == len(FRAMES)
    assert sorted(map(said_by, observations)) == sorted(map(said_by, expected))


def said_by(observation: dict[str, object]) -> str:
    return f"{observation['device']} {observation['results']}"


def test_a_program_that_ends_ends_the_replay_and_finds_its_devices_listed(
    capture: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.yaml"
    program = f"sh -c 'cp {{config}} {kept}; exit 3'"
    ended = strict_run(ugw("replay", str(capture), "--speed", "60", "--run", program))
    assert ended.code == 3, ended.err
    assert "sh ended with code 3" in ended.err
    settings = json.loads(kept.read_text())
    assert [device["address"] for device in settings["devices"]] == [LAMP, PARK]
    assert settings["devices"][1]["address_type"] == "random"
    assert settings["intake"]["repeat_window"] == "1000ms"  # a minute, then
    assert {each["kind"] for each in settings["transports"]} == {"ble", "serial"}
    assert f"{NODE}: which driver reads it, only a configuration can tell" in ended.err


def test_without_a_program_it_says_what_an_agent_needs_and_waits_until_it_is_told_to_end(
    capture: Path,
) -> None:
    async def scene() -> tuple[list[str], int]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "replay", str(capture), "--loop"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(os.environ),
            preexec_fn=die_with_parent,
        )
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        return lines, await asyncio.wait_for(process.wait(), HANG_S)

    (export, run), code = strict_run(scene())
    assert export.startswith("export DBUS_SYSTEM_BUS_ADDRESS=unix:path=")
    assert run.startswith("ugw run --config ")
    assert code == ExitCode.OK


# ------------------------------------------------------------------------------------------ shown
def test_it_shows_what_was_said_and_where_the_other_frames_ended(
    capture: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not end_of("replay", str(capture), "--decode", "--config", str(config))
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert len(lines) == len(FRAMES)
    assert any(f"  {LAMP}  battery level: " in line for line in lines)
    assert all(line.startswith("2026-11-22 10:00:0") for line in lines)
    assert f"{len(FRAMES)} frames\n  {len(FRAMES)} decoded" in shown.err


def test_without_a_configuration_it_says_what_it_would_take(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not end_of("replay", str(capture), "--decode")
    shown = capsys.readouterr()
    assert PARK in shown.out
    assert LAMP not in shown.out
    assert "refused: no_key" in shown.err
    assert f"{NODE}: which driver reads it, only a configuration can tell" in shown.err


def test_as_json_it_prints_the_golden_observations(
    capture: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not end_of("replay", str(capture), "--decode", "--json", "--config", str(config))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == golden(capture, config)


def test_a_log_of_a_serial_port_is_shown_and_converted_to_a_capture_of_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, out = tmp_path / "screen.log", tmp_path / "out.jsonl"
    log.write_text("[ 1.000] +RCV=17,16,03670110056700FF,-71,9\ngarbage\n")
    words = ("replay", str(log), "--modem", "reyax-rylr998", "--convert", str(out), "--shift")
    assert not end_of(*words)
    shown = capsys.readouterr()
    assert f"1 frames in {out}" in shown.out
    assert "1 lines without a time were left out" in shown.err
    (one,) = CaptureFile(out)
    assert one.unix_us > STARTED_US // 2
    assert end_of(*words) == ExitCode.FAILED
    assert "is there already" in capsys.readouterr().err


def test_converted_it_can_be_pseudonymised_too(
    capture: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "public.jsonl"
    words = ("--convert", str(out), "--pseudonymise", "--config", str(config))
    assert not end_of("replay", str(capture), *words)
    assert "nobody can decode it" in capsys.readouterr().err
    found = list(CaptureFile(out))
    assert len(found) == len(FRAMES)
    assert not {LAMP, PARK, NODE} & {one.record.address for one in found}
    assert {(one.header.gateway, one.header.pseudonymised) for one in found} == {("", True)}


# ---------------------------------------------------------------------------------------- refused
def test_damage_is_told_with_its_place(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = capture.read_bytes()
    offset = content.index(b"\n") + 1
    capture.write_bytes(content[:offset] + b"}{\n" + content[offset:])
    assert end_of("replay", str(capture), "--decode") == ExitCode.FAILED
    assert f"capture.jsonl:2: byte {offset}: " in capsys.readouterr().err


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf", "nan", "1e9"])
def test_a_speed_that_is_none_is_refused(
    capture: Path, speed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("replay", str(capture), "--speed", speed) == ExitCode.USAGE
    assert "is no speed" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--pseudonymise", "--json", "--shift"])
def test_an_option_that_would_be_without_effect_is_refused(
    capture: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("replay", str(capture), option) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert option in shown.err
    assert LAMP not in shown.out + shown.err


def test_where_nothing_is_to_be_heard_nothing_is_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "silence.jsonl"
    Writer(path, Header.at(STARTED_US)).close()
    assert end_of("replay", str(path), "--loop", "--run", "sleep 0") == ExitCode.FAILED
    assert "nothing in" in capsys.readouterr().err


def test_what_is_no_capture_is_refused_with_what_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear diary")
    assert end_of("replay", str(path)) == ExitCode.FAILED
    assert "--modem" in capsys.readouterr().err
