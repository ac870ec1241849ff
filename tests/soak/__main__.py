"""`make soak`: searches that take long, each with its progress and how to see a finding again.

    python -m tests.soak cuts [--count N] [--seed N] [--workers N]   power cuts at every write
    python -m tests.soak kills [--count N] [--seed N]                 SIGKILL of a real agent
    python -m tests.soak agent [--minutes N] [--seed N]              an agent, its memory watched

Ends with 0 when nothing was found, and with 1 when something was; the last lines say what, and
the command that shows it again.
"""

import argparse
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final

# Each module offers `options(parser)` and `run(options) -> int`.
SEARCHES: Final[Mapping[str, str]] = {
    "cuts": "cut the power at every write of made-up histories of the store",
    "kills": "kill a real agent at random instants, while sensors send and brokers come and go",
    "agent": "run a real agent, and watch its memory and its open files",
}


def main() -> int:
    """Run one search; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    chosen = parser.add_subparsers(dest="search", required=True, metavar="|".join(SEARCHES))
    for name, what in SEARCHES.items():
        one = chosen.add_parser(name, help=what, description=what)
        module = import_module(f"tests.soak.{name}")
        module.options(one)
        one.set_defaults(run=module.run)
    options = parser.parse_args()
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
