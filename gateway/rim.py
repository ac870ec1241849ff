"""The world as delivery meets it: everything with a clock, a disk, a socket or chance in it."""

from collections.abc import Callable, Mapping

import msgspec

from gateway.backlog.contract import Backlog
from gateway.clock import Clock
from gateway.core.backoff import FIRST_S, MOST_S, delay_s
from gateway.model import Uplink


class Rim(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed in: `chance` uniform in 0..1, `counters` the replay counters to keep."""

    clock: Clock
    backlog: Backlog
    uplink: Uplink
    chance: Callable[[], float]
    counters: Callable[[], Mapping[str, int]]

    def backoff_s(self, failures: int) -> float:
        """Return how long to leave a refused lane or a failing store alone, with full jitter."""
        chance = self.chance()
        return delay_s(failures, chance, first_s=FIRST_S, most_s=MOST_S)
