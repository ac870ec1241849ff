"""A world taken for a bench, for faults of the hardware beside an agent that others run.

It has radios and a ledger. There is no agent, broker, clock or disk of the simulator's own: a
fault that needs one is refused.
"""

from typing import Any, Final, NoReturn, cast

from gateway.errors import SimulatorError
from gateway.sim.bench import Bench, BenchOptions, Level
from gateway.sim.verbs import Verb
from gateway.sim.verbs.radios import OnAdapter, OnDevice, OnModem
from gateway.sim.world import World

_ABSENT: Final = {
    "broker": "broker",
    "way": "way to the broker",
    "clock": "clock",
    "disk": "disk",
    "gateway": "agent",
}


class _Bare:
    """The faces of a bench that a world has."""

    level: Level = "process"

    def __init__(self, world: World) -> None:
        self.air = world
        self.options = BenchOptions(
            seed=world.seed,
            adapters=world.adapters,
            modems={name: modem.kind for name, modem in world.modems.items()},
            command=("somebody's",),  # the agent: whatever it is, it is not ours
        )

    def __getattr__(self, name: str) -> NoReturn:
        cause = f"there is no {_ABSENT.get(name, name)} of the simulator's own beside an agent"
        raise SimulatorError(cause, "play the scenario with --level inside or --level process")


def bare(world: World) -> Bench:
    """Return a bench that is the world alone."""
    made: Any = _Bare(world)
    return cast("Bench", made)


def is_of_hardware(verb: Verb) -> bool:
    """Whether a fault needs no more than a world."""
    return issubclass(verb.Arguments, (OnAdapter, OnModem, OnDevice))
