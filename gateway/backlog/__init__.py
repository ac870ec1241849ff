"""Observations kept until the broker has acknowledged them.

Two kinds behind one protocol (`contract`) and one test suite: `sqlite` outlives power
cuts, `memory` is the model it is tested against.
"""

from typing import Final

DEFAULT_MAX_BYTES: Final = 512_000_000
SESSIONS_PER_RESERVATION: Final = 1000
MOST_PREVIOUS: Final = 64  # streams of earlier runs that are remembered
# `drop_oldest` gives up at most this much at a time, so that a commit does not wait for long.
MAX_DROP_BYTES: Final = 4_000_000
MAX_MEMORY_CHARACTERS: Final = 1_000_000  # of one word that is remembered: 10,000 devices' names
_MAX_ASIDE_BYTES: Final = 16_000_000
_ASIDE_SHARE: Final = 16


def max_aside_bytes(max_bytes: int) -> int:
    """Return how many rendered bytes may be set aside in a store of `max_bytes`."""
    return min(_MAX_ASIDE_BYTES, max_bytes // _ASIDE_SHARE)


def require_rememberable(key: str, value: str) -> None:
    """Raise ValueError for a word that is too long to be remembered."""
    if len(value) > MAX_MEMORY_CHARACTERS:
        cause = f"{key} has {len(value)} characters, at most {MAX_MEMORY_CHARACTERS} are kept"
        raise ValueError(cause)
