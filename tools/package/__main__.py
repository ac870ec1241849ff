"""Make the packages for one system: python -m tools.package ARCHITECTURE SUITE.

Writes nothing but finished, inspected files.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from gateway.errors import UgwError
from gateway.version import __version__
from tools.package import deb, environment, inspection, lock, pip, wheelhouse, wheels
from tools.package.target import MACHINES, RELEASES, Target

ROOT: Final = Path(__file__).resolve().parents[2]
_MEGABYTE: Final = 1_000_000


class Order(NamedTuple):
    """What is to be made, and where it goes."""

    target: Target
    pins: Sequence[lock.Pin]
    brought: Path | None
    folder: Path
    epoch_s: int  # the time that every file in it has


def main() -> None:
    """Read the order, make it, say what was made."""
    try:
        for made in make(_order(sys.argv[1:])):
            digest = sha256(made.read_bytes()).hexdigest()
            size = made.stat().st_size / _MEGABYTE
            sys.stdout.write(f"Made {made} ({size:.1f} MB)\n  sha256 {digest}\n")
    except UgwError as error:
        sys.exit(f"ugw: {error}\n{error.remedy}".rstrip())


def make(order: Order) -> list[Path]:
    """Make the .deb and the wheelhouse; return them. UgwError says why not, and leaves nothing."""
    target, epoch_s = order.target, order.epoch_s
    with TemporaryDirectory(prefix="ugw-package-") as scratch:
        work = Path(scratch)
        folder, root = work / "wheels", work / "root"
        folder.mkdir()
        wheels.gather(order.pins, target, folder, order.brought)
        pip.build(ROOT, folder, epoch_s)
        requirements = work / "requirements.txt"
        requirements.write_text(wheels.requirements(folder), encoding="utf-8")
        site = environment.make(root, requirements, folder, target)
        deb.fill(root, ROOT, site)
        package = deb.build(root, __version__, target, epoch_s, work)
        _inspected(package, target, [scratch, str(ROOT), sys.prefix])
        name = f"{deb.NAME}-{__version__}-wheelhouse-{target.suite}-{target.architecture}"
        house = wheelhouse.build(folder, ROOT, target, epoch_s, work / f"{name}.tar")
        order.folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.move(made, order.folder / made.name)) for made in (package, house)]


def _inspected(package: Path, target: Target, traces: Sequence[str]) -> None:
    if found := inspection.findings(package, target, traces):
        listed = "".join(f"\n  {words}" for words in found)
        cause = f"the package is not what it should be:{listed}"
        raise UgwError(cause)


def _order(words: Sequence[str]) -> Order:
    parser = argparse.ArgumentParser(prog="python -m tools.package", description=__doc__)
    parser.add_argument("architecture", choices=MACHINES)
    parser.add_argument("suite", choices=RELEASES)
    parser.add_argument(
        "--wheels", type=Path, help="wheels for that machine whose authors publish none"
    )
    parser.add_argument(
        "--bare", action="store_true", help="without vendors' codecs and PDF reports"
    )
    parser.add_argument("--to", type=Path, default=Path("dist"), help="the folder they go into")
    asked = parser.parse_args(words)
    target = Target.of(asked.architecture, asked.suite)
    return Order(target, _pins(target, bare=asked.bare), asked.wheels, asked.to, _epoch_s())


def _pins(target: Target, *, bare: bool) -> list[lock.Pin]:
    """Return what is installed; bare: what ugw runs on, without what its extras add."""
    pins = {
        name: lock.pins((ROOT / f"tools/lock/{name}.txt").read_text(encoding="utf-8"), target)
        for name in ("package", "run")
    }
    needed = {pin.name for pin in pins["run"]}
    return [pin for pin in pins["package"] if not bare or pin.name in needed]


def _epoch_s() -> int:
    """Return the time that the files get: SOURCE_DATE_EPOCH, else that of the last commit."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    asked = subprocess.run(  # noqa: S603 - our own words, no shell
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"],  # noqa: S607 - the one used here
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode != 0:
        cause = "the sources are no checkout"
        raise UgwError(cause, "Say what time their files have: SOURCE_DATE_EPOCH, Unix seconds.")
    return int(asked.stdout)


if __name__ == "__main__":
    main()
