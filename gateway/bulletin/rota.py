"""Whose turn it is: each one at most once per interval, all together at a bounded rate.

Who has waited longest since its last turn comes first, so that many who want much share alike.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Rota(Generic[K]):
    """Who wants a turn. Bounded by its callers: one record for each name ever handed in."""

    def __init__(self, *, each_ns: int, all_ns: int) -> None:
        self._each_ns = each_ns
        self._all_ns = all_ns
        self._free_at: dict[K, int] = {}
        self._wanting: set[K] = set()
        self._queue: list[tuple[int, int, K]] = []  # free at, number, who: a heap
        self._numbers = 0
        self._next_ns = 0

    def want(self, who: K) -> bool:
        """Note that `who` wants a turn; True when it is now the first in the queue."""
        if who in self._wanting:
            return False
        self._wanting.add(who)
        self._numbers += 1
        mine = (self._free_at.get(who, 0), self._numbers, who)
        heapq.heappush(self._queue, mine)
        return self._queue[0] is mine

    def take(self, now_ns: int) -> K | None:
        """Return whose turn it is, if it is anybody's; it has then had it."""
        self._discard_forgotten()
        if not self._queue or max(self._queue[0][0], self._next_ns) > now_ns:
            return None
        who = heapq.heappop(self._queue)[2]
        self._wanting.remove(who)
        self._free_at[who] = now_ns + self._each_ns
        self._next_ns = now_ns + self._all_ns
        return who

    def due_ns(self) -> int | None:
        """Return when somebody has the next turn, None while nobody wants one."""
        self._discard_forgotten()
        return max(self._queue[0][0], self._next_ns) if self._queue else None

    def forget(self, who: K) -> None:
        """Forget somebody, wish and all."""
        self._free_at.pop(who, None)
        self._wanting.discard(who)

    def _discard_forgotten(self) -> None:
        while self._queue and self._queue[0][2] not in self._wanting:
            heapq.heappop(self._queue)
