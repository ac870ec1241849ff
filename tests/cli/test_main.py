"""The command as a whole: what it finds, how it ends, and what it costs."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.cli import main as entry
from gateway.errors import BacklogError
from gateway.exit_codes import ExitCode
from gateway.version import __version__

Command = Callable[..., "subprocess.CompletedProcess[str]"]
EVERY = entry.COMMANDS


def end_of(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        entry.main(words)
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_the_version_is_printed_by_the_real_command(ugw: Command) -> None:
    done = ugw("version")

    assert done.returncode == ExitCode.OK
    assert done.stdout.startswith(f"ugw {__version__} (Python 3.")
    assert done.stderr == ""


def test_the_version_is_there_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("version", "--json") == ExitCode.OK
    assert f'"version": "{__version__}"' in capsys.readouterr().out
    assert end_of("--version") == ExitCode.OK
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_command_imports_nothing_of_the_others() -> None:
    program = (
        "import sys; from gateway.cli.main import application; application(['version']);"
        "print([m for m in ('pydantic', 'rich', 'gateway.config', 'bleak') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_the_agent_starts_without_what_only_people_need(good: Path) -> None:
    program = (
        "import sys; from gateway.cli import run, configuration; from pathlib import Path;"
        f"configuration.load_settings(Path({str(good)!r})); print('rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


@pytest.fixture(autouse=True)
def _settled_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what brings the whole agent and a world with it."""
    monkeypatch.setattr(entry, "COMMANDS", ("run", "check", "config", "version"))


@pytest.mark.parametrize(
    "words", [["chek"], ["check", "--nope"], ["check", "extra"], ["config", "x"]]
)
def test_a_command_line_that_is_not_understood_is_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of(*words) == ExitCode.USAGE

    said = capsys.readouterr()
    assert said.out == ""
    assert "ugw" in said.err


def test_a_mistyped_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    end_of("chek")

    assert "Did you mean 'check'?" in capsys.readouterr().err


def test_help_lists_every_installed_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("--help") == ExitCode.OK

    said = capsys.readouterr().out
    assert all(f" {name} " in said for name in ("run", "check", "config", "version"))


def test_a_command_that_lacks_something_is_left_out_and_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "COMMANDS", ("check", "vanished"))

    assert end_of("--help") == ExitCode.OK
    assert "vanished" not in capsys.readouterr().out
    assert end_of("vanished") == ExitCode.FAILED
    assert "no Python module gateway.cli.vanished" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["check"],
        ["status"],
        *(["sensors", name] for name in ("list", "show")),
        ["radio", "scan"],
        *(["drivers", name] for name in ("list", "show")),
        *(["backlog", name] for name in ("stats", "peek", "export", "purge")),
        *(["backlog", "set-aside", name] for name in ("list", "show", "requeue", "drop")),
        *(["config", name] for name in ("show", "schema", "validate", "diff", "migrate")),
    ],
    ids=" ".join,
)
def test_the_help_of_a_command_shows_examples(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "COMMANDS", EVERY)
    assert end_of(*words, "--help") == ExitCode.OK

    assert f"  ugw {' '.join(words)}" in capsys.readouterr().out


def test_help_fills_a_narrow_terminal_and_leaves_examples_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert end_of("check", "--help") == ExitCode.OK
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    begin = next(n for n, line in enumerate(said) if line.startswith(" Every error"))
    paragraph = said[begin : said.index("", begin)]
    assert len(paragraph) > 2
    for line, following in pairwise(paragraph):
        assert len(f"{line} {following.split()[0]}") > 58, "a line ends where the terminal does"
    assert "   ugw check --strict" in said


def test_help_lists_the_commands_in_their_order(ugw: Command) -> None:
    shown = ugw("--help", NO_COLOR="1", TERM="dumb").stdout
    listed = [line.split()[1] for line in shown.splitlines() if line.startswith("│ ")]
    assert [name for name in listed if name in EVERY] == list(EVERY)


def test_what_a_person_can_mend_is_said_with_its_remedy_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_words: object) -> None:
        cause = "the store is on fire"
        raise BacklogError(cause, "put it out")

    monkeypatch.setattr(entry, "application", fail)
    assert end_of("version") == ExitCode.FAILED
    assert capsys.readouterr().err == "error: the store is on fire\nput it out\n"


def test_ctrl_c_has_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "application", interrupt)
    assert end_of("version") == ExitCode.INTERRUPTED


def test_ctrl_c_within_a_command_has_its_own_code(
    monkeypatch: pytest.MonkeyPatch, good: Path
) -> None:
    def interrupt(_path: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.check.load_settings", interrupt)
    assert end_of("check", "--config", str(good)) == ExitCode.INTERRUPTED
