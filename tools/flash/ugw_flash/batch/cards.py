"""Card after card in the same reader, or an image file for each.

The first card is confirmed by a person; each later one has to appear in the same reader, and no
card that was made in this run is written again. One that may not be written is said, and another
one waited for.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ugw_flash.batch.desk import Desk
from ugw_flash.batch.planning import Job
from ugw_flash.batch.row import seed_of
from ugw_flash.batch.run import Made, WaitedInVainError
from ugw_flash.card.journal import Journal
from ugw_flash.card.target import Target, disk_target, file_target
from ugw_flash.card.work import CardOrder, Rehearsed, make_rehearsed, rehearse
from ugw_flash.disks.choice import Ask, Pause, Wanted, choose, choose_next
from ugw_flash.disks.model import Disk, DiskSource
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError, NoDeviceError, RefusedError
from ugw_flash.progress import Watcher

TRIES: Final = 5  # cards that are refused, until the row is given up

Watch = Callable[[str], AbstractContextManager[Watcher]]
"""Shows the progress of one gateway."""
Targets = Callable[[Job, int], Target]
"""Returns where a job's card goes, of so many bytes. Raises RefusedError, WaitedInVainError."""


class CardMaker:
    """Makes the cards of a run."""

    def __init__(
        self,
        targets: Targets,
        watch: Watch,
        *,
        tries: int = TRIES,
        journal: Journal | None = None,
        overwrite: bool = False,
    ) -> None:
        """`overwrite`: also another gateway's card, unless it was made in this run."""
        self._targets = targets
        self._watch = watch
        self._tries = tries
        self._journal = journal
        self._overwrite = overwrite
        self._made: set[str] = set()

    def __call__(self, job: Job, claim: Claim | None, desk: Desk) -> Made:
        """Make one card."""
        with self._watch(job.gateway) as watcher:
            rehearsed = rehearse(card_order_of(job, claim, desk), watcher)
        for _ in range(self._tries - 1):
            try:
                return self._on_next(job, rehearsed)
            except RefusedError as error:
                with self._watch(job.gateway) as watcher:
                    watcher.say(f"Not this card: {error}. The remedy: {error.remedy}.")
        return self._on_next(job, rehearsed)

    def _on_next(self, job: Job, rehearsed: Rehearsed) -> Made:
        target = self._targets(job, rehearsed.image.size)
        with self._watch(job.gateway) as watcher:
            result = make_rehearsed(
                rehearsed,
                target,
                watcher,
                journal=self._journal,
                may_replace=lambda other: self._may_replace(other, job),
            )
        self._made.add(job.gateway)
        return Made(result.serial, result.image.sha256)

    def _may_replace(self, other: str, job: Job) -> bool:
        return other == job.gateway or (self._overwrite and other not in self._made)


def card_order_of(job: Job, claim: Claim | None, desk: Desk) -> CardOrder:
    """Return what a card is to become. Raises as `seed_of` does."""
    image = job.opened.profile.image
    if image is None:
        cause = f"{job.opened.path} names no image"
        raise BadMaterialError(cause, "a card needs one")
    seed = seed_of(job.row, job.opened, claim, desk)
    return CardOrder(job.opened.place(image.path), image.sha256, seed)


def into(folder: Path) -> Targets:
    """Return targets that are new files: GATEWAY.img in a folder."""
    return lambda job, _size: file_target(folder / f"{job.gateway}.img")


class Asking(NamedTuple):
    """How a person is asked for cards."""

    ask: Ask | None  # None: --yes was said
    pause: Pause
    talk: Watcher


def reader(source: DiskSource, wanted: Wanted, asking: Asking) -> Targets:
    """Return targets that are cards, one after the other in the reader of the first."""
    last: list[Disk] = []

    def target(_job: Job, size: int) -> Target:
        ask, pause, talk = asking
        if last:
            wait = partial(choose_next, source, last[-1])
        else:
            wait = partial(choose, source, wanted, ask=ask)
        try:
            disk = wait(needed_bytes=size, watcher=talk, pause=pause)
        except NoDeviceError as error:
            raise WaitedInVainError(str(error), error.remedy) from error
        except KeyboardInterrupt as interruption:
            interruption.add_note("No card is half written.")
            raise
        last[:] = [disk]
        return disk_target(disk, source)

    return target
