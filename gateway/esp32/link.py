"""The way to the network, Wi-Fi or Ethernet: brought up, watched, brought up again.

One attempt at a time, with pauses that grow: a station that tries without pause takes the antenna
from Bluetooth. How it is done, and what the chip means when it fails, is in the overlay `join`.
"""

import asyncio
from random import random

from gateway.core.backoff import MOST_S, delay_s
from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.esp32.settings import Site

_LOOK_MS = 500
_LOOKS = 50  # an attempt lasts 25 s: association, four-way handshake, DHCP


class Link:
    """`up` while there is an address; `cause`: why not; `on_beat` is called at every look."""

    on_beat: "Callable[[], object]" = (
        bool  # does nothing: for whoever wants to know that this lives
    )
    up = False
    cause = ""
    nic = None

    def __init__(self, site: "Site") -> None:
        self.site = site

    async def run(self) -> None:
        """Keep it up."""
        attempt = 0
        while True:
            overlay.run("join", "begin", self)
            if await self._until(True, _LOOKS):
                overlay.run("join", "came", self)
                attempt = 0
                await self._until(False, -1)
            overlay.run("join", "end", self)
            pause_s = delay_s(attempt, random(), first_s=4.0, most_s=MOST_S)  # noqa: S311
            await self._until(True, int(pause_s * 1000) // _LOOK_MS)  # a cable may come back
            attempt += 1

    async def _until(self, connected: bool, looks: int) -> bool:
        """Look until it is connected, or no more; whether it came so within so many looks."""
        while self.nic.isconnected() is not connected:
            if not looks:
                return False
            looks -= 1
            self.on_beat()
            await asyncio.sleep_ms(_LOOK_MS)
        return True

    async def ready(self) -> None:
        """Wait until it is up."""
        while not self.up:
            await asyncio.sleep_ms(_LOOK_MS)

    def dns(self) -> "tuple[str, ...]":
        """Return the name servers that the network told."""
        server = self.nic.ifconfig()[3]
        return () if server == "0.0.0.0" else (server,)  # noqa: S104 - it is no address
