"""The machine as the links ask it: its files, its disks, its programs. Nothing here changes it.

Whatever is not there, not allowed or does not answer in time is None: the link says what that
means.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, Protocol

import msgspec

_LIMIT_S: Final = 5.0
# A service's user has no sbin in its path, and `ip` may be there.
_ALSO: Final = "/usr/sbin:/sbin:/usr/bin:/bin"
_MOST_BYTES: Final = 65_536


class Medium(msgspec.Struct, frozen=True):
    """What a folder lies on."""

    read_only: bool
    free_bytes: int


class Machine(Protocol):
    """What the links need of a machine; tests hand in their own."""

    def read(self, path: str) -> str | None:
        """Return a small file's text, without the blanks around it."""
        ...

    def paths(self, pattern: str) -> list[str]:
        """Return the absolute paths that a pattern fits, sorted."""
        ...

    def run(self, *words: str) -> str | None:
        """Return what a program says that ends well."""
        ...

    def medium(self, path: Path) -> Medium | None:
        """Return what a folder lies on, or its nearest parent that is there."""
        ...


class ThisMachine:
    """This one; below `root`, for tests, what it would read in /."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self, path: str) -> str | None:
        """Return a small file's text, without the blanks around it."""
        try:
            with (self._root / path.lstrip("/")).open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            return None
        return text.strip("\0 \t\r\n")  # a device tree's texts end with a NUL

    def paths(self, pattern: str) -> list[str]:
        """Return the absolute paths that a pattern fits, sorted."""
        found = self._root.glob(pattern.lstrip("/"))
        return sorted(f"/{path.relative_to(self._root)}" for path in found)

    def run(self, *words: str) -> str | None:
        """Return what a program says that ends well; it is told no secret and gets no input."""
        program = shutil.which(words[0], path=f"{os.environ.get('PATH', '')}:{_ALSO}")
        if program is None:
            return None
        try:
            ended = subprocess.run(  # noqa: S603 - our own words, no shell
                [program, *words[1:]],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_LIMIT_S,
                check=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return ended.stdout.decode("utf-8", "replace").strip()

    def medium(self, path: Path) -> Medium | None:
        """Return what a folder lies on, or its nearest parent that is there."""
        for each in (path, *path.parents):
            try:
                found = os.statvfs(self._root / str(each).lstrip("/"))
            except OSError:
                continue
            return Medium(bool(found.f_flag & os.ST_RDONLY), found.f_bavail * found.f_frsize)
        return None
