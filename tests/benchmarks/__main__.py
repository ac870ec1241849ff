"""`make bench`: measure the budgets and say how each stands. It may miss one, it hides none.

    python -m tests.benchmarks [--quick] [--only NAME] [--json FILE]

Ends with 0 when every benchmark ran, whatever it said, and with 1 when one could not.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks.budgets import BENCHMARKS, Benchmark
from tests.benchmarks.machine import Machine, machine
from tests.benchmarks.rows import Row, Verdict
from tests.benchmarks.worker import run

_COLOURS: Final = {
    Verdict.MET: "green",
    Verdict.MISSED: "bold red",
    Verdict.CANNOT_RUN: "bold yellow",
}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` writes."""

    machine: Machine
    quick: bool
    rows: list[Row]


def main() -> int:
    """Run what was asked for; the exit status."""
    options = _options()
    chosen = [b for b in BENCHMARKS if not options.only or b.name in options.only]
    talk = Console(stderr=True)
    rows = [row for benchmark in chosen for row in _watched(benchmark, options.quick, talk)]
    report = Report(machine=machine(), quick=options.quick, rows=rows)
    _print(report)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    return int(any(row.verdict is Verdict.CANNOT_RUN for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    names = [benchmark.name for benchmark in BENCHMARKS]
    parser.add_argument("--only", action="append", choices=names, help="run this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="short runs, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    return parser.parse_args()


def _watched(benchmark: Benchmark, quick: bool, talk: Console) -> Iterable[Row]:  # noqa: FBT001 - as it was typed
    """Run a benchmark, saying so meanwhile."""
    since_s = time.monotonic()
    with talk.status(f"{benchmark.name}: {'short' if quick else f'about {benchmark.about_s} s'}"):
        rows = run(benchmark, quick=quick)
    talk.print(f"{benchmark.name}: {time.monotonic() - since_s:.0f} s")
    return rows


def _print(report: Report) -> None:
    """Print the table, below it the notes, and where it was measured."""
    table = Table(title="Budgets" + (" (quick: not for the record)" if report.quick else ""))
    for heading in ("what", "target", "measured", "unit", "verdict"):
        numeric = heading in {"target", "measured"}
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for row in report.rows:
        verdict = f"[{_COLOURS[row.verdict]}]{row.verdict}[/]"
        table.add_row(row.name, row.target, _number(row), row.unit, verdict)
    console = Console(highlight=False)
    console.print(table)
    for row in report.rows:
        if row.note:
            console.print(f"[bold]{row.name}[/]: {row.note}")
    console.print(f"\n{report.machine}")


def _number(row: Row) -> str:
    if row.measured is None:
        return ""
    return f"{row.measured:,.0f}" if abs(row.measured) >= 1000 else f"{row.measured:.3g}"


if __name__ == "__main__":
    sys.exit(main())
