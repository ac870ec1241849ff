"""Session numbers: which may be used, and that those of a new store lie above all there have been.

No number is used before the store has reserved it, so no run to come gets it too. A new store
begins with the clock's Unix time in ms. Where that clock was not right, the gateway it replaces
may have used higher ones, and a platform would take every status of this one for a late one: as
soon as the time is known the numbers are raised to it, once, and the connection is made anew.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.backlog import SESSIONS_PER_RESERVATION
from gateway.backlog.contract import Backlog
from gateway.clock import Clock, ClockState
from gateway.model import Recovery

SESSIONS_AHEAD: Final = 100  # reserved before the last one is used

_IN_DOUBT: Final = "sessions"  # remembered: they were numbered by a clock that nobody vouched for
_YES: Final = "numbered without a clock"
_NS_PER_MS: Final = 1_000_000

Order = Callable[[Callable[[], Awaitable[object]]], None]  # of an errand to the store


class Numbered(Protocol):
    """Whoever uses the numbers: the uplink."""

    def number_from(self, session: int) -> None:
        """Give connections numbers from this one on, the present one too."""
        ...


class Sessions:
    """The numbers of one run."""

    def __init__(self, backlog: Backlog, recovery: Recovery, clock: Clock, order: Order) -> None:
        self._backlog = backlog
        self._clock = clock
        self._order = order
        self._until = recovery.session + SESSIONS_PER_RESERVATION
        self._reserving = False
        self._is_new = not recovery.previous and not recovery.memories
        self._in_doubt = recovery.memories.get(_IN_DOUBT) == _YES

    def are_reserved(self, session: int) -> bool:
        """Whether no run to come can get this number too; more are reserved in time."""
        if session >= self._until - SESSIONS_AHEAD and not self._reserving:
            self._reserving = True
            self._order(self._reserve)
        return session < self._until

    def look(self, uplink: Numbered) -> None:
        """See what the clock is worth, at the start and whenever that may have changed."""
        is_synced = self._clock.reading().state is ClockState.SYNCED
        if self._is_new and not is_synced:
            self._in_doubt = True
            self._order(lambda: self._backlog.remember(_IN_DOUBT, _YES))
        self._is_new = False
        if self._in_doubt and is_synced:
            self._in_doubt = False
            self._order(lambda: self._raise(uplink))

    async def _reserve(self, least: int = 0) -> int:
        first = await self._backlog.reserve_sessions(least)
        self._until = first + SESSIONS_PER_RESERVATION
        self._reserving = False
        return first

    async def _raise(self, uplink: Numbered) -> None:
        first = await self._reserve(self._clock.wall_ns() // _NS_PER_MS)
        await self._backlog.remember(_IN_DOUBT, "")
        uplink.number_from(first)
