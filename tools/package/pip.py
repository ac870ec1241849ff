"""The one adapter of pip, the program: fetch wheels, build ours, install for another machine.

Wheels only: nothing is built but ugw itself, for what is built here does not run there.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from tools.package.lock import Pin
from tools.package.target import Target

_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
_NONE: Final = "No matching distribution found"
_LONGEST_S: Final = 1800.0


class NoWheelError(UgwError):
    """There is a distribution, but no wheel of it for that system."""


def download(pins: Iterable[Pin], target: Target, folder: Path) -> None:
    """Fetch their wheels, hashes checked; NoWheelError when one has none for that system."""
    asked = folder / "asked.txt"
    asked.write_text("".join(f"{pin.requirement}\n" for pin in pins), encoding="utf-8")
    try:
        _pip("download", *_for(target), "--no-deps", "--require-hashes", "-d", folder, "-r", asked)
    finally:
        asked.unlink()


def build(sources: Path, folder: Path, epoch_s: int) -> Path:
    """Make ugw's own wheel, with what this environment has; return it."""
    before = set(folder.glob("*.whl"))
    offline = ("--no-index", "--no-deps", "--no-build-isolation")
    _pip("wheel", *offline, "-w", folder, sources, environ={"SOURCE_DATE_EPOCH": str(epoch_s)})
    (made,) = set(folder.glob("*.whl")) - before
    return made


def install(requirements: Path, wheels: Path, target: Target, site: Path) -> None:
    """Put wheels into a folder of modules for that system; nothing else is looked for anywhere."""
    offline = ("--isolated", "--no-index", "--find-links", wheels, "--no-deps")
    into = ("--require-hashes", "--no-compile", "--target", site, "-r", requirements)
    _pip("install", *offline, *_for(target), *into, environ={"PIP_CONFIG_FILE": os.devnull})


def _for(target: Target) -> list[str]:
    platforms = [f"--platform={platform}" for platform in target.platforms]
    python = ["--implementation=cp", f"--python-version={target.python}"]
    return ["--only-binary=:all:", *python, *platforms]


def _pip(*words: str | Path, environ: Mapping[str, str] | None = None) -> None:
    ended = subprocess.run(  # noqa: S603 - our own interpreter's pip, no shell
        [sys.executable, *_PIP, *map(str, words)],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if ended.returncode != 0:
        raise _error(str(words[0]), ended.stderr)


def _error(what: str, said: str) -> UgwError:
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if "ERROR" in line]
    last = errors[-1] if errors else said.strip()[-400:]
    kind = NoWheelError if _NONE in said else UgwError
    return kind(f"pip {what} failed: {last}")
