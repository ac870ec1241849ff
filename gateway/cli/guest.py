"""A program that lives in a simulated world for as long as something is played to it there.

It ends with the play, and the play with it; neither leaves the other behind.
"""

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import typer

from gateway.errors import SimulatorError
from gateway.sim import lifeline

_END_S: Final = 5.0  # two for its last messages (docs/explanation/delivery.md), some for the disk

Tell = Callable[[str], None]


async def until_stopped(play: Coroutine[Any, Any, int]) -> int:
    """Play until the end, SIGINT or SIGTERM, all of which are orderly ends; the exit code."""
    playing = asyncio.create_task(play, name="play")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        typer.echo("stopped", err=True)
        return 0


async def play_for(
    program: str,
    config: Path,
    environment: Mapping[str, str],
    play: Coroutine[Any, Any, None],
    tell: Tell,
) -> int:
    """Play while a program runs; return its exit code, 0 where it was asked to end.

    `{config}` in it is replaced. Raises SimulatorError when it cannot be started.
    """
    try:
        words = [word.replace("{config}", str(config)) for word in words_of(program)]
        guest = await _start(words, environment)
    except SimulatorError:
        play.close()
        raise
    try:
        playing = asyncio.create_task(play, name="play for guest")
        watching = asyncio.create_task(_stop_when_ended(guest, playing), name="watch guest")
        try:
            await playing
        except asyncio.CancelledError:
            if guest.returncode is None:
                raise
            tell(f"{words[0]} ended with code {guest.returncode}")
        finally:
            playing.cancel()
            watching.cancel()
    finally:
        code = await lifeline.end(guest, limit_s=_END_S)
    return 0 if code == -signal.SIGTERM else code


def words_of(program: str) -> list[str]:
    """Return the words of a program as a shell would. Raises SimulatorError."""
    try:
        words = shlex.split(program)
    except ValueError as error:  # a quotation that is not closed
        raise _not_started(error) from None
    if not words:
        why = "it is empty"
        raise _not_started(why)
    return words


def _not_started(why: object) -> SimulatorError:
    cause = f"the program of --run cannot be started: {why}"
    return SimulatorError(cause, "say it as in a shell: --run 'ugw run --config {config}'")


async def _stop_when_ended(guest: Process, playing: asyncio.Task[None]) -> None:
    await guest.wait()
    playing.cancel()


async def _start(words: list[str], environment: Mapping[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **environment},
            preexec_fn=lifeline.die_with_parent,
        )
    except (OSError, ValueError) as error:  # a NUL in it
        raise _not_started(error) from None


def explain(environment: Mapping[str, str], config: Path) -> None:
    """Print what an agent beside it needs, ready to be pasted into a shell."""
    for name, value in environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(f"ugw run --config {shlex.quote(str(config))}")
