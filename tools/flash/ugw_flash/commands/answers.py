"""How a command answers: a sentence for a person, or exactly one JSON object for a program.

Whatever becomes of a command inside `answering`, a program that asked with --json finds one
object on standard output that says so, also after Ctrl-C; a person is told by `ugw` itself.
"""

import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

import typer

from gateway.cli.terminal import plain, print_json, show
from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from ugw_flash.disks.choice import Ask
from ugw_flash.progress import Lines, Objects, Watcher

_LOOK_AGAIN_S: Final = 0.5


@contextmanager
def answering(*, as_json: bool) -> Generator[None]:
    """Turn what ends the command early into its one answer, where a program waits for it.

    A UgwError becomes `{"ok": false, "error", "remedy", "exitCode"}` and typer.Exit; for a person
    it is left to `ugw`, which prints it. Ctrl-C goes on as KeyboardInterrupt, after the sentences
    of `leaving` were said.
    """
    try:
        yield
    except UgwError as error:
        if not as_json:
            raise
        _deny(str(error), error.remedy, error.exit_code)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as interruption:
        state = " ".join(getattr(interruption, "__notes__", ["interrupted"]))
        print(f"\n{state}", file=sys.stderr)
        if as_json:
            _deny(state, "", ExitCode.INTERRUPTED)
        raise


@contextmanager
def leaving(state: Callable[[], str]) -> Generator[None]:
    """Have Ctrl-C inside say what state the card or board is in then: one sentence."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        interruption.add_note(state())
        raise


def answer(data: Mapping[str, object], *, as_json: bool, text: str) -> None:
    """Give the one answer of a command that came to its end: the facts, or sentences of them.

    `data` may say `"ok": False` itself, where a part of what was asked for was not done; the
    caller then ends with the exit code for that.
    """
    if as_json:
        print_json({"ok": True, **data})
        return
    for line in text.splitlines():
        show(plain(line))


def asking(*, yes: bool) -> Ask | None:
    """Return who asks a person to type a confirmation; None where --yes was said.

    Raises UgwError where there is no terminal to ask at.
    """
    if yes:
        return None
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        cause = "what is written has to be confirmed, and there is no terminal to ask at"
        raise UgwError(cause, "say --yes")
    return _typed


def talk(*, as_json: bool) -> Watcher:
    """Return whom to tell while somebody may be asked: without bars, which draw over answers."""
    return Objects(sys.stderr) if as_json else Lines(sys.stderr)


def pause() -> None:
    """Wait until it is worth a look whether something was plugged in."""
    time.sleep(_LOOK_AGAIN_S)


def _typed(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _deny(error: str, remedy: str, code: int) -> None:
    print_json({"ok": False, "error": error, "remedy": remedy, "exitCode": int(code)})
