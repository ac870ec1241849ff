"""`make planted`: plant each known defect in a copy of the tree, and see its tests go red.

    python -m tests.planted                       all of them
    python -m tests.planted --only NAME           one (again: several); a part of its name will do
    python -m tests.planted --family uplink       one family
    python -m tests.planted --list                what there is
    python -m tests.planted --jobs 2              two at a time, each in a copy of its own
    python -m tests.planted --json FILE           the result, for a program

First the tests run as they are: one that is red without a defect shows nothing. Then for each
defect those that must see it. Ends with 0 when each of them went red, else with 1.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from tests.planted import trial
from tests.planted.catalogue import FAMILIES
from tests.planted.defect import Defect
from tests.planted.soundness import complaints
from tests.planted.tree import ROOT, Tree
from tests.planted.trial import Colour, Result, Verdict

Done = TypeVar("Done")


class Chosen(NamedTuple):
    """A defect, and whose it is."""

    family: str
    defect: Defect


def main(words: Sequence[str] | None = None) -> int:
    """Plant what is asked for; the exit status."""
    options = _parser().parse_args(words)
    chosen = _chosen(options.only, options.family)
    if not chosen:
        sys.exit("planted: there is no such defect; --list says which there are")
    if options.list:
        for family, defect in chosen:
            _say(f"{family:8}  {defect.name}{_like(defect)}")
        return 0
    if sys.prefix == sys.base_prefix:
        sys.exit("planted: this Python has no environment to copy; .venv/bin/python has one")
    defects = [defect for _, defect in chosen]
    with _trees(min(options.jobs, len(defects)), ROOT) as trees:
        verdicts = try_all(trees, defects)
    if options.json:
        options.json.write_text(_as_json(verdicts), encoding="utf-8")
    _say_table(verdicts)
    unseen = len(defects) - sum(verdict.is_seen for verdict in verdicts)
    _say(f"{len(defects)} planted, {unseen} not seen by every test named")
    return 1 if unseen else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--family", action="append", default=[], choices=FAMILIES)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def _chosen(names: Sequence[str], families: Sequence[str]) -> list[Chosen]:
    return [
        Chosen(family, defect)
        for family in families or FAMILIES
        for defect in FAMILIES[family]
        if not names or any(name in defect.name for name in names)
    ]


@contextmanager
def _trees(count: int, source: Path) -> Generator[list[Tree]]:
    """Copy the tree as often as there are jobs; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ugw-planted-") as folder:
        first = Path(folder) / "1"
        trees = [Tree(first, source)]
        trees += [Tree(Path(folder) / str(number), source) for number in range(2, count + 1)]
        yield trees
        shutil.rmtree(first)


# ---------------------------------------------------------------------------------------- the work
def try_all(trees: Sequence[Tree], defects: Sequence[Defect]) -> list[Verdict]:
    """Try each defect, as many at a time as there are trees; in the order given."""
    spoilt = {
        defect.name: found
        for defect in defects
        if (found := "; ".join(complaints(trees[0].root, defect)))
    }
    fit = [defect for defect in defects if defect.name not in spoilt]
    green = _all_green(trees, sorted({test for defect in fit for test in defect.red}))

    def one(tree: Tree, defect: Defect) -> Verdict:
        if defect.name in spoilt:
            return _unfit(defect, spoilt[defect.name])
        for test in defect.red:
            if green[test].colour != Colour.GREEN:
                said = f"{test} is {green[test].colour} without it: {green[test].said}"
                return _unfit(defect, said)
        return trial.try_defect(tree, defect, green)

    return _spread(trees, defects, one, _progress(len(defects)))


def _unfit(defect: Defect, said: str) -> Verdict:
    return Verdict(defect, {"": Result(Colour.UNFIT, said=said)}, 0.0)


def _all_green(trees: Sequence[Tree], tests: Sequence[str]) -> dict[str, Result]:
    """Run the tests as they are, file by file; what became of each."""
    files: dict[str, list[str]] = {}
    for test in tests:
        files.setdefault(test.partition("::")[0], []).append(test)
    _say(f"{len(tests)} tests, as they are")
    results: dict[str, Result] = {}
    shares = [list(files.values())[number :: len(trees)] for number in range(len(trees))]

    def share(tree: Tree, lists: list[list[str]]) -> dict[str, Result]:
        mine = [test for tests in lists for test in tests]
        return trial.run(tree, mine, trial.PATIENCE_S * (1 + len(mine)))

    for done in _spread(trees, shares, share, lambda _: None):
        results |= done
    return results


Task = TypeVar("Task")


def _spread(
    trees: Sequence[Tree],
    tasks: Sequence[Task],
    work: Callable[[Tree, Task], Done],
    tell: Callable[[Done], None],
) -> list[Done]:
    """Do each task in a tree that is free."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def one(task: Task) -> Done:
        tree = free.get()
        try:
            return work(tree, task)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        futures = [pool.submit(one, task) for task in tasks]
        try:
            for future in as_completed(futures):
                tell(future.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C has ended what runs
    return [future.result() for future in futures]


# ------------------------------------------------------------------------------------ what is said
def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _progress(count: int) -> Callable[[Verdict], None]:
    numbers = iter(range(1, count + 1))

    def tell(verdict: Verdict) -> None:
        _say(f"{next(numbers):3}/{count}  {verdict.defect.name}")
        for test, result in verdict.results.items():
            if not verdict.is_seen or result.colour == Colour.HANGS:
                _say(f"         {result.colour}: {test or result.said}")

    return tell


def _say_table(verdicts: Iterable[Verdict]) -> None:
    _say("")
    for verdict in verdicts:
        seen = "seen" if verdict.is_seen else "NOT SEEN"
        _say(f"{seen:8}  {verdict.seconds:6.1f} s  {verdict.defect.name}{_like(verdict.defect)}")
        for test, result in verdict.results.items():
            _say(f"            {result.colour}: {test}  {result.said[:100]}".rstrip())
    _say("")


def _like(defect: Defect) -> str:
    return f" (as {defect.like})" if defect.like else ""


def _as_json(verdicts: Iterable[Verdict]) -> str:
    rows: list[Mapping[str, object]] = [
        {
            "name": verdict.defect.name,
            "like": verdict.defect.like,
            "seen": verdict.is_seen,
            "seconds": round(verdict.seconds, 1),
            "tests": {test: result._asdict() for test, result in verdict.results.items()},
        }
        for verdict in verdicts
    ]
    return json.dumps(rows, indent=2)


if __name__ == "__main__":
    sys.exit(main())
