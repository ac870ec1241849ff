"""What the repository may not hold: the host of a package index, or a path of one machine.

Packages come from wherever the machine is set up to get them; a path of one machine is wrong on
every other.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {
    ".cache",
    ".git",
    ".hypothesis",
    ".venv",
    ".venv-differential",
    ".venv-esptool",
    ".venv-fuzz",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
}
# Written so that this file does not hold what it looks for.
INDEXES = (
    "pypi",
    "pythonhosted",
    "piwheels",
    "deb.debian",
    "registry.npmjs",
    "crates",
    "proxy.golang",
)
FORBIDDEN = re.compile(
    r"\b(?:" + "|".join(map(re.escape, INDEXES)) + r")\.(?:org|io)\b"
    r"|(?<![\w.~])/(?:root|work|Users)/\w"
)


def _files() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if _is_ours(name))
        paths = (Path(folder, name) for name in sorted(files) if _is_ours(name))
        yield from (path for path in paths if path.is_file())


def _is_ours(name: str) -> bool:
    return name not in NOT_OURS and not name.endswith("_cache")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except UnicodeDecodeError:  # a picture or a capture: nobody reads a host in it
        return []


@pytest.mark.parametrize(
    "text", ["https://pypi." + "org/simple", "see /root" + "/notes", "/work" + "/main/x"]
)
def test_the_needle_is_seen(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize(
    "text", ["https://apache.org/licenses", "docs/work/x", "~/root/x", "pypi"]
)
def test_what_is_no_needle_passes(text: str) -> None:
    assert not FORBIDDEN.search(text)


def test_no_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    findings = [
        f"{path.relative_to(ROOT)}:{number}: {found.group()}"
        for path in _files()
        for number, line in enumerate(_lines(path), 1)
        if (found := FORBIDDEN.search(line))
    ]
    assert not findings, "\n".join(
        [*findings, "The remedy: leave it to the machine, or pass it in."]
    )
