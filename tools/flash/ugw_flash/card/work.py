"""A card from blank to complete: image, read back, seed, seed read back, partition table.

A card that was not completed does not boot, and `verify_card` says so of it, wherever it was that
power, card or patience ended. What goes wrong says what state the card is in.
"""

import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.errors import UgwError
from ugw_flash.card.image import CHUNK, Image
from ugw_flash.card.journal import Journal
from ugw_flash.card.medium import FileMedium, Medium, Readable, Window
from ugw_flash.card.raw import failure, went_away
from ugw_flash.card.table import Slice, boot_slice
from ugw_flash.card.target import Target
from ugw_flash.card.write import (
    Canaries,
    Layout,
    System,
    complete,
    erase_table,
    read_back,
    write_body,
)
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError
from ugw_flash.progress import Watcher
from ugw_flash.seed import plant as planting
from ugw_flash.seed.model import ImageFacts, Seed
from ugw_flash.seed.read_back import Planted, remembered
from ugw_flash.seed.read_back import read_back as read_seed

_ANEW: Final = "make it anew: ugw flash pi"


class CardOrder(NamedTuple):
    """What is to be made."""

    image: Path
    sha256: str  # of the image file, as it was published
    seed: Seed


class CardResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was made: complete, and all of it read back."""

    target: str
    serial: str  # of the card or its reader; empty: it has none
    size: int  # of the card, bytes
    gateway: str
    image: ImageFacts
    found_bytes: int  # were there already, from an earlier attempt


class CardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a card is that is in order."""

    planted: Planted
    compared: bool  # all of it; False: a gateway has booted from it, which changes it


class Rehearsed(NamedTuple):
    """An order of which all is known to be right that can be known without a card."""

    order: CardOrder
    image: Image
    layout: Layout


def rehearse(order: CardOrder, watcher: Watcher) -> Rehearsed:
    """Check the image, and the seed against its boot partition: all that needs no card.

    Raises BadMaterialError, SeedError among them with every finding.
    """
    image = Image.open(order.image, order.sha256, watcher)
    layout = Layout.of(image)
    watcher.phase("check seed", layout.boot.end)
    unknown = ImageFacts(image.path.name, image.sha256, image.size, "0" * 64)
    try:
        with _boot_alone(image, layout.boot, watcher) as boot, BootPartition(boot) as partition:
            planting.rehearse(partition, order.seed, unknown)
    except OSError as error:
        cause = f"there is no room to check the seed: {error.strerror or error}"
        raise UgwError(
            cause, f"free {layout.boot.size / 1e6:.0f} MB for temporary files"
        ) from error
    return Rehearsed(order, image, layout)


def make_card(
    order: CardOrder,
    target: Target,
    watcher: Watcher,
    *,
    journal: Journal | None = None,
    may_replace: Callable[[str], bool] = lambda _gateway: True,
) -> CardResult:
    """Make a card. `may_replace` is asked about the gateway whose card it is by now.

    Raises BadMaterialError before anything is written, RefusedError and NoDeviceError as the
    target says, NotWrittenError. KeyboardInterrupt gets a note on the state of the card.
    """
    rehearsed = rehearse(order, watcher)
    return make_rehearsed(rehearsed, target, watcher, journal=journal, may_replace=may_replace)


def make_rehearsed(
    rehearsed: Rehearsed,
    target: Target,
    watcher: Watcher,
    *,
    journal: Journal | None = None,
    may_replace: Callable[[str], bool] = lambda _gateway: True,
) -> CardResult:
    """Make a card of an order that was rehearsed. Raises as `make_card` does."""
    (order, image, layout), state = rehearsed, _State(target.name)
    for path in (order.image, order.seed.package):
        _refuse_on(path, target)
    with _stated(state, watcher), target.open(image.size) as medium:
        _refuse_made(medium, may_replace)
        progress = _Progress(journal, target.key, image.sha256)
        target.recheck()
        state.is_begun()
        facts, found = _write(medium, image, layout, progress, watcher)
        window = Window(medium, layout.boot.offset, layout.boot.size)
        read_seed(window, planting.plant(window, order.seed, facts, watcher))
        complete(medium, layout.head)
        state.is_complete()
        progress.forget()
        size = medium.size
    return CardResult(
        target=target.name,
        serial=target.serial,
        size=size,
        gateway=order.seed.gateway,
        image=facts,
        found_bytes=found,
    )


def verify_card(medium: Medium, watcher: Watcher) -> CardFacts:
    """Read a card and say whether it is complete and unchanged.

    Raises NotWrittenError, BadMaterialError: it must not be used; NoDeviceError. Nothing is
    written.
    """
    try:
        return _verified(medium, watcher)
    except OSError as error:
        if went_away(error):
            cause = "the card went away while it was read"
            raise NoDeviceError(cause, "insert it again") from error
        cause = f"the card cannot be read: {error.strerror or error}"
        raise NotWrittenError(cause, "take another card, or another reader") from error


def _verified(medium: Medium, watcher: Watcher) -> CardFacts:
    try:
        boot = boot_slice(medium)
    except BadMaterialError as error:
        cause = f"the card was never completed: {error}"
        raise NotWrittenError(cause, _ANEW) from error
    planted = read_seed(Window(medium, boot.offset, boot.size))
    # A card that has booted was changed by the system, also where it was given another seed since.
    as_made = planted.first_boot is None and bool(planted.image.system_sha256)
    if as_made:
        _compare_system(medium, boot, planted.image, watcher)
    return CardFacts(planted=planted, compared=as_made)


def _refuse_made(medium: Medium, may_replace: Callable[[str], bool]) -> None:
    """Raise RefusedError for the card of a gateway that must not be replaced.

    One that has run keeps observations, whatever became of its seed since.
    """
    try:
        boot = boot_slice(medium)
        window = Window(medium, boot.offset, boot.size)
        card = remembered(window)
        if not card.has_booted:
            read_seed(window)
    except UgwError:
        return  # no card of ours, or one that was not completed
    if not may_replace(card.gateway):
        cause = f"this card is that of {card.gateway}, made and complete"
        raise RefusedError(cause, "insert another; or say --again, in a batch --overwrite")


def _refuse_on(path: Path, target: Target) -> None:
    """Raise RefusedError for what would be gone before it is read."""
    if target.holds(path):
        cause = f"{path} lies on {target.name} itself; nothing was written"
        raise RefusedError(cause, "copy it to this computer, or insert another card")


def _write(
    medium: Medium, image: Image, layout: Layout, progress: "_Progress", watcher: Watcher
) -> tuple[ImageFacts, int]:
    erase_table(medium)
    canaries = Canaries(medium, image.size)
    canaries.check()
    written = write_body(medium, image, layout, progress, watcher)
    read_back(medium, image.size, layout, written.digests, watcher)
    canaries.check()
    canaries.clear()
    facts = ImageFacts(image.path.name, image.sha256, image.size, written.system_sha256)
    return facts, written.found_bytes


@contextmanager
def _boot_alone(image: Image, boot: Slice, watcher: Watcher) -> Generator[Medium]:
    """Unpack the boot partition, which is near the beginning. What is empty takes no room."""
    with ExitStack() as opened:
        path = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "boot"
        path.touch()
        copy = opened.enter_context(FileMedium(path, writable=True))
        copy.write_at(boot.size - 1, bytes(1))
        end, chunks = 0, opened.enter_context(closing(image.chunks()))
        while end < boot.end:
            chunk = next(chunks)
            begin, end = end, end + len(chunk)
            part = chunk[max(0, boot.offset - begin) : max(0, boot.end - begin)]
            if part.count(0) != len(part):
                copy.write_at(max(begin, boot.offset) - boot.offset, part)
            watcher.done(min(end, boot.end))
        yield copy


def _compare_system(medium: Readable, boot: Slice, image: ImageFacts, watcher: Watcher) -> None:
    watcher.phase("verify", image.size)
    system = System(boot)
    for offset in range(0, min(image.size, medium.size), CHUNK):
        data = medium.read_at(offset, min(CHUNK, image.size - offset))
        system.update(offset, data)
        watcher.done(offset + len(data))
    if system.hexdigest() != image.system_sha256:
        cause = f"what the card has of {image.name} is not what was written"
        remedy = f"{_ANEW} (a desktop that has mounted its root file system changes it, too)"
        raise NotWrittenError(cause, remedy)


class _Progress:
    """What the journal knows of this card and this image; without a journal, nothing."""

    def __init__(self, journal: Journal | None, card: str, image_sha256: str) -> None:
        self._journal = journal
        self._about = (card, image_sha256)
        self.said_bytes = journal.said(*self._about) if journal else 0

    def note(self, done_bytes: int) -> None:
        """Keep how far it came; what an earlier attempt has left counts until it is passed."""
        if self._journal and done_bytes > self.said_bytes:
            self._journal.note(*self._about, done_bytes)

    def forget(self) -> None:
        """Drop it, for the card is complete."""
        if self._journal:
            self._journal.forget(*self._about)


class _State:
    """What state the card is in, in one sentence."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.text = f"nothing was written to {target}"

    def is_begun(self) -> None:
        """Something may be written from now on."""
        self.text = (
            f"{self._target} is not complete and does not boot;"
            " the same command goes on where this one ended"
        )

    def is_complete(self) -> None:
        """Everything is as it shall be."""
        self.text = f"{self._target} is complete"


@contextmanager
def _stated(state: _State, watcher: Watcher) -> Generator[None]:
    """Have whatever ends the work say what state the card is in."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        interruption.add_note(state.text)
        raise
    except NotWrittenError as error:
        cause = f"{error}; {state.text}"
        raise NotWrittenError(cause, error.remedy) from error
    except UgwError:
        watcher.say(state.text)
        raise
    except OSError as error:
        raise failure(error, state.text) from error
