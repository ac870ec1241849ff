"""An adapter that we have switched off and not on again, told from one that somebody else has.

The word of it is kept before the power goes, so that the next run can finish what this one began
when it is killed in between. It holds for one adapter and one boot of the machine: another boot
begins with power anew.
"""

import asyncio
from typing import Final, Protocol

from gateway.transport.waiting import set_within

_KEPT_WITHIN_S: Final = 5.0  # a store that fails is no reason to leave an adapter wedged


class Words(Protocol):
    """Words for the runs to come, by key; "" is none."""

    def read(self, key: str) -> str:
        """Return the newest word, of this run or an earlier one."""
        ...

    def write(self, key: str, word: str) -> asyncio.Event:
        """Have a word kept; the event is set once a kill cannot undo it."""
        ...


class NoWords:
    """For who runs once and keeps nothing."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}

    def read(self, key: str) -> str:
        """Return what was written in this run."""
        return self._words.get(key, "")

    def write(self, key: str, word: str) -> asyncio.Event:
        """Note it for this run."""
        self._words[key] = word
        kept = asyncio.Event()
        kept.set()
        return kept


class Unfinished:
    """Whether the adapter of one transport is without power because of us."""

    def __init__(self, transport: str, words: Words, boot_id: str) -> None:
        self._key = f"without power {transport}"
        self._words = words
        self._boot_id = boot_id

    async def begin(self, address: str) -> None:
        """Note that an adapter is switched off now; `address` may be "", unknown."""
        kept = self._words.write(self._key, f"{self._boot_id} {address}")
        await set_within(kept, _KEPT_WITHIN_S)

    def end(self) -> None:
        """Note that it has power: whoever switches it off from now on is not us."""
        if self._words.read(self._key):
            self._words.write(self._key, "")

    def is_it(self, address: str) -> bool:
        """Whether it is the adapter of this address that we have switched off, and not on."""
        boot_id, _, noted = self._words.read(self._key).partition(" ")
        return bool(boot_id) and boot_id == self._boot_id and noted in ("", address)
