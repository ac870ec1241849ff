"""`ugw simulate` tells an agent beside it where to go, plays, and ends without a trace."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.simulate import app
from gateway.errors import SimulatorError

SCENARIO = """
duration: 20s
sensors: [{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 20ms}]
"""
LIMIT_S = 30


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO)
    return path


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_it_prints_what_an_agent_needs_and_tells_the_rest_aside(
    scenario: Path, tmp_path: Path
) -> None:
    result = invoke(scenario, "--duration", "100ms", "--write", tmp_path / "agent")
    assert result.exit_code == 0
    export, run = result.stdout.splitlines()
    assert export.startswith("export DBUS_SYSTEM_BUS_ADDRESS=unix:path=")
    assert run == f"ugw run --config {tmp_path}/agent/gateway.yaml"
    assert "frames reached the agent" in result.stderr
    assert (tmp_path / "agent" / "gateway.yaml").exists()


def test_a_program_lives_in_the_world_and_ends_the_play(scenario: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script = f"test -e {{config}} && printenv DBUS_SYSTEM_BUS_ADDRESS > {seen}; exit 3"
    result = invoke(scenario, "--run", f"sh -c '{script}'")
    assert result.exit_code == 3
    assert seen.read_text().startswith("unix:path=")
    assert "sh ended with code 3" in result.stderr


def test_a_program_is_told_to_end_when_the_play_is_over(scenario: Path) -> None:
    result = invoke(scenario, "--duration", "100ms", "--run", "sleep 1000")
    assert result.exit_code == 0


def test_a_program_that_does_not_exist_is_named(scenario: Path) -> None:
    result = invoke(scenario, "--run", "no-such-agent")
    assert isinstance(result.exception, SimulatorError)
    assert "no-such-agent" in str(result.exception)


@pytest.mark.parametrize("program", ["sh -c 'exit", " ", "a\0b"])
def test_words_that_are_no_program_are_refused(scenario: Path, program: str) -> None:
    result = invoke(scenario, "--run", program)
    assert isinstance(result.exception, SimulatorError)
    assert "cannot be started: " in str(result.exception)
    assert "{config}" in result.exception.remedy


@pytest.mark.parametrize(
    ("option", "value"),
    [("--duration", "10"), ("--broker", "localhost"), ("--broker", "localhost:mqtt")],
)
def test_an_option_that_makes_no_sense_is_refused(scenario: Path, option: str, value: str) -> None:
    result = invoke(scenario, option, value)
    assert result.exit_code == 2
    assert option in result.stderr


@pytest.fixture
def running(scenario: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulate", str(scenario)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_hand_it_ends_cleanly(
    running: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert running.stdout is not None
    export = running.stdout.readline()
    running.stdout.readline()
    os.kill(running.pid, number)
    _, told = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 0
    assert told.strip() == "stopped"
    assert not Path(export.strip().partition("unix:path=")[2]).exists()
