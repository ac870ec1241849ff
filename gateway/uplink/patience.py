"""How long to wait between two connections, and who may say that the wait is over.

Waits double up to a minute, with full jitter; after a connection that lasted they start anew.
Whoever knows that the next attempt is another one (a new configuration, a renewed certificate)
cuts the wait short.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.backoff import FIRST_S, MOST_S, delay_s


class Patience:
    """`chance` is uniform in [0, 1)."""

    def __init__(
        self, chance: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._chance = chance
        self._sleep = sleep
        self._attempts = 0
        self._cause = ""
        self._cut = asyncio.Event()

    def cut(self, cause: str) -> None:
        """End the wait, or, if there is a connection, that: it is to be made anew."""
        self._cause = cause
        self._cut.set()

    @property
    def is_cut(self) -> bool:
        """Whether somebody has cut since the last attempt began."""
        return self._cut.is_set()

    def begin(self) -> None:
        """Note that the next connection is being made: with all that was known up to now."""
        self._cut.clear()

    async def cut_short(self) -> str:
        """Return when somebody cuts, with the cause."""
        await self._cut.wait()
        return self._cause

    async def wait(self, *, steady: bool) -> None:
        """Wait for the next attempt's turn; `steady`: the connection before was a good one."""
        if self._cut.is_set() or steady:
            self._attempts = 0
        if self._cut.is_set():
            return
        wait_s = delay_s(self._attempts, self._chance(), first_s=FIRST_S, most_s=MOST_S)
        self._attempts += 1
        async with asyncio.TaskGroup() as group:
            waits = (
                group.create_task(self._slept(wait_s), name="uplink.back-off"),
                group.create_task(self.cut_short(), name="uplink.cut"),
            )
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()

    async def _slept(self, seconds: float) -> None:
        await self._sleep(seconds)
