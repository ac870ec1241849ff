"""Wheels of a few lines, for tests of what is made of wheels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zipfile import ZipFile

PURE: Final = "py3-none-any"
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"


def wheel(
    folder: Path,
    name: str = "tiny",
    version: str = "1.0",
    tag: str = PURE,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Make one with a module and a program; `files` are put beside the module."""
    path = folder / f"{name}-{version}-{tag}.whl"
    about = f"{name}-{version}.dist-info"
    contents: dict[str, str | bytes] = {
        f"{name}/__init__.py": "def main(): pass\n",
        **(files or {}),
        f"{about}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        "License-Expression: MIT\n",
        f"{about}/WHEEL": _WHEEL.format(tag=tag),
        f"{about}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    contents[f"{about}/RECORD"] = "".join(f"{each},,\n" for each in [*contents, f"{about}/RECORD"])
    with ZipFile(path, "w") as archive:
        for each, content in contents.items():
            archive.writestr(each, content)
    return path
