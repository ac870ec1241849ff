"""Whether image and package are for the same Debian and processor, as far as a desk can tell.

A package of another Debian is refused by dpkg at the first boot: on site, where nobody can mend
it. What is known here are the names, as Raspberry Pi and `make package` give them, and whether
the image has cloud-init. A file under a name of somebody's own is not judged.
"""

import re
from collections.abc import Collection
from typing import Final

from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import ImageFacts

_RELEASES: Final = {"bookworm": 12, "trixie": 13}
_PROCESSORS: Final = ("arm64", "armhf")
_PACKAGE: Final = re.compile(r".+\+deb([0-9]+)_([a-z0-9]+)\.deb")


def refuse_misfit(package: str, image: ImageFacts, kind: Flavour) -> None:
    """Compare the package's file name with the image. Raises BadMaterialError."""
    made_for = _PACKAGE.fullmatch(package)
    if made_for is None:
        return
    words = re.split(r"[^a-z0-9]+", image.name.lower())
    releases = {str(number) for name, number in _RELEASES.items() if name in words}
    if kind is Flavour.CLOUD_INIT and not releases:
        releases = {str(_RELEASES["trixie"])}  # the first with cloud-init
    _refuse(package, image, f"Debian {made_for[1]}", {f"Debian {each}" for each in releases})
    _refuse(package, image, made_for[2], set(_PROCESSORS).intersection(words))


def _refuse(package: str, image: ImageFacts, made_for: str, needed: Collection[str]) -> None:
    if not needed or made_for in needed:
        return
    cause = f"{package} is made for {made_for}, and {image.name} is {' or '.join(sorted(needed))}"
    remedy = "make the other one (make package ARCH=... SUITE=...), or take the image it is for"
    raise BadMaterialError(cause, remedy=remedy)
