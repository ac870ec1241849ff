"""Words for the runs to come, written to the store when it is its turn; the newest wins.

While a word waits, a newer one takes its place: a store that fails for weeks makes no queue.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from gateway.errors import BacklogError

log = logging.getLogger(__name__)

Errand = Callable[[], Awaitable[object]]

ANNOUNCED: Final = "announced"
SILENT: Final = "silent"


class Store(Protocol):
    """The backlog, as far as words need it."""

    async def remember(self, key: str, value: str) -> None:
        """Keep a word for the runs to come; an empty one is forgotten."""
        ...


class Memory:
    """What waits to be written. `order` has an errand done when the store's turn comes."""

    def __init__(self, store: Store, order: Callable[[Errand], None]) -> None:
        self._store = store
        self._order = order
        self._waiting: dict[str, str] = {}

    def write(self, key: str, word: str) -> None:
        """Have a word written soon."""
        ordered = key in self._waiting
        self._waiting[key] = word
        if not ordered:
            self._order(partial(self._write, key))

    async def flush(self) -> None:
        """Write what still waits, at the end, when the store's own task is gone.

        What cannot be written is given up: the next run says more than it need, and no worse.
        """
        try:
            for key in list(self._waiting):
                await self._write(key)
        except BacklogError as error:
            log.warning("not remembered cause=%r remedy=%r", str(error), error.remedy)

    async def _write(self, key: str) -> None:
        word = self._waiting.get(key)
        if word is None:  # written by `flush`
            return
        await self._store.remember(key, word)
        if self._waiting[key] == word:
            del self._waiting[key]
        else:
            self._order(partial(self._write, key))
