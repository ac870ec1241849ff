"""A large file of faults is told in a time that grows with its size, not with its square.

Counted in calls, not in seconds: a file of 1 MB, the largest that is read, may not stop a start.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from gateway.config import InvalidConfigError, load

FEW = 500


def calls(path: Path, text: str) -> int:
    """Return how many calls it takes to tell what is wrong with a configuration."""
    path.write_text(text)
    counted = 0

    def count(_frame: FrameType, event: str, _: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        with pytest.raises(InvalidConfigError):
            load(path, environ={})
    finally:
        sys.setprofile(None)
    return counted


WRITTEN: dict[str, Callable[[int], str]] = {
    "aliases": lambda n: "a: &a [x]\n" + "".join(f"b{i}: *a\n" for i in range(n)),
    "repeated": lambda n: "a: 1\n" * n,
    "secret": lambda n: "password: |\n" + " x\n" * n + "b: [",
    "dashes": lambda n: "- " * n,
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=list(WRITTEN))
def test_twice_as_many_faults_take_about_twice_as_long(
    tmp_path: Path, written: Callable[[int], str]
) -> None:
    path = tmp_path / "gateway.yaml"
    calls(path, written(FEW))  # what is made once, is
    assert calls(path, written(2 * FEW)) < 2.25 * calls(path, written(FEW))
