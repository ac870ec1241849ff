"""`ugw simulate` judges what expects something, says how it went, and lists what there is."""

import json
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from gateway.cli.simulate import app
from gateway.cli.simulate.page import Page, clock
from gateway.cli.simulate.play import Given
from gateway.errors import SimulatorError
from gateway.exit_codes import ExitCode
from gateway.sim.expectations import EXPECTATIONS
from gateway.sim.models import MODELS
from gateway.sim.scenario import load_scenario, shipped
from gateway.sim.theatre import Event, Look, SensorLook
from gateway.sim.verbs import VERBS

SENSORS = '{model: bthome-v2, address: "C0:FF:EE:00:00:01", count: 2, every: 10s}'
GOOD = f"""
name: a broker that was away
duration: 10min
sensors: [{SENSORS}]
faults: [{{at: 1min, do: broker.down, for: 2min}}]
expect: [{{that: every_accepted_observation_delivered}}, {{that: laws_hold}}]
"""
BAD = GOOD.replace("{that: laws_hold}", "{that: log_contains, text: nobody says this}")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def written(folder: Path, text: str, name: str = "scenario.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_scenario_that_came_true_ends_with_0_and_says_so(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, GOOD))
    assert result.exit_code == 0, result.output
    assert "ok    every_accepted_observation_delivered" in result.stdout
    assert "broker.down is over" in result.stderr


def test_one_that_did_not_ends_with_1_and_the_command_that_shows_it_again(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    result = invoke(path, "--seed", 7)
    assert result.exit_code == 1
    assert "FAIL  log_contains" in result.stdout
    (again,) = re.findall(r"ugw simulate (.*)", result.stdout)
    assert str(path) in again
    assert "--seed 7" in again
    replayed = invoke(*again.split())
    assert replayed.exit_code == 1
    assert "FAIL  log_contains" in replayed.stdout


def test_what_shows_it_again_has_the_length_that_was_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    result = invoke(path, "--duration", "90s")
    (again,) = re.findall(r"ugw simulate (.*)", result.stdout)
    assert again.endswith("--duration 90s")
    assert invoke(*again.split()).stderr == result.stderr


def test_as_json_it_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, BAD), "--json", "--seed", 7)
    told = json.loads(result.stdout)
    assert result.stderr == ""
    assert (told["ok"], told["seed"], told["level"]) == (False, 7, "inside")
    assert told["sent"] == told["delivered"] > 100
    verdicts = {verdict["name"]: verdict["ok"] for verdict in told["verdicts"]}
    assert verdicts == {"every_accepted_observation_delivered": True, "log_contains": False}


def test_the_timeline_is_written_a_line_for_each_event(tmp_path: Path) -> None:
    timeline = tmp_path / "timeline.jsonl"
    assert invoke(written(tmp_path, GOOD), "--timeline", timeline).exit_code == 0
    events = [json.loads(line) for line in timeline.read_text().splitlines()]
    assert [each["at_s"] for each in events] == sorted(each["at_s"] for each in events)
    (down,) = [each for each in events if each["what"] == "broker.down"]
    assert down["at_s"] == pytest.approx(60)


def test_without_room_for_the_timeline_it_is_played_and_judged_all_the_same(
    tmp_path: Path,
) -> None:
    result = invoke(written(tmp_path, GOOD), "--timeline", "/dev/full")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("/dev/full cannot be written") == 1
    assert "ok    every_accepted_observation_delivered" in result.stdout


def test_words_that_are_no_program_are_refused_where_it_is_judged_too(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, GOOD), "--run", "ugw 'run")
    assert isinstance(result.exception, SimulatorError)
    assert "No closing quotation" in str(result.exception)


def test_a_reduced_scenario_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    result = invoke(written(tmp_path, BAD), "--reduced", tmp_path / "none" / "small.yaml")
    assert isinstance(result.exception, SimulatorError)
    assert "small.yaml cannot be written" in str(result.exception)


def test_what_fails_is_reduced_to_what_it_takes_to_fail(tmp_path: Path) -> None:
    smallest = tmp_path / "smallest.yaml"
    result = invoke(written(tmp_path, BAD), "--reduced", smallest)
    assert result.exit_code == 1
    left = load_scenario(smallest)
    assert not left.breaks
    assert sum(sensor.count for sensor in left.sensors) <= 1
    assert invoke(smallest).exit_code == 1


def test_a_file_named_like_a_command_is_played_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, GOOD, name="list")
    assert "ok    laws_hold" in invoke("./list").stdout


def test_options_may_stand_before_the_file(tmp_path: Path) -> None:
    assert invoke("--json", written(tmp_path, GOOD)).exit_code == 0


def test_a_name_that_is_no_file_and_not_shipped_is_refused_with_a_remedy() -> None:
    result = invoke("distrikt")
    assert isinstance(result.exception, SimulatorError)
    assert "distrikt" in str(result.exception)
    assert "list scenarios" in result.exception.remedy
    assert result.exception.exit_code == ExitCode.CONFIGURATION


@pytest.mark.parametrize(
    "option", [("--broker", "127.0.0.1:1"), ("--write", "elsewhere"), ("--duration", "0s")]
)
def test_what_a_judged_scenario_cannot_use_is_refused(
    tmp_path: Path, option: Sequence[str]
) -> None:
    result = invoke(written(tmp_path, GOOD), *option)
    assert result.exit_code == 2
    assert option[0] in result.stderr


def test_a_termination_ends_it_in_order_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perform(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it went on")

    monkeypatch.setattr(sys.modules[Given.__module__], "perform", perform)
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        result = invoke(written(tmp_path, GOOD))
        assert result.exit_code == 130, result.output
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


# ------------------------------------------------------------------------------------------- lists
@pytest.mark.parametrize(
    ("kind", "key", "names"),
    [
        ("models", "model", MODELS),
        ("faults", "fault", VERBS),
        ("expectations", "expectation", EXPECTATIONS),
        ("scenarios", "scenario", shipped()),
    ],
)
def test_all_there_is_is_listed_with_a_sentence(kind: str, key: str, names: Any) -> None:  # noqa: ANN401 - any mapping
    rows = json.loads(invoke("list", kind, "--json").stdout)
    assert {row[key] for row in rows} == set(names)
    assert all(row["what"] for row in rows)
    shown = invoke("list", kind).stdout
    assert all(name in shown for name in names)


def test_what_a_fault_takes_is_named_as_it_is_written() -> None:
    rows = {row["fault"]: row for row in json.loads(invoke("list", "faults", "--json").stdout)}
    assert rows["broker.slow"]["takes"] == ["by"]


def test_the_computer_is_examined() -> None:
    checks = json.loads(invoke("doctor", "--json").stdout)
    assert {check["name"] for check in checks} >= {"dbus-daemon", "serial ports", "mosquitto"}
    assert "dbus-daemon" in invoke("doctor").stdout


# -------------------------------------------------------------------------------------------- page
def a_look(gateway: str) -> Look:
    return Look(
        at_s=90_061.5,
        gateway=gateway,
        running=False,
        sent=10,
        delivered=7,
        missing=3,
        backlog=2,
        state="offline",
        store_state="memory-only",
        laws_hold=True,
        latency_p50_s=0.012,
        latency_p99_s=7200,
        sensors=tuple(SensorLook(f"sensor {n}", 2, 1) for n in range(20)),
    )


def test_the_page_shows_where_it_stands_and_what_happens() -> None:
    page = Page("a storm")
    page.looks["gw-1"] = a_look("gw-1")
    page.events.append(Event(at_s=61.0, what="broker.down", gateway="gw-1"))
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(page.render(height=60))
    text = captured.get()
    for words in (
        "a storm   1d 01:01:01.5",
        "does not run",
        "memory-only",
        "delivered 7, missing 3",
        "half within 12 ms, 99 % within 2 h",
        "5 more",
        "00:01:01.0  broker.down",
    ):
        assert words in text


def test_news_are_shown_however_small_the_terminal_is() -> None:
    page = Page("a storm")
    for name in ("market", "harbour"):
        page.looks[name] = a_look(name)
    page.events += [Event(at_s=n, what=f"event {n}", gateway="market") for n in range(12)]
    console = Console(width=80, height=24)
    with console.capture() as captured:
        console.print(page.render(height=24))
    shown = captured.get().splitlines()[:24]
    assert "00:00:11.0  market  event 11" in shown
    assert sum(line.startswith("agent") for line in shown) == len(page.looks)


def test_a_time_is_read_as_people_say_it() -> None:
    assert clock(-0.1) == "00:00:00.0"
    assert clock(0.04) == "00:00:00.0"
    assert clock(3_599.96) == "01:00:00.0"
    assert clock(86_400) == "1d 00:00:00.0"
