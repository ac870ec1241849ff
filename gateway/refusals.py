"""One lane's refusals: how long it is left alone, who is told, and which bundle is to blame.

A refused lane waits with back-off, and what was on its way beside the refused one counts once. A
bundle that is refused again and again while others of its lane are taken is itself the reason.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.core import puback
from gateway.health import Health
from gateway.model import Lane
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000
NOTICE_PAUSE_NS: Final = 60 * NS  # between two notices of one lane
_BLAMED_REMEMBERED: Final = 256  # bundles; beyond, the oldest are forgotten

Key = tuple[str, int, int]  # stream, first number, how many


class Refusals:
    """What one lane was refused; `wake` is called when it may be tried again."""

    def __init__(self, lane: Lane, *, rim: Rim, health: Health, wake: Callable[[], None]) -> None:
        self._lane = lane
        self._clock = rim.clock
        self._backoff_s = rim.backoff_s
        self._health = health
        self._wake = wake
        self._in_a_row = 0
        self._blocked_until_ns = 0
        self._taken = 0  # bundles
        self._blamed: OrderedDict[Key, tuple[int, int]] = OrderedDict()  # refusals, taken before
        self._noticed: int | None = None  # the reason code
        self._notice_at_ns = 0  # not before

    @property
    def is_blocked(self) -> bool:
        """Whether the lane is left alone now."""
        return self._clock.boot_ns() < self._blocked_until_ns

    def opened(self) -> None:
        """Start anew: what one connection was refused another may be allowed."""
        self._in_a_row, self._blocked_until_ns = 0, 0

    def taken(self, *, unheard: bool) -> None:
        """Hear that the broker took a bundle."""
        self._taken += 1
        if self._in_a_row:
            line = "lane accepted again lane=%s after_refusals=%d"
            log.info(line, self._lane.value, self._in_a_row)
            self._in_a_row = 0
        if unheard:
            self._health.audience.missed(self._lane, self._clock.boot_ns())
            self._notice(puback.NO_MATCHING_SUBSCRIBERS)
        else:
            self._health.audience.reached(self._lane, self._clock.boot_ns())
            self._noticed = None

    def count(self, reason_code: int) -> None:
        """Count a refusal, and tell of it if that is news."""
        self._health.refusals[reason_code] = self._health.refusals.get(reason_code, 0) + 1
        self._notice(reason_code)

    def refused(self, key: Key, reason_code: int) -> str:
        """Leave the lane alone for a while; return what becomes of the bundle."""
        self._back_off(reason_code)
        if reason_code == puback.NO_MATCHING_SUBSCRIBERS:  # no bundle's fault
            self._health.audience.missed(self._lane, self._clock.boot_ns())
            return puback.KEEP
        refusals, taken_before = self._blamed.pop(key, (0, self._taken))
        if puback.is_hopeless(refusals + 1, self._taken - taken_before):
            return puback.SET_ASIDE
        self._blamed[key] = (refusals + 1, taken_before)
        if len(self._blamed) > _BLAMED_REMEMBERED:
            self._blamed.popitem(last=False)
        return puback.KEEP

    def _back_off(self, reason_code: int) -> None:
        if self.is_blocked:
            return
        if not self._in_a_row:
            log.warning("lane refused lane=%s reason_code=0x%02x", self._lane.value, reason_code)
        wait_s = self._backoff_s(self._in_a_row)
        self._in_a_row += 1
        self._blocked_until_ns = self._clock.boot_ns() + int(wait_s * NS)
        asyncio.get_running_loop().call_later(wait_s, self._wake)

    def _notice(self, reason_code: int) -> None:
        now = self._clock.boot_ns()
        if reason_code != self._noticed and now >= self._notice_at_ns:
            self._noticed = reason_code
            self._notice_at_ns = now + NOTICE_PAUSE_NS
            fields = (("reasonCode", reason_code), ("lane", self._lane.value))
            self._health.notify("uplink.refused", *fields)
