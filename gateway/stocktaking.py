"""What is told of the store: its oldest bundle, its lowest numbers, its loss ranges.

It is read after each change, for status and for the platform alone. While it cannot be read, what
is known stands, and it is tried again with back-off: keeping goes on meanwhile.
"""

import logging
from collections.abc import Callable
from typing import Final

from gateway.errors import BacklogError
from gateway.losses import Losses
from gateway.model import Bundle
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000


class Stocktaking:
    """What the store held when it was looked into last; `on_read` is called after each answer."""

    def __init__(self, rim: Rim, losses: Losses, *, on_read: Callable[[], None]) -> None:
        self._backlog = rim.backlog
        self._clock = rim.clock
        self._backoff_s = rim.backoff_s
        self._losses = losses
        self._on_read = on_read
        self._floors: dict[str, int] = {}
        self._losses_changed = False
        self._failures = 0
        self._oldest: Bundle | None = None
        self.due_ns: int | None = 0  # at the start, and again after a failure

    @property
    def oldest(self) -> Bundle | None:
        """The oldest bundle in the backlog, for its age."""
        return self._oldest

    def floor(self, stream: str) -> int | None:
        """Return the lowest number of a stream in the backlog, never above the truth."""
        return self._floors.get(stream)

    def committed(self, stream: str, seq: int) -> None:
        """Note that this number is in the backlog now."""
        self._floors[stream] = min(seq, self._floors.get(stream, seq))

    def losses_changed(self) -> None:
        """Have the loss ranges read with the next look, which is due."""
        self._losses_changed = True
        self.due_ns = 0

    async def look(self) -> None:
        """Read it anew; an error is only noted."""
        try:
            await self._look()
        except BacklogError as error:
            self._blind(error)
        else:
            self._failures = 0

    async def _look(self) -> None:
        self.due_ns = None
        # First: a floor that rises over a range not known yet would say of it that it is settled.
        if self._losses_changed:
            self._losses.read(await self._backlog.losses())
            self._losses_changed = False
            self._on_read()
        self._oldest = await self._backlog.oldest()
        self._on_read()
        for stream in list(self._floors):
            floor = await self._backlog.first_unsettled(stream)
            self._on_read()
            if floor is None:
                del self._floors[stream]
            else:
                self._floors[stream] = floor

    def _blind(self, error: BacklogError) -> None:
        if not self._failures:
            log.warning("backlog not readable cause=%r remedy=%r", str(error), error.remedy)
        wait_s = self._backoff_s(self._failures)
        self._failures += 1
        self.due_ns = self._clock.boot_ns() + int(wait_s * NS)
