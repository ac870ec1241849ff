"""The theatre: scenarios performed on either level, judged, told, and made smaller."""

from gateway.sim.theatre.outcome import (
    Event,
    Look,
    Outcome,
    SensorLook,
    around,
    event_line,
    replay_command,
)
from gateway.sim.theatre.performance import Options, perform
from gateway.sim.theatre.reduction import reduce
from gateway.sim.theatre.stage import Stage

__all__ = [
    "Event",
    "Look",
    "Options",
    "Outcome",
    "SensorLook",
    "Stage",
    "around",
    "event_line",
    "perform",
    "reduce",
    "replay_command",
]
