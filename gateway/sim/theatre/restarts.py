"""The service manager of a play: an agent that ended by itself is started again, as systemd does.

The delays are those of config/ugw.service. An agent that a fault holds down is left alone.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.errors import SimulatorError
from gateway.sim.bench import Bench

_FIRST_DELAY_S: Final = 5.0  # RestartSec
_LONGEST_DELAY_S: Final = 60.0  # RestartMaxDelaySec
_LOOKS: Final = 50_000  # at most so many per play

Tell = Callable[[str, str], None]


class Manager:
    """Keeps agents running. `held` counts, by gateway, the faults that keep one down."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.held: Counter[str] = Counter()

    async def keep(self, bench: Bench, duration_s: float) -> None:
        """Start an agent again whenever it has ended by itself, until cancelled."""
        look_s = max(_FIRST_DELAY_S, min(duration_s / _LOOKS, _LONGEST_DELAY_S))
        delay_s, name = look_s, bench.options.gateway
        while True:
            await asyncio.sleep(delay_s)
            if bench.gateway.running or self.held[name]:
                delay_s = look_s
                continue
            if delay_s == look_s:
                self._tell(f"the agent has ended with code {bench.gateway.code}", name)
            delay_s = min(2 * delay_s, max(look_s, _LONGEST_DELAY_S))
            with suppress(SimulatorError):
                await bench.gateway.start()
                self._tell("the agent was started again", name)
