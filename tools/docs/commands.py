"""The page of the command, from its own --help."""

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
ASK_ALL = """
import io, json, sys
from contextlib import redirect_stdout, suppress
from gateway.cli.main import main

helps = []
for words in json.load(sys.stdin):
    helps.append(io.StringIO())
    with redirect_stdout(helps[-1]), suppress(SystemExit):
        main([*words, "--help"])
print(json.dumps([each.getvalue() for each in helps]))
"""


def page() -> str:
    """Return the page."""
    return put_together("The command ugw", SOURCE, _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    commands = list(_commands((), get_command(application(()))))
    for words, said in zip(commands, _helps(commands), strict=True):
        yield f"## {' '.join(('ugw', *words))}"
        yield code(said)
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


def _helps(all_words: Sequence[tuple[str, ...]]) -> list[str]:
    """Return what each command says of itself, as a user sees it.

    One process says all: with one for each, most of half a minute went into starting them.
    """
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", ASK_ALL],
        env=PLAIN,
        input=json.dumps(all_words),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=LIMIT_S,
        check=True,
    )
    said: list[str] = json.loads(done.stdout)
    return ["\n".join(line.rstrip() for line in one.splitlines()).strip("\n") for one in said]


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
