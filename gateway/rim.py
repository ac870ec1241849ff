"""The world as delivery meets it: everything with a clock, a disk, a socket or chance in it."""

from collections.abc import Callable, Mapping

import msgspec

from gateway.clock import Clock
from gateway.model import Backlog, Uplink


class Rim(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed in: `chance` uniform in 0..1, `counters` the replay counters to keep."""

    clock: Clock
    backlog: Backlog
    uplink: Uplink
    chance: Callable[[], float]
    counters: Callable[[], Mapping[str, int]]
