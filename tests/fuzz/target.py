"""A border: where bytes that somebody else wrote come into ugw, and what it promises of them.

A target takes any bytes, hands them to the real code, and asserts the promises: it returns for
whatever may come, and lets an error out (an AssertionError, or what ugw let through) for a fault.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

Mutate = Callable[[bytes, random.Random], bytes]


class Target(NamedTuple):
    """One border, and how it is searched."""

    name: str
    border: str  # who writes these bytes, in the words of CONTRIBUTING.md's table
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]  # what is right, or nearly: where a search starts
    code: tuple[str, ...]  # modules whose branches guide the search
    most_bytes: int = 1024
    words: tuple[bytes, ...] = ()  # what the grammar is made of
    mutate: Mutate | None = None  # a change that keeps lengths and checksums true
    share: int = 1  # of a search's time
    tries: int = 60  # changed inputs tried in `make test`
    missing: Callable[[], str] = str  # what it needs and is not here, in a sentence


# What JSON is made of, and what its readers trip over: for the dictionaries of its borders.
JSON_WORDS: Final = (
    *(b'"', b'":', b"{", b"}", b"[", b"]", b",", b"null", b"true"),
    *(b"1e999", b"-1", b"\\ud800", b"\xff", b"\n"),
)
