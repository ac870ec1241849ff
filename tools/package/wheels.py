"""The wheels of one package: what the lock asks for, by its hashes, and ugw's own.

Where an author publishes no wheel for a machine, whoever makes the package may bring one: of the
locked version, and for that machine. All that are missing are said at once.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from gateway.errors import UgwError
from tools.package import pip
from tools.package.lock import Pin
from tools.package.target import Target

Download = Callable[[Iterable[Pin], Target, Path], None]

_REMEDY: Final = (
    "Fetch or build those wheels for it (piwheels has most), and name their folder: "
    "WHEELS=FOLDER. It takes fewer without vendors' codecs and PDF reports: BARE=1."
)


def gather(
    pins: Sequence[Pin],
    target: Target,
    folder: Path,
    brought: Path | None = None,
    download: Download = pip.download,
) -> None:
    """Fill a folder with a wheel for each; UgwError names those that are nowhere."""
    try:
        download(pins, target, folder)
    except pip.NoWheelError:
        # pip names but one of them, and keeps none of the others.
        missing = [pin for pin in pins if not _downloaded(pin, target, folder, download)]
        _take(missing, target, folder, _brought(brought, target))


def _downloaded(pin: Pin, target: Target, folder: Path, download: Download) -> bool:
    try:
        download([pin], target, folder)
    except pip.NoWheelError:
        return False
    return True


def _take(missing: Iterable[Pin], target: Target, folder: Path, there: Mapping[str, Path]) -> None:
    nowhere = [pin for pin in missing if str(pin) not in there]
    if nowhere:
        names = ", ".join(map(str, nowhere))
        cause = f"there is no wheel for {target} of: {names}"
        raise UgwError(cause, _REMEDY)
    for pin in missing:
        shutil.copy2(there[str(pin)], folder)


def _brought(folder: Path | None, target: Target) -> dict[str, Path]:
    """Return the wheels of that folder that run there, by name and version."""
    if folder is None:
        return {}
    if not folder.is_dir():
        cause = f"{folder} is no folder of wheels"
        raise UgwError(cause)
    runs = frozenset(target.tags())
    found: dict[str, Path] = {}
    for wheel in sorted(folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename as error:
            cause = f"{wheel} is not named as a wheel is"
            raise UgwError(cause) from error
        if runs & tags:
            found[f"{canonicalize_name(name)} {version}"] = wheel
    return found


def requirements(folder: Path) -> str:
    """Return the lock of exactly these files, in the order of their names."""
    return "".join(f"{_locked(wheel)}\n" for wheel in sorted(folder.glob("*.whl")))


def _locked(wheel: Path) -> str:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return f"{name}=={version} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}"
