"""The desks and their couriers, one task: what is said beside observations.

Each desk has one letter under way at most. The task sleeps until a desk has something new, a
letter has ended, or a turn has come.
"""

import asyncio
import contextlib
from typing import Final

from gateway.bulletin.announcements import Announcements
from gateway.bulletin.courier import Courier, Surroundings, Tally
from gateway.bulletin.notices import Notices
from gateway.bulletin.states import States
from gateway.config import Settings
from gateway.uplink.topics import Topics

_NS: Final = 1_000_000_000


class Bulletin:
    """The three desks at work, notices first."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        notices: Notices,
        announcements: Announcements,
        states: States,
    ) -> None:
        self.notices = notices
        self.announcements = announcements
        self.states = states
        self._clock = surroundings.clock
        self._voice = surroundings.voice
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()  # the same, for `flush`
        self._pulse = surroundings.vitals.pulse("bulletin", self.wake)
        self._couriers = {
            "notice": Courier("notice", notices, surroundings, self.wake),
            "announcement": Courier("announcement", announcements, surroundings, self.wake),
            "state": Courier("state", states, surroundings, self.wake),
        }
        for desk in (notices, announcements, states):
            desk.wake = self.wake
        states.on_property = announcements.saw

    @property
    def tallies(self) -> dict[str, Tally]:
        """How the letters of each desk have ended."""
        return {name: courier.tally for name, courier in self._couriers.items()}

    def wake(self) -> None:
        """Hear that there may be something to say, or that a letter has ended."""
        self._wake.set()
        self._progress.set()

    def configure(self, settings: Settings) -> None:
        """Go on with another configuration of the same gateway, perhaps under another root."""
        topics = Topics(settings.topic_root)
        self.notices.speak_on(topics.event)
        self.states.configure(topics, frozenset(settings.urn(each) for each in settings.devices))
        self.announcements.configure(settings)

    def opened(self) -> None:
        """Hear of a new connection."""
        for courier in self._couriers.values():
            courier.opened()
        self.wake()

    async def run(self) -> None:
        """Say what there is, until cancelled."""
        while True:
            self._pulse.beat()
            self._wake.clear()
            await self._sleep_until(self.pump())

    def pump(self) -> int | None:
        """Send what may be sent; return when to call again without a wake-up."""
        dues = [courier.pump() for courier in self._couriers.values()]
        return min((due for due in dues if due is not None), default=None)

    async def flush(self, within_s: float) -> None:
        """Wait until the broker has all notices, at most so long; `run` goes on meanwhile.

        Loss ranges that are left are told by the next run.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._voice.connected and not self.notices.quiet:
                    self._progress.clear()
                    await self._progress.wait()

    async def _sleep_until(self, due_ns: int | None) -> None:
        wait_s = None if due_ns is None else max(0, due_ns - self._clock.boot_ns()) / _NS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
