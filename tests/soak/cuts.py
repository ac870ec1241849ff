"""Cut the power at every write of made-up histories of the store: `python -m tests.soak cuts`.

A history is known by a seed and its number, and is the same each time; whoever finds something
prints the command that plays that history again.
"""

import argparse
import logging
import os
import secrets
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from typing import Final

from tests.backlog.cutting import Outcome, cut
from tests.backlog.histories import made_up

_SHOWN: Final = 5  # findings of one history
_EVERY_S: Final = 10.0


def options(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--count", type=int, default=1_000_000, help="cuts, at least")
    parser.add_argument("--seed", type=int, help="of the histories; chosen anew without it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--history", type=int, help="play this one alone, and show what is in it")


def run(options: argparse.Namespace) -> int:
    """Cut until there were enough; 1 when something was found."""
    seed: int = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    if options.history is not None:
        return _one(seed, options.history)
    print(f"power cuts: seed {seed}, {options.count} of them, {options.workers} processes")
    total = Outcome()
    began_s = told_s = time.monotonic()
    for played, (number, outcome) in enumerate(_played(seed, options.workers), 1):
        total.add(outcome)
        if outcome.findings:
            return _found(seed, number, outcome)
        if total.cuts >= options.count or time.monotonic() - told_s > _EVERY_S:
            told_s = time.monotonic()
            print(_progress(total, played, told_s - began_s, options.count), flush=True)
        if total.cuts >= options.count:
            break
    print("nothing was lost, nothing was broken, every start succeeded")
    return 0


def _played(seed: int, workers: int) -> Iterator[tuple[int, Outcome]]:
    """Play one history after the other, some at a time, without end."""
    with ProcessPoolExecutor(workers, initializer=_quiet) as pool:
        under_way: dict[Future[Outcome], int] = {}
        try:
            for number in count():
                under_way[pool.submit(_cut, seed, number)] = number
                if len(under_way) >= 2 * workers:
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for each in done:
                        yield under_way.pop(each), each.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _quiet() -> None:
    logging.disable()  # the store says a lot when operations are made to fail


def _cut(seed: int, number: int) -> Outcome:
    try:
        return cut(made_up(seed, number))
    except Exception:  # noqa: BLE001 - whatever it is, it was found
        return Outcome(findings=[traceback.format_exc()])


def _one(seed: int, number: int) -> int:
    history = made_up(seed, number)
    print(
        f"at most {history.max_bytes} bytes, a checkpoint after {history.checkpoint} pages,",
        end="",
    )
    print(f" begins with {history.begins}:")
    for act in history.acts:
        print(f"    {act.name} {act.a} {act.b}")
    outcome = _cut(seed, number)
    print(f"{outcome.cuts} cuts, {outcome.distinct} distinct, {len(outcome.findings)} findings")
    return _found(seed, number, outcome) if outcome.findings else 0


def _found(seed: int, number: int, outcome: Outcome) -> int:
    print(f"\nFOUND in history {number} of seed {seed}:", file=sys.stderr)
    for each in outcome.findings[:_SHOWN]:
        print(f"    {each}", file=sys.stderr)
    print("see it again:", file=sys.stderr)
    print(f"    python -m tests.soak cuts --seed {seed} --history {number}", file=sys.stderr)
    return 1


def _progress(total: Outcome, histories: int, took_s: float, wanted: int) -> str:
    rate = total.cuts / took_s
    left_s = max(0.0, (wanted - total.cuts) / rate)
    return (
        f"{total.cuts} cuts, {total.distinct} distinct, {histories} histories of {total.steps}"
        f" steps, {total.failures} calls made to fail, {rate:.0f}/s, slowest start"
        f" {total.slowest_s:.2f} s, {left_s:.0f} s left"
    )
