"""The page of the command, from its own --help."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

from typer.core import TyperGroup
from typer.main import get_command

from gateway.cli.main import application
from gateway.exit_codes import ExitCode
from tools.docs.markup import code, explained, table
from tools.docs.markup import page as put_together

SOURCE = "the --help of gateway/cli, and gateway/exit_codes.py"
INTRODUCTION = """\
What programs read goes to standard output, what people read to standard error. What cannot be
undone asks first, on a terminal; without one nothing asks. `NO_COLOR` switches colours off.
`ugw --install-completion` has the shell complete all this (bash, zsh, fish)."""
ON_EXIT = "How a command ends. These numbers do not change."
# All of the environment, so that the page does not depend on whose machine it is.
PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHONUTF8": "1", "TERM": "dumb"}
LIMIT_S = 60.0


def page() -> str:
    """Return the page."""
    return put_together("The command ugw", SOURCE, _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    for words in _commands((), get_command(application(()))):
        yield f"## {' '.join(('ugw', *words))}"
        yield code(_help(words))
    yield "## Exit codes"
    yield ON_EXIT
    docstrings = dict(_docstrings(inspect.getsource(ExitCode)))
    rows = explained([code.name for code in ExitCode], docstrings, "gateway/exit_codes.py")
    numbered = zip(ExitCode, rows, strict=True)
    yield table(("code", "meaning"), [(f"`{code:d}`", words) for code, (_, words) in numbered])


def _commands(words: tuple[str, ...], command: object) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of all below it."""
    yield words
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _commands((*words, name), below)


def _help(words: tuple[str, ...]) -> str:
    """Return what the command says of itself, as a user sees it."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "gateway", *words, "--help"],
        env=PLAIN,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")


def _docstrings(source: str) -> Iterator[tuple[str, str]]:
    """Yield (name, what stands below it): the docstring of an attribute is in the source only."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    for assignment, below in pairwise(nodes):
        match assignment, below:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(meaning))),
            ):
                yield name, meaning
            case _:
                pass
