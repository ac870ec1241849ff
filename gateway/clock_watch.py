"""The wall clock watched: a step of it is an event, a change of what it is worth a status.

Nothing of ours depends on being told: what is dated is dated by the clock's reading.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.clock import Clock
from gateway.health import Health
from gateway.vitals import Pulse

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
STEP_NS: Final = 1_000_000_000  # between two looks; the kernel slews a clock far slower than that
_NS_PER_MS: Final = 1_000_000

News = Callable[[], Awaitable[None]]  # waits until something may have changed


def _nothing() -> None:
    """Nobody has hung in yet."""


class ClockWatch:
    """Compares what the clock shows and is worth with what it was a moment ago.

    `on_word` is called at the start, and when what the clock is worth has changed.
    """

    def __init__(self, clock: Clock, health: Health) -> None:
        self._clock = clock
        self._health = health
        self._before = clock.reading()
        self.on_word: Callable[[], None] = _nothing

    async def run(self, pulse: Pulse, news: News | None = None) -> None:
        """Watch until cancelled: look now, and at each `news`, without it each second."""
        self.on_word()
        while True:
            await (news() if news else pulse.pause(LOOK_EVERY_S))
            self.look()

    def look(self) -> None:
        """Tell what has happened since the last look."""
        before, self._before = self._before, self._clock.reading()
        step_ns = self._before.shown_ns - before.shown_ns
        if abs(step_ns) > STEP_NS:
            log.warning("clock stepped by_ms=%d", step_ns // _NS_PER_MS)
            self._health.notify("clock.step", ("byMs", step_ns // _NS_PER_MS))
        if self._before.state is not before.state:
            log.info("clock is %s", self._before.state.value)
            self._health.on_change()
            self.on_word()
