"""Status in time: at once when something changed, and once a minute at least.

One message is in flight at most and the newest wins: what changes meanwhile is told by the next
one, rendered when its turn comes. A message lost with its connection is not sent again; the next
connection begins with a birth.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.core import puback
from gateway.model import Outcome

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
_JITTER: Final = 0.2  # of the interval, around it: a fleet that started together spreads out


class Heartbeat:
    """The status messages of one connection.

    `send` is handed what `render` returns and calls back once; `told` is called when the broker
    has what was rendered last.
    """

    def __init__(
        self,
        *,
        send: Callable[[bytes, Callable[[Outcome], None]], None],
        render: Callable[[], bytes],
        told: Callable[[], None],
    ) -> None:
        self._send = send
        self._render = render
        self._told = told
        self._in_flight = False
        self._outdated = False
        self._refused = False
        self._stopped = False

    def stop(self) -> None:
        """Say nothing any more: what comes next is the farewell, and it has the last word."""
        self._stopped = True

    def tell(self) -> None:
        """Send the status of now, or as soon as the one before it is acknowledged."""
        if self._stopped:
            return
        if self._in_flight:
            self._outdated = True
            return
        self._in_flight = True
        self._outdated = False
        self._send(self._render(), self._acknowledged)

    async def run(
        self, chance: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Tell again and again until cancelled; `chance` is uniform in [0, 1)."""
        while True:
            await sleep(INTERVAL_S * (1 + _JITTER * (chance() - 0.5)))
            self.tell()

    def _acknowledged(self, outcome: Outcome) -> None:
        self._in_flight = False
        code = outcome.reason_code
        if code is None:  # the connection has ended, and this with it
            return
        if code < puback.FAILURE:
            self._told()
        elif not self._refused:
            log.warning("status refused reason=%r", outcome.cause)
        self._refused = code >= puback.FAILURE
        if self._outdated:
            self.tell()
