"""A shell completes commands that are loaded only when they are called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASH = """\
eval "$(ugw --show-completion)"
complete -p ugw > /dev/null || exit 9
typed() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    "$(complete -p ugw | sed 's/.*-F \\([^ ]*\\).*/\\1/')" ugw
    echo "${COMPREPLY[*]}"
}
"""


@pytest.fixture(scope="module")
def path() -> str:
    """Return a PATH that begins with the folder of the command under test."""
    folder = Path(sys.executable).parent
    if not (folder / "ugw").exists():
        pytest.skip("the command ugw is not installed beside this Python")
    return f"{folder}:{os.environ['PATH']}"


def completed(path: str, *lines: str) -> list[str]:
    """Return what bash offers for each line."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    tried = "".join(f"typed {line}\n" for line in lines)
    done = subprocess.run(
        [bash, "--norc", "-c", BASH + tried],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_bash_completes_commands_their_commands_options_and_arguments(path: str) -> None:
    first, below, option, model, nothing = completed(
        path, "ugw ch", "ugw config di", "ugw check --st", "ugw drivers show cay", "ugw vers x"
    )
    assert first == "check"
    assert below == "diff"
    assert option == "--strict"
    assert model == "cayenne-lpp"
    assert nothing == ""


def test_zsh_is_given_words_and_what_they_mean(path: str) -> None:
    environ = {"_UGW_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "ugw drivers "}
    done = subprocess.run(
        ["ugw"],
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"list":"List the drivers' in done.stdout
    script = subprocess.run(
        ["ugw", "--show-completion", "zsh"],
        # Or it would be the script for the shell that runs this test.
        env={**os.environ, "PATH": path, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert script.stdout.startswith("#compdef ugw\n")


def test_completing_one_command_does_not_load_the_others(path: str) -> None:
    program = (
        "import sys\nfrom gateway.cli.main import main\n"
        "try:\n    main([])\nexcept SystemExit: pass\n"
        "print([m for m in ('gateway.cli.demo', 'bleak', 'gateway.app') if m in sys.modules])"
    )
    environ = {"_UGW_COMPLETE": "complete_bash", "COMP_WORDS": "ugw config ", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["show", "schema", "validate", "diff", "migrate", "[]"]
