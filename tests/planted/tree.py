"""A copy of this checkout to plant defects in, with an environment that runs the copy.

Whatever a test starts there (`python -m gateway`, the command ugw) is the copy's, planted or not,
and no byte compiled from one is taken for the other. The checkout itself is never written to.
"""

import compileall
import os
import py_compile
import shutil
import sys
import sysconfig
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.planted.defect import Defect

ROOT: Final = Path(__file__).resolve().parents[2]
# What has been built, rather than written; of it the tests use some, and change none.
_LEFT_OUT: Final = ("__pycache__", ".git", ".venv*", ".cache", ".*_cache", ".hypothesis", "build")
_LINKED: Final = (".cache", ".venv-esptool", ".venv-differential")
_COMPILED: Final = ("gateway", "drivers", "tools")


class Tree:
    """A folder with all that the tests read; `python` is the interpreter that imports from it."""

    def __init__(self, root: Path, source: Path = ROOT) -> None:
        self.root = root
        self.python = root / ".venv" / "bin" / "python"
        _copy(source, root)
        _make_environment(root / ".venv", root)

    @contextmanager
    def planted(self, defect: Defect) -> Generator[None]:
        """Plant a defect, and take it out again."""
        path = self.root / defect.file
        sound = path.read_text(encoding="utf-8")
        path.write_text(sound.replace(defect.before, defect.after), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(sound, encoding="utf-8")


def _copy(source: Path, root: Path) -> None:
    left_out = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(source, root, ignore=left_out, symlinks=True, dirs_exist_ok=True)
    for name in _LINKED:
        if (source / name).exists():
            (root / name).symlink_to(source / name)
    # By its hash, for a defect planted and taken out within a second leaves no other mark.
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    for name in _COMPILED:
        compileall.compile_dir(root / name, quiet=2, invalidation_mode=checked)


def _make_environment(environment: Path, root: Path) -> None:
    """Make this environment anew of links, with the copy installed where this checkout is."""
    here = Path(sys.prefix)
    scripts, packages = (Path(sysconfig.get_path(name)) for name in ("scripts", "purelib"))
    for folder in (scripts, packages):
        (environment / folder.relative_to(here)).mkdir(parents=True)
    shutil.copy(here / "pyvenv.cfg", environment)
    moved = {bytes(here): bytes(environment), bytes(ROOT): bytes(root)}
    for entry in (*scripts.iterdir(), *packages.iterdir()):
        own = environment / entry.relative_to(here)
        if entry.suffix == ".pth" or _is_script(entry):
            own.write_bytes(_replaced(entry.read_bytes(), moved))
            own.chmod(entry.stat().st_mode)
        else:
            own.symlink_to(os.path.realpath(entry))


def _is_script(path: Path) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _replaced(text: bytes, moved: dict[bytes, bytes]) -> bytes:
    for before, after in moved.items():
        text = text.replace(before, after)
    return text
