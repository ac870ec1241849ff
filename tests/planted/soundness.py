"""What is wrong with a defect as it is written down, before anything is planted.

A pure reading of the files: that the text to replace stands where it should, that what replaces it
is Python, and that the tests named exist.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.node_ids import find
from tests.planted.defect import Defect


def complaints(root: Path, defect: Defect) -> Iterator[str]:
    """Yield what stands between a defect and its being planted in the tree at `root`."""
    path = root / defect.file
    if not path.is_file():
        yield f"{defect.file}: no such file"
        return
    sound = path.read_text(encoding="utf-8")
    if (times := sound.count(defect.before)) != 1:
        yield f"{defect.file}: the text to replace stands there {times} times"
    elif defect.before == defect.after:
        yield f"{defect.file}: is replaced by itself"
    elif path.suffix == ".py":
        yield from _no_python(defect, sound.replace(defect.before, defect.after))
    if not defect.red:
        yield "names no test"
    for test in defect.red:
        if find(root, test) is None:
            yield f"{test}: no such test"


def _no_python(defect: Defect, planted: str) -> Iterator[str]:
    try:
        ast.parse(planted, defect.file)
    except SyntaxError as error:
        yield f"{defect.file}: is no Python with the defect, line {error.lineno}: {error.msg}"
