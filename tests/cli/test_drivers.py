"""`ugw drivers`: what is installed, where it is from, and why something is not used."""

import json
from pathlib import Path

import pytest

from gateway.cli.driver_facts import properties
from gateway.conformance.examples import of_codec
from gateway.exit_codes import ExitCode
from gateway.registry import discover
from tests.cli.calling import end_of
from tests.cli.conftest import Command

REGISTRY = discover()
FILES = list((Path(__file__).parents[2] / "drivers").glob("*/*.py"))


@pytest.fixture
def with_users_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install one driver of a user's, and one that is broken."""
    (tmp_path / "mine.py").write_text(
        '"""Mine: nothing much."""\n'
        'API, MODEL, MATCH, STRENGTH = 1, "mine", {"manufacturer_id": 0x4711}, 1\n'
        "def decode(payload, context): return []\n"
    )
    (tmp_path / "broken.py").write_text('"""Broken."""\nAPI = 9\n')

    monkeypatch.setenv("UGW_DRIVERS", str(tmp_path))
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
    assert mine[3] == "others"
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


# ---------------------------------------------------------------------------------- new, and test
def test_a_new_driver_passes_its_test_at_once(tmp_path: Path, ugw: Command) -> None:
    made = ugw("drivers", "new", "acme-x1", "--directory", str(tmp_path))
    assert (made.returncode, made.stderr) == (ExitCode.OK, "")
    assert {path.name for path in tmp_path.iterdir()} == {"acme_x1.py", "acme_x1.json"}
    command = made.stdout.splitlines()[-1].removeprefix("Next: ugw ").split()

    done = ugw(*command)
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert "✓ examples" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("all good")


def test_nothing_is_overwritten_by_a_new_driver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("drivers", "new", "acme-x1", "--directory", str(tmp_path))
    assert end_of(*words) == ExitCode.OK
    (tmp_path / "acme_x1.py").write_text("mine")
    assert end_of(*words, "--kind", "lora") == ExitCode.FAILED
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "acme_x1.py").read_text() == "mine"
    assert end_of("drivers", "new", "Acme X1") == ExitCode.USAGE


def test_what_is_wrong_with_a_driver_is_shown_with_the_frame_and_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("drivers", "new", "acme-x1", "--directory", str(tmp_path)) == ExitCode.OK
    file = tmp_path / "acme_x1.py"
    file.write_text(file.read_text().replace("if len(payload) != 6:", "if len(payload) > 6:"))
    capsys.readouterr()

    assert end_of("drivers", "test", str(file)) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert "✗ refusals" in shown
    assert "too short [0108566d0b] got truncated, expected bad_length" in shown
    assert f"raised IndexError('index out of range') at {file}:" in shown
    assert end_of("drivers", "test", str(file), "--json") == ExitCode.FAILED
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert {"refusals", "damage"} <= {finding["check"] for finding in report["findings"]}
    assert {check["state"] for check in report["checks"]} == {"ok", "failed", "left out"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("API = 9\n", "broken.py:1: API: 9, but this version knows 1"),
        ("API = 1\nMODEL = 'Broken'\n", "broken.py:2: MODEL: 'Broken'"),
        ("import nowhere\n", "broken.py:1: ModuleNotFoundError"),
        ("API = 1\ndef x(:\n", "broken.py:2: SyntaxError"),
        ("raise SystemExit\n", "broken.py:1: SystemExit"),
        ("\0", "broken.py:1: SyntaxError"),
    ],
)
def test_a_driver_that_cannot_be_used_is_told_with_its_place(
    text: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    assert end_of("drivers", "test", str(file)) == ExitCode.FAILED
    assert said in capsys.readouterr().out
    monkeypatch.setenv("UGW_DRIVERS", str(tmp_path))
    for words in (("drivers", "list"), ("decode", "--example", "bthome-v2")):
        assert end_of(*words) == ExitCode.OK
        assert said in capsys.readouterr().err


def test_drivers_are_tested_by_their_model_and_by_the_file_of_an_installed_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (file,) = [driver for driver in FILES if driver.name == "ruuvi_rawv2.py"]
    assert end_of("drivers", "test", "bthome-v2", str(file)) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "2 drivers" in shown
    assert "ruuvi-rawv2" in shown
    assert end_of("drivers", "test", "bthome-v3") == ExitCode.FAILED
    assert end_of("drivers", "test", "nowhere.py") == ExitCode.FAILED
    assert end_of("drivers", "test") == ExitCode.USAGE


def test_a_driver_of_the_users_is_used_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert end_of("drivers", "new", "acme-x1", "--directory", str(tmp_path)) == ExitCode.OK
    monkeypatch.setenv("UGW_DRIVERS", str(tmp_path))
    capsys.readouterr()
    assert end_of("decode", "--manufacturer", "0xffff", "0108566d0bb8") == ExitCode.OK
    assert "21.34 °C" in capsys.readouterr().out
    assert end_of("drivers", "test", "acme-x1") == ExitCode.OK


@pytest.mark.parametrize("model", REGISTRY.models())
def test_all_that_a_driver_reports_in_its_examples_is_told(model: str) -> None:
    driver = REGISTRY.by_model(model)
    reported = {reading[0] for each in of_codec(driver).examples for reading in each.readings}
    assert reported <= set(properties(driver.file))


def test_drivers_are_found_by_the_device_one_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("drivers", "list", "ruuvitag") == ExitCode.OK
    shown = capsys.readouterr().out
    assert "ruuvi-rawv2" in shown
    assert "cayenne" not in shown
    assert end_of("drivers", "list", "nosuch") == ExitCode.OK
    assert "no driver is for 'nosuch'" in capsys.readouterr().err
    assert end_of("drivers", "show", "ruuvi-rawv2") == ExitCode.OK
    assert "Ruuvi RuuviTag Pro" in capsys.readouterr().out


def test_a_driver_that_takes_the_place_of_one_of_ours_is_told(
    with_users_drivers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = with_users_drivers / "mine.py"
    text = mine.read_text(encoding="utf-8")
    mine.write_text(text.replace('"mine"', '"ruuvi-rawv2"'), encoding="utf-8")
    assert end_of("drivers", "list") == ExitCode.OK
    said = " ".join(capsys.readouterr().err.split())
    assert f"driver ruuvi-rawv2 of {mine} replaces" in said
