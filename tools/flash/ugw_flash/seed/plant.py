"""Puts a seed onto the boot partition of a card, instead of the one there may be.

Nothing is written before all of it is known to be right: the seed, its configuration, the room.
The record is written last, when all else is on the medium: a card on which this was interrupted
has none, or one that does not fit, and is not taken for a good one.
"""

from typing import Final

from ugw_flash.card.medium import Medium
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError
from ugw_flash.progress import Watcher
from ugw_flash.seed import record
from ugw_flash.seed.configuration import read_configuration
from ugw_flash.seed.files import FIRSTRUN, render
from ugw_flash.seed.fitting import refuse_misfit
from ugw_flash.seed.flavour import CMDLINE, flavour
from ugw_flash.seed.model import ImageFacts, Seed
from ugw_flash.seed.others import digests_of_others

_SPARE_BYTES: Final = 1 << 20  # for folders, and for what the first boot writes down
_OURS: Final = record.FOLDER.rstrip("/")


def plant(boot: Medium, seed: Seed, image: ImageFacts, watcher: Watcher) -> str:
    """Write a seed, and return the digest of its record; `read_back` says what became of it.

    Raises SeedError with all that is wrong with the seed or its configuration, BadMaterialError
    when this is no boot partition of a Raspberry Pi or it has no room (nothing was written then),
    OSError when the medium fails (the card has no seed then).
    """
    with BootPartition(boot) as partition:
        files = rehearse(partition, seed, image)
        watcher.phase("seed", sum(map(len, files.values())))
        _clear(partition, files)
        done = 0
        for name, content in files.items():
            if name == record.NAME:
                partition.flush()
            partition.write(name, content)
            done += len(content)
            watcher.done(done)
    return record.sha256(files[record.NAME])


def rehearse(partition: BootPartition, seed: Seed, image: ImageFacts) -> dict[str, bytes]:
    """Do all but write: return the files. Raises as `plant` does."""
    kind, others = flavour(partition), digests_of_others(partition)
    refuse_misfit(seed.package.name, image, kind)
    files = render(seed, kind, image, partition.read(CMDLINE), others)
    read_configuration(files, seed.gateway, seed.org)
    _refuse_full(partition, files)
    return files


def _refuse_full(partition: BootPartition, files: dict[str, bytes]) -> None:
    needed = sum(partition.room_for(len(content)) for content in files.values()) + _SPARE_BYTES
    replaced = {name for name in files if partition.exists(name)}
    if partition.exists(_OURS):
        replaced |= {name for name, is_folder in partition.walk(_OURS) if not is_folder}
    room = partition.free() + sum(map(partition.size_of, replaced))
    if needed > room:
        cause = (
            f"the seed needs {needed / 1e6:.1f} MB on the boot partition, "
            f"which has room for {room / 1e6:.1f} MB"
        )
        raise BadMaterialError(
            cause, remedy="take an image with a larger one, or a smaller package"
        )


def _clear(partition: BootPartition, files: dict[str, bytes]) -> None:
    """Remove an earlier seed, its record with it."""
    if partition.exists(_OURS):
        for name, _ in [*partition.walk(_OURS)]:
            partition.remove(name)
    if FIRSTRUN not in files and partition.exists(FIRSTRUN):
        partition.remove(FIRSTRUN)
