"""SIGKILL of a real agent, hundreds of times, at random instants; the ledger balances each time.

Rounds of ten kills, each on a stage of its own and judged at its end; every fourth on a medium
that takes half a second per sync. A round is planned by its seed; its instants are those of the
real machine, so what was found once may take a few goes to come again.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.scenarios.killing import Moment, Round, play_round

_KILLS: Final = 10  # of a round
_LONGEST_S: Final = 15.0  # of a life: longer than an acknowledgement is waited for
_SYNC_S: Final = 0.5
_SLOW_EVERY: Final = 4
_GUARD_S: Final = 900.0  # no promise: only the end of a round that would never end


def options(parser: argparse.ArgumentParser) -> None:
    """Add what this search can be told."""
    parser.add_argument("--count", type=int, default=300, help="kills in all (default: 300)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default: 1)")
    parser.add_argument("--sync", type=float, metavar="S", help="seconds each sync takes, always")


def rounds(count: int, seed: int, sync_s: float | None) -> Iterator[Round]:
    """Yield the rounds of a search."""
    number = 0
    while count > 0:
        slow_s = _SYNC_S if number % _SLOW_EVERY == _SLOW_EVERY - 1 else 0.0
        yield Round(
            seed=seed + number,
            kills=min(count, _KILLS),
            longest_s=_LONGEST_S,
            sync_s=slow_s if sync_s is None else sync_s,
        )
        number += 1
        count -= _KILLS


def run(given: argparse.Namespace) -> int:
    """Search; the exit status."""
    began = time.monotonic()
    total, ends = Counter[str](), Counter[Moment]()
    for one in rounds(given.count, given.seed, given.sync):
        folder = Path(tempfile.mkdtemp(prefix="ugw-kills-"))
        try:
            toll = play_round(folder, one, guard_s=_GUARD_S)
        except (AssertionError, TimeoutError) as finding:
            _tell(one, folder, finding)
            return 1
        shutil.rmtree(folder)
        ends.update(toll.ends)
        total.update(kills=toll.kills, prompt=toll.prompt, rows=toll.rows, arrived=toll.arrived)
        said = f"round seed={one.seed} sync={one.sync_s} s: {_words(total)}"
        print(f"{said}; {time.monotonic() - began:.0f} s", flush=True)
    print(f"nothing lost: {_words(total)}")
    print("lives by how they ended: " + ", ".join(f"{n} {kind}" for kind, n in ends.items()))
    return 0


def _words(total: Counter[str]) -> str:
    slow = total["kills"] - total["prompt"]
    return (
        f"{total['kills']} kills ({total['prompt']} held to the second, {slow} with a slow sync "
        f"to rows and PUBACKs), {total['rows']} rows at stake, {total['arrived']} frames arrived"
    )


def _tell(one: Round, folder: Path, finding: BaseException) -> None:
    print(f"FOUND in the round of seed {one.seed}: {finding!r}", file=sys.stderr)
    print(f"its logs, stores and messages: {folder}", file=sys.stderr)
    again = f"python -m tests.soak kills --count {one.kills} --seed {one.seed} --sync {one.sync_s}"
    print(f"again (its instants are new): {again}", file=sys.stderr)
