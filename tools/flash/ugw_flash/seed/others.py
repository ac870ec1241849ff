"""What lies on a boot partition beside the seed: firmware, kernel, overlays.

None of it is ours, and a gateway boots from it: a digest of each tells whether one was damaged.
"""

from collections.abc import Iterator
from typing import Final

from ugw_flash.fat import BootPartition
from ugw_flash.seed import record
from ugw_flash.seed.files import CLOUD_INIT_FILES, FIRSTRUN
from ugw_flash.seed.flavour import CMDLINE

_OURS: Final = frozenset({"ugw", CMDLINE, FIRSTRUN, *CLOUD_INIT_FILES})
# Desktops leave these on whatever is inserted, and change them whenever it is (macOS: .fseventsd).
_OF_DESKTOPS: Final = ("system volume information", "$recycle.bin", ".")


def digests_of_others(partition: BootPartition) -> dict[str, str]:
    """Return the SHA-256 of every file that is no part of a seed, by its name."""
    return {name: record.sha256(partition.read(name)) for name in sorted(_others(partition))}


def _others(partition: BootPartition) -> Iterator[str]:
    for top in partition.listdir():
        somebodys = top.lower().startswith(_OF_DESKTOPS) or not top.isascii()
        if top.lower() in _OURS or somebodys:
            continue
        if partition.is_folder(top):
            yield from (name for name, folder in partition.walk(top) if not folder)
        else:
            yield top
