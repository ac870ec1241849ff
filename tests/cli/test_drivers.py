"""`ugw drivers`: what is installed, where it is from, and why something is not used."""

import json
from pathlib import Path

import pytest

from gateway.cli.exit_codes import ExitCode
from gateway.registry import Registry, discover
from tests.cli.calling import end_of
from tests.cli.conftest import Command


@pytest.fixture
def with_users_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install one driver of a user's, and one that is broken."""
    (tmp_path / "mine.py").write_text(
        '"""Mine: nothing much."""\n'
        'API, MODEL, MATCH, STRENGTH = 1, "mine", {"manufacturer_id": 0x4711}, 1\n'
        "def decode(payload, context): return []\n"
    )
    (tmp_path / "broken.py").write_text('"""Broken."""\nAPI = 9\n')

    def both() -> Registry:
        return discover(tmp_path)

    monkeypatch.setattr("gateway.cli.configuration.discover", both)
    return tmp_path


def test_the_drivers_are_listed(ugw: Command) -> None:
    done = ugw("drivers", "list")

    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["model", "medium", "strength", "from", "recognised", "by"]
    assert ["bthome-v2", "ble", "1", "ugw", "service", "data", "of", "0xFCD2"] in rows
    assert [row[1] for row in rows if row[0] == "reyax-rylr998"] == ["modem"]


def test_one_that_is_not_used_is_told_with_place_and_reason(
    with_users_drivers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("drivers", "list") == ExitCode.OK
    said = capsys.readouterr()
    assert "driver broken is not used" in said.err
    assert f"{with_users_drivers}/broken.py:2: API: 9" in said.err
    (mine,) = [line.split() for line in said.out.splitlines() if line.startswith("mine ")]
    assert mine[3:5] == ["a", "package"]
    assert end_of("drivers", "list", "--json") == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert [each["line"] for each in report["quarantined"]] == [2]
    assert "mine" in {each["model"] for each in report["drivers"]}


def test_one_driver_is_shown_with_what_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("drivers", "show", "ruuvi-rawv2") == ExitCode.OK
    shown = capsys.readouterr().out
    assert "05 TTTT HHHH PPPP" in shown  # the layout, from its docstring
    assert "company 0x0499, beginning with 05" in shown
    assert "battery_voltage" in shown
    assert end_of("drivers", "show", "ruuvi-rawv2", "--json") == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["properties"] == sorted(report["properties"])
    assert report["examples"][0]["payload"]


def test_a_users_driver_without_examples_is_shown_too(
    with_users_drivers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("drivers", "show", "mine") == ExitCode.OK
    shown = capsys.readouterr().out
    assert str(with_users_drivers / "mine.py") in shown
    assert "0 captured" in shown


def test_a_mistyped_model_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("drivers", "show", "reyax-rylr99") == ExitCode.FAILED
    assert "did you mean 'reyax-rylr998'?" in capsys.readouterr().err
