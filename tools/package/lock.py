"""What tools/lock/package.txt locks: names, versions, hashes, and for which systems.

Pure. A line without a version or without a hash is refused: nothing unlocked is installed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from gateway.errors import UgwError
from tools.package.target import Target

_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class Pin(NamedTuple):
    """One distribution, in the one version that may be installed."""

    name: str  # in its normal form
    version: Version
    hashes: tuple[str, ...]  # sha256:..., any of its files

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def requirement(self) -> str:
        """The line that pip checks it by."""
        return " ".join(
            [f"{self.name}=={self.version}", *(f"--hash={one}" for one in self.hashes)]
        )


def pins(text: str, target: Target) -> list[Pin]:
    """Return what a lock asks for on that system; UgwError for a line that locks nothing."""
    return list(_pins(text.replace("\\\n", " ").splitlines(), target))


def _pins(lines: Iterable[str], target: Target) -> Iterator[Pin]:
    for line in lines:
        hashes = tuple(_HASH.findall(line))
        written = _HASH.sub("", line).strip()
        if not written or written.startswith("#"):
            continue
        requirement = _requirement(written)
        if requirement.marker is None or requirement.marker.evaluate(dict(target.markers())):
            yield _pin(requirement, hashes)


def _requirement(written: str) -> Requirement:
    try:
        return Requirement(written)
    except InvalidRequirement as error:
        cause = f"the lock has a line that is no requirement: {written}"
        raise UgwError(cause) from error


def _pin(requirement: Requirement, hashes: tuple[str, ...]) -> Pin:
    versions = [each.version for each in requirement.specifier if each.operator == "=="]
    if len(versions) != 1 or not hashes:
        cause = f"the lock does not lock {requirement.name}: it needs one version and its hashes"
        raise UgwError(cause, "Write it anew: make lock")
    return Pin(canonicalize_name(requirement.name), Version(versions[0]), hashes)
