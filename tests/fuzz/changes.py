"""Inputs changed a little, the same each time: what a gate without a fuzzer tries."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

from tests.fuzz.target import Target

_SEED: Final = 4711


def changed(target: Target, known: Sequence[bytes]) -> Iterator[bytes]:
    """Yield as many inputs as the target wants tried, each one of those known and changed."""
    chance = random.Random(_SEED)  # noqa: S311 - the same each time, nothing secret
    for number in range(target.tries):
        data = chance.choice(known)
        if target.mutate is not None and number % 2:
            yield target.mutate(data, chance)[: target.most_bytes]
        else:
            yield _changed(data, target.words, chance)[: target.most_bytes]


def _changed(data: bytes, words: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.randint(0, 8))
    kind = chance.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:to] + data[at:]
    put = chance.choice(words) if words and kind == 3 else chance.randbytes(chance.randint(1, 4))
    return data[:at] + put + data[to:]
