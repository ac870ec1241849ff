"""Words for the runs to come, written to the store when it is its turn; the newest wins.

While a word waits, a newer one takes its place: a store that fails for weeks makes no queue.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, NamedTuple, Protocol

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


class _Waiting(NamedTuple):
    word: str
    written: asyncio.Event


class Memory:
    """What waits to be written. `order` has an errand done when the store's turn comes.

    `before`: the words of earlier runs.
    """

    def __init__(
        self,
        store: Store,
        order: Callable[[Errand], None],
        before: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._order = order
        self._words = dict(before or {})
        self._waiting: dict[str, _Waiting] = {}

    def read(self, key: str) -> str:
        """Return the newest word, whether or not it is written yet; "" for none."""
        return self._words.get(key, "")

    def write(self, key: str, word: str) -> asyncio.Event:
        """Have a word written soon; the event is set when it is, or a newer one in its place."""
        self._words[key] = word
        before = self._waiting.get(key)
        written = before.written if before else asyncio.Event()
        self._waiting[key] = _Waiting(word, written)
        if before is None:
            self._order(partial(self._write, key))
        return written

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
        waiting = self._waiting.get(key)
        if waiting is None:  # written by `flush`
            return
        await self._store.remember(key, waiting.word)
        if self._waiting[key].word == waiting.word:
            del self._waiting[key]
            waiting.written.set()
        else:
            self._order(partial(self._write, key))
