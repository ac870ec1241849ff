"""Frames whose payload is decoded in another process: handed out, still waiting, taken back.

They wait as those in the pipeline's queue do, and are counted as such from the moment they are
handed out until the pipeline has taken them back. There is a bound; beyond it a frame is not
handed out.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from gateway.driver import LoadedDriver, Outcome
from gateway.model import Frame

MAX_FRAMES: Final = 64  # minutes of LoRa traffic; each is a packet and what was made of it


class Back(msgspec.Struct, frozen=True):
    """A frame that has come back, who is to read what came of it, and that."""

    frame: Frame
    driver: LoadedDriver
    outcome: Outcome


class Elsewhere:
    """The frames away, and those back that nobody has taken yet, in the order they came back."""

    def __init__(self, on_back: Callable[[], None]) -> None:
        self.back: deque[Back] = deque()
        self._on_back = on_back
        self._away: dict[int, Frame] = {}
        self._number = 0
        self._home = asyncio.Event()

    def __len__(self) -> int:
        return len(self._away) + len(self.back)

    def hand_out(self, driver: LoadedDriver, frame: Frame, payload: bytes) -> bool:
        """Have a payload decoded by a driver that works elsewhere; False: too many are."""
        if driver.offload is None or len(self) >= MAX_FRAMES:
            return False
        self._number += 1
        self._away[self._number] = frame
        driver.offload(frame, payload, partial(self._come_back, self._number, driver))
        return True

    def _come_back(self, number: int, driver: LoadedDriver, outcome: Outcome) -> None:
        frame = self._away.pop(number, None)
        if frame is None:  # given up
            return
        self.back.append(Back(frame, driver, outcome))
        if not self._away:
            self._home.set()
        self._on_back()

    async def all_back(self, limit_s: float) -> None:
        """Wait until none is away, or for so long."""
        self._home.clear()
        if self._away:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._home.wait()

    def give_up(self) -> int:
        """Return how many are still away; what comes of them is of no interest any more."""
        away = len(self._away)
        self._away.clear()
        return away
