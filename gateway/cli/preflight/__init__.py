"""What the agent will need, tried before it starts: each thing with cause and remedy."""

from gateway.cli.preflight.rounds import Probe, examine, probes
from gateway.cli.preflight.verdict import State, Verdict

__all__ = ["Probe", "State", "Verdict", "examine", "probes"]
