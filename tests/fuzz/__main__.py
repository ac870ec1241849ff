"""`make soak-fuzz`: search, guided by coverage, for input that a border of ugw does not bear.

    python -m tests.fuzz search [--minutes M] [--target NAME]... [--jobs N], in .venv-fuzz
    python -m tests.fuzz replay FILE --target NAME       one input, in any environment
    python -m tests.fuzz shorten FILE --target NAME      what of it shows the same
    python -m tests.fuzz merge [--target NAME]           into the corpus what searches have learnt
    python -m tests.fuzz list                            all borders

Ends with 0 when nothing was found, and with 1 when something was.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[2] / "tools" / "flash"))  # as pytest has it

from tests.fuzz import corpus, reach, search, shorten
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.target import Target

_ONE_INPUT: Final = ("replay", "shorten")
_FOLDER: Final = Path(__file__).parents[2] / ".cache" / "fuzz"


def main() -> int:
    """Do what was asked for; the exit status."""
    options = _parser().parse_args()
    chosen = [TARGETS[name] for name in options.target or TARGETS]
    if options.what == "search":
        return search.search(chosen, options.folder, minutes=options.minutes, jobs=options.jobs)
    if options.what == "replay":
        return _replay(chosen[0], options.file)
    if options.what == "shorten":
        return _shorten(chosen[0], options.file)
    if options.what == "merge":
        return _merge(chosen, options.folder)
    for target in chosen:
        search.say(f"{target.name:<28} {target.border}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="what searches have learnt")
    each = parser.add_subparsers(dest="what", required=True)
    for name in ("search", "replay", "shorten", "merge", "list"):
        one = each.add_parser(name)
        one.add_argument(
            "--target", choices=list(TARGETS), action="append", required=name in _ONE_INPUT
        )
        if name == "search":
            one.add_argument("--minutes", type=float, default=30, help="in all")
            one.add_argument("--jobs", type=int, default=2, help="at once")
        if name in _ONE_INPUT:
            one.add_argument("file", type=Path)
    return parser


def _replay(target: Target, file: Path) -> int:
    """Run one input, its error shown whole."""
    target.run(file.read_bytes())
    search.say("It shows nothing.")
    return 0


def _shorten(target: Target, file: Path) -> int:
    """Write the shortest input that shows the same beside a finding."""
    data = shorten.shortened(target, file.read_bytes())
    file.with_suffix(".short").write_bytes(data)
    search.say(f"{len(data)} bytes: {shorten.shown(target, data) or 'it shows nothing'}")
    return 0


def _merge(targets: Sequence[Target], folder: Path) -> int:
    """Keep of all known inputs the shortest that reach everything; the seeds reach for nothing."""
    for target in targets:
        learnt = [path.read_bytes() for path in (folder / target.name / "inputs").glob("*")]
        kept = reach.fewest(target, [*learnt, *corpus.kept(target.name)])
        corpus.keep(target.name, kept)
        search.say(f"{target.name:<28} {len(kept)} inputs, {sum(map(len, kept))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
