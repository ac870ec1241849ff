"""What goes wrong with a chip or its cable, and when: each fault as often as it says.

`Faults` says what is to happen, `Trouble` keeps count of what has.
"""

from collections.abc import Mapping

import msgspec


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing goes wrong unless it stands here. A block is one of data for the flash."""

    worn: frozenset[int] = frozenset()  # addresses of cells that keep a bit
    lost_replies: Mapping[int, int] = {}  # command -> how many of its replies get lost
    silent_after_blocks: int | None = None  # the line to the host breaks
    unplugged_after_blocks: int | None = None  # port and power go
    mute: bool = False  # the line to the host is broken from the beginning
    boot_unwired: bool = False  # DTR does not reach the pin: every reset starts the application
    block_s: float = 0.0  # how long each block takes


class Trouble:
    """The faults of one chip as they happen."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.blocks = 0  # that were taken, since the chip was made
        self._lost = dict(faults.lost_replies)

    @property
    def is_mute(self) -> bool:
        """Whether nothing it says arrives."""
        limit = self.faults.silent_after_blocks
        return self.faults.mute or (limit is not None and self.blocks >= limit)

    @property
    def is_unplugged(self) -> bool:
        """Whether the cable is out by now."""
        limit = self.faults.unplugged_after_blocks
        return limit is not None and self.blocks >= limit

    def loses(self, command: int) -> bool:
        """Whether this reply gets lost; counts it."""
        left = self._lost.get(command, 0)
        self._lost[command] = max(0, left - 1)
        return left > 0
