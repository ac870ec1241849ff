"""Frames to try on a driver: examples damaged in every small way, and random ones."""

import random
from collections.abc import Iterator, Sequence
from typing import Final

SEED: Final = 4711  # the same frames in every run
RANDOM_FRAMES: Final = 400
_LONGEST: Final = 260  # more than an extended advertisement carries
_CHANGES: Final = 4  # bytes at most that are changed in an example


def truncated(frame: bytes) -> Iterator[bytes]:
    """Yield every beginning of a frame."""
    for length in range(len(frame)):
        yield frame[:length]


def flipped(frame: bytes) -> Iterator[bytes]:
    """Yield every frame that differs in one bit."""
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def damaged(frame: bytes) -> Iterator[bytes]:
    """Yield every truncation of a frame and every frame that differs from it in one bit."""
    yield from truncated(frame)
    yield from flipped(frame)


def random_frames(known: Sequence[bytes], prefixes: Sequence[bytes]) -> Iterator[bytes]:
    """Yield noise, noise that begins as the driver expects, and examples with other bytes.

    Pure noise hardly ever passes the first byte: most of what it finds is found behind that.
    """
    chance = random.Random(SEED)  # noqa: S311 - the same noise each time, nothing secret
    for number in range(RANDOM_FRAMES):
        noise = chance.randbytes(chance.choice((0, 1, 2, chance.randrange(32), _LONGEST)))
        if number % 2 or not known:
            yield (chance.choice(prefixes) if prefixes else b"") + noise
        else:
            yield _changed(chance, chance.choice(known), noise)


def _changed(chance: random.Random, frame: bytes, noise: bytes) -> bytes:
    """Change some bytes of a frame, and perhaps its end."""
    changed = bytearray(frame)
    for _ in range(chance.randint(1, _CHANGES) if frame else 0):
        changed[chance.randrange(len(changed))] = chance.choice(
            (0, 0x7F, 0x80, 0xFF, chance.randrange(256))
        )
    cut = chance.randrange(len(changed) + 1)
    return bytes(changed) if chance.random() < 0.5 else bytes(changed[:cut]) + noise  # noqa: PLR2004 - half of them
