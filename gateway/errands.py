"""Calls of the backlog that wait for their turn, one at a time: none of them holds up the others.

One that fails goes to the end. One that finds no room is no failure of the store: it alone waits,
with back-off.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from gateway.errors import BacklogError, BacklogFullError
from gateway.rim import Rim

log = logging.getLogger(__name__)

NS: Final = 1_000_000_000

Errand = Callable[[], Awaitable[object]]  # a call of the backlog


class _Order(msgspec.Struct, eq=False):
    errand: Errand
    not_before_ns: int = 0
    refusals: int = 0


class Errands:
    """The queue."""

    def __init__(self, rim: Rim) -> None:
        self._clock = rim.clock
        self._backoff_s = rim.backoff_s
        self._orders: list[_Order] = []

    def __contains__(self, errand: Errand) -> bool:
        """Whether it waits or is under way."""
        return any(order.errand == errand for order in self._orders)

    @property
    def due_ns(self) -> int | None:
        """When the next has its turn; None while there is none."""
        return min((order.not_before_ns for order in self._orders), default=None)

    def order(self, errand: Errand) -> None:
        """Put an errand at the end."""
        self._orders.append(_Order(errand))

    async def do_next(self, do: Callable[[Errand], Awaitable[object]]) -> None:
        """Have `do` carry out the first that is due. Raises BacklogError if the store fails."""
        now = self._clock.boot_ns()
        order = next((each for each in self._orders if each.not_before_ns <= now), None)
        if order is None:
            return
        try:
            await do(order.errand)
        except BacklogFullError as refusal:
            self._refused(order, refusal)
        except BacklogError:
            self._to_the_end(order)
            raise
        else:
            self._orders.remove(order)

    def _refused(self, order: _Order, refusal: BacklogFullError) -> None:
        if not order.refusals:
            line = "no room for housekeeping, put off cause=%r remedy=%r"
            log.warning(line, str(refusal), refusal.remedy)
        wait_s = self._backoff_s(order.refusals)
        order.refusals += 1
        order.not_before_ns = self._clock.boot_ns() + int(wait_s * NS)
        self._to_the_end(order)

    def _to_the_end(self, order: _Order) -> None:
        self._orders.remove(order)
        self._orders.append(order)
