"""A run of some tests in a tree, and what it says of a defect: each test red, or one is not.

A test that hangs is ended with all it has started, and counts as red. One that fails because the
defect is no program (a name that there is not, a line that is no Python) does not: that shows
nothing of what the test looks for.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from tests.planted.defect import Defect
from tests.planted.tree import Tree

PATIENCE_S: Final = 40.0  # of a run, before its tests' own time
_TIMES: Final = 10  # a defect may make a test this much slower before it hangs
_NO_PROGRAM: Final = {
    "ImportError",
    "IndentationError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "UnboundLocalError",
}


class Colour(StrEnum):
    """What became of a test."""

    RED = "red"
    HANGS = "red by hanging"
    GREEN = "green"
    SKIPPED = "skipped"
    BROKEN = "does not even start"
    UNFIT = "cannot be tried"


class Result(NamedTuple):
    """One test, all its parameters together."""

    colour: Colour
    seconds: float = 0.0
    said: str = ""

    @property
    def is_red(self) -> bool:
        """Whether the test has seen something."""
        return self.colour in {Colour.RED, Colour.HANGS}


class Verdict(NamedTuple):
    """What the tests of a defect made of it."""

    defect: Defect
    results: Mapping[str, Result]
    seconds: float

    @property
    def is_seen(self) -> bool:
        """Whether every test named goes red."""
        return all(result.is_red for result in self.results.values())


def try_defect(tree: Tree, defect: Defect, green: Mapping[str, Result]) -> Verdict:
    """Plant a defect, run its tests, take it out."""
    begun = monotonic()
    usual_s = sum(green[test].seconds for test in defect.red)
    with tree.planted(defect):
        results = run(tree, defect.red, PATIENCE_S + _TIMES * usual_s)
    return Verdict(defect, results, monotonic() - begun)


def run(tree: Tree, tests: Sequence[str], patience_s: float) -> dict[str, Result]:
    """Run tests, and go on with the others where one hangs."""
    results: dict[str, Result] = {}
    while left := [test for test in tests if test not in results]:
        results |= _run_once(tree, left, patience_s)
    return results


def _run_once(tree: Tree, tests: Sequence[str], patience_s: float) -> dict[str, Result]:
    """Return the result of every test, or if one hangs of those up to it."""
    with tempfile.TemporaryDirectory(prefix="planted-") as scratch:
        witness = Path(scratch) / "witness"
        output = Path(scratch) / "output"
        ended = _ends(tree, ["--witness", str(witness), *tests], output, patience_s)
        lines = [json.loads(line) for line in _whole_lines(witness)]
        broken = Result(Colour.BROKEN, said=_last_line(output))
    results = {test: _result(lines, test) for test in tests}
    if ended:
        return {test: result or broken for test, result in results.items()}
    known = {
        test: result._replace(seconds=patience_s) if result.colour == Colour.HANGS else result
        for test, result in results.items()
        if result
    }
    return known or {tests[0]: Result(Colour.HANGS, patience_s, "before the first test")}


def _whole_lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return text.split("\n")[:-1]


def _last_line(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]


def _ends(tree: Tree, arguments: Sequence[str], output: Path, patience_s: float) -> bool:
    """Run pytest; whether it ended by itself."""
    options = ("-q", "-p", "no:cacheprovider", "-p", "tests.planted.witness")
    with output.open("wb") as file:
        process = subprocess.Popen(
            [
                *(tree.python, "-m", "pytest", *options, "--hypothesis-profile=planted"),
                *("--continue-on-collection-errors", *arguments),
            ],
            cwd=tree.root,
            env={**_surroundings(), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    else:
        return True
    finally:
        _end(process)


def _surroundings() -> dict[str, str]:
    """Return the environment, less what tells pytest that it runs in a pytest."""
    ours = ("PYTEST_", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, also what it gave a session of its own."""
    if process.poll() is not None:
        return
    for pid in (*_descendants(process.pid), process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def _descendants(pid: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        child = int(status.parent.name)
        if _parent(status) == pid:
            yield from _descendants(child)
            yield child


def _parent(status: Path) -> int:
    try:
        return int(status.read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


# ------------------------------------------------------------------------------------ the witness
def _result(lines: Iterable[Mapping[str, object]], test: str) -> Result | None:
    """Return what became of a test, or None if nothing has: the worst of its parameters."""
    mine = [line for line in lines if str(line["test"]).partition("[")[0] == test]
    if not mine:
        return _of_its_file(lines, test)
    seconds = sum(float(str(line.get("seconds", 0))) for line in mine)
    failed = next((line for line in mine if line["outcome"] == "failed"), None)
    if failed:
        return Result(_colour(failed), seconds, str(failed["said"]))
    if mine[-1]["phase"] != "teardown":
        return Result(Colour.HANGS, seconds)
    passed = any((line["phase"], line["outcome"]) == ("call", "passed") for line in mine)
    return Result(Colour.GREEN if passed else Colour.SKIPPED, seconds)


def _of_its_file(lines: Iterable[Mapping[str, object]], test: str) -> Result | None:
    file = test.partition("::")[0]
    for line in lines:
        if line["outcome"] == "uncollected" and line["test"] == file:
            return Result(Colour.BROKEN, said=str(line["said"]).strip().rpartition("\n")[2])
    return None


def _colour(failed: Mapping[str, object]) -> Colour:
    kinds = str(failed["kinds"]).split()
    return Colour.BROKEN if _NO_PROGRAM.intersection(kinds) else Colour.RED
