"""`ugw simulate FILE`: a scenario's hardware, for an agent that runs beside it."""

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.cli.broker_address import host_and_port
from gateway.config import duration_ns
from gateway.errors import SimulatorError
from gateway.sim import lifeline
from gateway.sim.agent_config import AgentOptions
from gateway.sim.play import Play
from gateway.sim.scenario import Scenario, load_scenario
from gateway.sim.world import World

_AGENT_END_S = 5.0  # two for its last messages (docs/explanation/delivery.md), some for the disk
_NS_PER_S = 1e9


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line adds to the scenario."""

    broker: tuple[str, int]
    directory: Path | None
    duration_s: float | None
    program: str


def simulate(  # noqa: PLR0913 - a command has the options it has
    file: Annotated[Path, typer.Argument(help="The scenario, a YAML file.")],
    *,
    seed: Annotated[int | None, typer.Option(help="Instead of the scenario's.")] = None,
    duration: Annotated[str, typer.Option(help="Instead of the scenario's, e.g. 90s.")] = "",
    broker: Annotated[
        str, typer.Option(help="Where the agent is to send, HOST:PORT.")
    ] = "127.0.0.1:1883",
    write: Annotated[
        Path | None,
        typer.Option(help="Where to put the agent's configuration; else it goes at the end."),
    ] = None,
    run: Annotated[
        str,
        typer.Option(
            help="A program to run in this world; {config} is replaced by the configuration."
            " The simulation ends with it."
        ),
    ] = "",
) -> None:
    """Play a scenario: simulated Bluetooth, modems and sensors for an agent beside it.

    What the agent needs goes to stdout, what happens to stderr. Ctrl-C ends it.
    """
    scenario = load_scenario(file)
    if seed is not None:
        scenario = scenario.model_copy(update={"seed": seed})
    wish = _Wish(
        broker=host_and_port(broker),
        directory=write,
        duration_s=_seconds(duration),
        program=run,
    )
    raise typer.Exit(asyncio.run(_until_stopped(scenario, wish)))


def _seconds(duration: str) -> float | None:
    if not duration:
        return None
    try:
        return duration_ns(duration) / _NS_PER_S
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from None


async def _until_stopped(scenario: Scenario, wish: _Wish) -> int:
    """Play until the end, SIGINT or SIGTERM, all of which are orderly ends."""
    playing = asyncio.create_task(_play(scenario, wish), name="simulate.play")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        typer.echo("stopped", err=True)
        return 0


async def _play(scenario: Scenario, wish: _Wish) -> int:
    host, port = wish.broker
    async with scenario.world() as world:
        directory = wish.directory or world.directory / "agent"
        agent = AgentOptions(mqtt_host=host, mqtt_port=port)
        try:
            config = world.agent_config(directory.absolute(), agent)
        except OSError as error:
            cause = f"the agent's configuration cannot be written: {error}"
            raise SimulatorError(cause, "name another folder with --write") from None
        _explain(world, config)
        play = Play(scenario, world, _tell)
        if not wish.program:
            await play.run(wish.duration_s)
            return 0
        return await _play_for(play, wish, config, world.environment())


async def _play_for(play: Play, wish: _Wish, config: Path, environment: dict[str, str]) -> int:
    """Play while a program runs in the world; return the program's exit code."""
    words = [word.replace("{config}", str(config)) for word in shlex.split(wish.program)]
    program = await _start(words, environment)
    try:
        playing = asyncio.create_task(play.run(wish.duration_s), name="simulate.scenario")
        watching = asyncio.create_task(_stop_when_ended(program, playing), name="simulate.watch")
        try:
            await playing
        except asyncio.CancelledError:
            if program.returncode is None:
                raise
            _tell(f"{words[0]} ended with code {program.returncode}")
        finally:
            watching.cancel()
    finally:
        code = await lifeline.end(program, limit_s=_AGENT_END_S)
    return 0 if code == -signal.SIGTERM else code


async def _stop_when_ended(program: Process, playing: asyncio.Task[None]) -> None:
    await program.wait()
    playing.cancel()


async def _start(words: list[str], environment: dict[str, str]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, **environment},
            preexec_fn=lifeline.die_with_parent,
        )
    except (IndexError, OSError) as error:
        cause = f"the program of --run cannot be started: {error}"
        raise SimulatorError(cause) from None


def _explain(world: World, config: Path) -> None:
    """Print what an agent beside it needs, ready to be pasted into a shell."""
    for name, value in world.environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    typer.echo(f"ugw run --config {shlex.quote(str(config))}")


def _tell(event: str) -> None:
    typer.echo(event, err=True)
