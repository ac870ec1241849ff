"""How an image is customised at its first boot: told by what lies on its boot partition.

Whoever takes the wrong way gets a gateway that boots and has none of it (rpi-imager, doc/
os_customisation_formats.md): what is neither way is refused.
"""

from enum import StrEnum
from typing import Final

from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError

CMDLINE: Final = "cmdline.txt"
_CLOUD_INIT: Final = ("user-data", "meta-data")
_RASPBERRY_PI: Final = (CMDLINE, "config.txt")


class Flavour(StrEnum):
    """Who reads the seed."""

    CLOUD_INIT = "cloud-init"  # Raspberry Pi OS of Debian 13 (Trixie), from its second release on
    FIRSTRUN = "firstrun"  # before that: a script that the kernel's command line names, once


def flavour(partition: BootPartition) -> Flavour:
    """Tell how the image is customised. Raises BadMaterialError when it is none of a Pi."""
    missing = [name for name in _RASPBERRY_PI if not partition.exists(name)]
    if missing:
        cause = f"no Raspberry Pi boots from this partition: {' and '.join(missing)} are not there"
        raise BadMaterialError(cause, remedy="take an image of Raspberry Pi OS, as published")
    if all(partition.exists(name) for name in _CLOUD_INIT):
        return Flavour.CLOUD_INIT
    return Flavour.FIRSTRUN
