"""A scenario's hardware for an agent that somebody runs beside it, or that is started in it."""

from pathlib import Path

import msgspec
import typer

from gateway.cli import guest
from gateway.errors import SimulatorError
from gateway.sim.agent_config import AgentOptions
from gateway.sim.play import Play
from gateway.sim.scenario import Scenario


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line adds to the scenario."""

    broker: tuple[str, int]
    directory: Path | None
    duration_s: float | None
    program: str


async def until_stopped(scenario: Scenario, wish: Wish) -> int:
    """Play until the end, SIGINT or SIGTERM, all of which are orderly ends; the exit code."""
    return await guest.until_stopped(_play(scenario, wish))


async def _play(scenario: Scenario, wish: Wish) -> int:
    host, port = wish.broker
    async with scenario.world() as world:
        directory = wish.directory or world.directory / "agent"
        agent = AgentOptions(mqtt_host=host, mqtt_port=port)
        try:
            config = world.agent_config(directory.absolute(), agent)
        except OSError as error:
            cause = f"the agent's configuration cannot be written: {error}"
            raise SimulatorError(cause, "name another folder with --write") from None
        environment = world.environment()
        guest.explain(environment, config)
        play = Play(scenario, world, _tell).run(wish.duration_s)
        if wish.program:
            return await guest.play_for(wish.program, config, environment, play, _tell)
        await play
        return 0


def _tell(event: str) -> None:
    typer.echo(event, err=True)
