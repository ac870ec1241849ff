"""The write-ahead log a run left that was cut off: whether commits in it can no longer be read.

SQLite reads a log up to the first frame that is not whole, and takes the rest for a commit that
was cut off: right after a power cut, and without a word when it is damage. A cut alone is never
called damage here, whatever bytes of the last commit it has left (fileformat2.html#walformat).

A commit is synced before the next one is begun. So a whole commit and a whole frame behind it
prove that all before them was on the medium, and what of it is not whole is damaged. A header is
synced before its first frame; one that was being written when the power failed stands before
frames of the log before, which are all in the file already.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from gateway.backlog.sqlite.schema import PAGE_BYTES

_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, number, salts, checksum
_FRAME: Final = struct.Struct(">6I")  # page, pages after a commit, salts, checksum
_BIG_ENDIAN: Final = 0x377F0683  # the magic of a log whose checksums are of big-endian words
_MAGICS: Final = (_BIG_ENDIAN & ~1, _BIG_ENDIAN)

Pair: TypeAlias = tuple[int, int]
Order: TypeAlias = Literal["<", ">"]


class _Frame(NamedTuple):
    page: int
    pages: int  # in the file after this commit, 0: it is not the last frame of one
    is_whole: bool  # by the checksum of the frame before it, as that stands there
    data: bytes


def is_damaged(log: bytes, file: Path) -> bool:
    """Whether commits that were synced can no longer be read, with the file as it stands."""
    if len(log) < _HEADER.size + _FRAME.size + PAGE_BYTES:
        return False
    magic, *_, first_salt, second_salt, one, two = _HEADER.unpack_from(log)
    order: Order = ">" if magic == _BIG_ENDIAN else "<"
    if magic in _MAGICS and _summed(log[:24], (0, 0), order) == (one, two):
        return _is_broken([*_frames(log, (first_salt, second_salt), (one, two), order)])
    salts = _salts(log, _HEADER.size)
    orders: tuple[Order, Order] = ("<", ">")
    return not all(_is_in(file, [*_frames(log, salts, (0, 0), each)]) for each in orders)


def _is_broken(frames: list[_Frame]) -> bool:
    """Whether a whole commit and a whole frame behind it stand after a frame that is not whole."""
    broken = next((n for n, frame in enumerate(frames) if not frame.is_whole), len(frames))
    behind = zip(frames[broken:], frames[broken + 1 :], strict=False)
    return any(one.is_whole and one.pages and other.is_whole for one, other in behind)


def _is_in(path: Path, frames: list[_Frame]) -> bool:
    """Whether the file holds the last commit that is whole among the frames, and those before."""
    newest: dict[int, bytes] = {}
    committed: dict[int, bytes] = {}
    pages = 0
    for frame in frames:
        if frame.is_whole:
            newest[frame.page] = frame.data
            if frame.pages:
                committed, pages = dict(newest), frame.pages
    with path.open("rb") as file:
        for page, data in committed.items():
            file.seek((page - 1) * PAGE_BYTES)
            if page <= pages and file.read(PAGE_BYTES) != data:
                return False
    return True


def _frames(log: bytes, salts: Pair, sums: Pair, order: Order) -> Iterator[_Frame]:
    size = _FRAME.size + PAGE_BYTES
    for at in range(_HEADER.size, len(log) - size + 1, size):
        page, pages, *_, one, two = _FRAME.unpack_from(log, at)
        data = log[at + _FRAME.size : at + size]
        # What an earlier log left behind is not worth the time.
        is_whole = _salts(log, at) == salts and (
            _summed(data, _summed(log[at : at + 8], sums, order), order) == (one, two)
        )
        sums = (one, two)
        yield _Frame(page, pages, is_whole, data)


def _salts(log: bytes, at: int) -> Pair:
    _, _, first, second, *_ = _FRAME.unpack_from(log, at)
    return first, second


def _summed(data: bytes, sums: Pair, order: Order) -> Pair:
    """Return the checksum of whole pairs of words, going on from `sums`."""
    one, two = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
