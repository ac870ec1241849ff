"""An image onto a card, in an order that leaves no half-written card that boots.

First the old partition table goes. Then comes the image without what lies before its first
partition, all of it is read back, and only `complete`, which the caller calls when the card is
otherwise as it shall be, writes that beginning: its first sector last.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final, NamedTuple, Protocol, Self

from ugw_flash.card.image import CHUNK, Image
from ugw_flash.card.medium import Medium
from ugw_flash.card.table import SECTOR, Slice, boot_slice, partitions
from ugw_flash.outcome import BadMaterialError, NotWrittenError
from ugw_flash.progress import Watcher

CANARY_BYTES: Final = 64 << 10
"""Of each; the last one covers the second GPT that lies at the end of a card."""

_FLUSH_EVERY: Final = 4 * CHUNK  # about a second of writing
_LEAST_LINE: Final = 20  # the lowest address line a false card may lack: below it, 1 MB
_MOST_LINE: Final = 48
_AWAY: Final = "throw it away: it is worn out, damaged, or not what its label says"


class Progress(Protocol):
    """What is known of an earlier attempt, and who keeps how far this one comes."""

    said_bytes: int
    """So many were said to be written; they are compared, and written where they differ."""

    def note(self, done_bytes: int) -> None:
        """Keep that so many are on the card for certain."""


class Afresh:
    """Nothing is known, nothing is kept."""

    said_bytes = 0

    def note(self, done_bytes: int) -> None:
        """Keep nothing."""


class Layout(NamedTuple):
    """How an image is made, so far as the order of writing depends on it."""

    head: bytes  # all before its first partition, or CHUNK bytes of it: what is written last
    boot: Slice

    @classmethod
    def of(cls, image: Image) -> Self:
        """Read it from the image's beginning. Raises BadMaterialError when it has none."""
        begin = image.beginning()
        try:
            table = partitions(_Beginning(begin, image.size))
            boot = boot_slice(_Beginning(begin, image.size))
        except BadMaterialError as error:
            cause = f"{image.path} is no image of a whole card: {error}"
            raise BadMaterialError(cause, "take one of Raspberry Pi OS, as published") from error
        return cls(begin[: min(each.offset for each in table)], boot)


class Written(NamedTuple):
    """An image on a card that has no partition table yet."""

    digests: tuple[bytes, ...]  # of each CHUNK, the first without the head
    system_sha256: str
    found_bytes: int  # were there already, from an earlier attempt


class System:
    """The digest of everything outside of the boot partition, head included."""

    def __init__(self, boot: Slice) -> None:
        self._boot = boot
        self._digest = hashlib.sha256()

    def update(self, offset: int, data: bytes) -> None:
        """Add what is there; in the order of the card, without gaps."""
        self._digest.update(data[: max(0, self._boot.offset - offset)])
        self._digest.update(data[max(0, self._boot.end - offset) :])

    def hexdigest(self) -> str:
        """Return it."""
        return self._digest.hexdigest()


def erase_table(medium: Medium) -> None:
    """Make the card one that does not boot. Raises OSError."""
    medium.write_at(0, bytes(min(CHUNK, medium.size)))
    medium.flush()


def write_body(
    medium: Medium, image: Image, layout: Layout, progress: Progress, watcher: Watcher
) -> Written:
    """Write all but the head. Raises OSError, and BadMaterialError as image.chunks does."""
    watcher.phase("write", image.size)
    system, digests, found, end = System(layout.boot), list[bytes](), 0, 0
    with closing(image.chunks()) as chunks:
        for chunk in chunks:
            system.update(end, chunk)
            begin, end = end, end + len(chunk)
            at = max(begin, len(layout.head))  # which ends in the first chunk
            body = chunk[at - begin :]
            digests.append(hashlib.sha256(body).digest())
            if _is_there(medium, at, body, progress.said_bytes):
                found += len(body)
            else:
                medium.write_at(at, body)
            _reached(medium, end, image.size, progress)
            watcher.done(end)
    return Written(tuple(digests), system.hexdigest(), found)


def read_back(
    medium: Medium, size: int, layout: Layout, digests: Sequence[bytes], watcher: Watcher
) -> None:
    """Compare all of the body with what was written. Raises OSError, NotWrittenError."""
    watcher.phase("verify", size)
    for number, digest in enumerate(digests):
        start = number * CHUNK if number else len(layout.head)
        end = min((number + 1) * CHUNK, size)
        if hashlib.sha256(medium.read_at(start, end - start)).digest() != digest:
            cause = f"what was written at {start:,} bytes reads back differently"
            raise NotWrittenError(cause, _AWAY)
        watcher.done(end)


def complete(medium: Medium, head: bytes) -> None:
    """Write the head, its first sector last, and read it back. Raises OSError, NotWrittenError."""
    medium.write_at(SECTOR, head[SECTOR:])
    medium.flush()
    medium.write_at(0, head[:SECTOR])
    medium.flush()
    if medium.read_at(0, len(head)) != head:
        cause = "the partition table reads back differently"
        raise NotWrittenError(cause, _AWAY)


class Canaries:
    """Blocks beyond the image that only a card of its full size keeps apart.

    A false card has fewer address lines than its size asks for, so one place is another's; or it
    drops what it has no room for. Therefore the last place of the card is written, and every one
    it would be if a line were missing. The image itself must not have come over them either: ask
    once before it is written and once after.
    """

    def __init__(
        self, medium: Medium, image_size: int, chance: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        """Write them. Raises OSError."""
        self._medium = medium
        self._blocks = {at: chance(CANARY_BYTES) for at in _places(medium.size, image_size)}
        for at, block in self._blocks.items():
            medium.write_at(at, block)
        medium.flush()

    def check(self) -> None:
        """Read them back. Raises OSError, NotWrittenError."""
        for at, block in self._blocks.items():
            if self._medium.read_at(at, len(block)) != block:
                cause = f"it has less room than it says: it did not keep what was put at {at:,}"
                raise NotWrittenError(cause, _AWAY)

    def clear(self) -> None:
        """Leave zeros in their place. Raises OSError."""
        for at, block in self._blocks.items():
            self._medium.write_at(at, bytes(len(block)))


def _places(size: int, image_size: int) -> list[int]:
    """Return where canaries go, ascending: beyond the image, at the end of the card the last."""
    last = size - CANARY_BYTES
    folded = {last % (1 << line) for line in range(_LEAST_LINE, _MOST_LINE)}
    return sorted(at for at in folded if image_size <= at <= last)


class _Beginning:
    """The first bytes of an image, to read its partition table from."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self.size = size

    def read_at(self, offset: int, count: int) -> bytes:
        return self._data[offset : offset + count]


def _is_there(medium: Medium, at: int, data: bytes, said_bytes: int) -> bool:
    """Return whether an earlier attempt has left it there; no word is taken for it."""
    return at + len(data) <= said_bytes and medium.read_at(at, len(data)) == data


def _reached(medium: Medium, done: int, size: int, progress: Progress) -> None:
    if done % _FLUSH_EVERY == 0 or done == size:
        medium.flush()
        progress.note(done)
