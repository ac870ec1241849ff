"""One real agent for half an hour, its memory, its descriptors and its threads watched.

`ugw run` on a simulated BlueZ and a simulated modem, with a real mosquitto: in rounds of some
twenty seconds broker, adapter, modem and bluetoothd go and come, the configuration is reloaded,
the pages are asked for. Each round is like the others, so at its end it has to hold what it held
at the end of the others. What grows is named with its file and its line.
"""

import argparse
import asyncio
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.sim.expectations import Judge
from gateway.sim.process.bench import ProcessBench
from gateway.sim.process.mosquitto import free_port
from tests.soak.flatness import Row, Sample, growth, judged
from tests.soak.rounds import Life, life, store_bytes
from tests.soak.rounds import options as bench_options
from tests.soak.watched import Account, account_path

_MINUTES: Final = 30.0
_LOOKS: Final = 25  # at descriptors that are being closed
_LOOK_S: Final = 0.2
_NUMBER: Final = re.compile(r"\d+")
_KIB: Final = 1024


def options(parser: argparse.ArgumentParser) -> None:
    """Say what it takes."""
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="how long it lives")
    parser.add_argument("--seed", type=int, default=1, help="of what the sensors send")


def run(options: argparse.Namespace) -> int:
    """Let it live; 0 when it was flat, 1 when it was not."""
    samples, wrong = asyncio.run(watch(options.minutes, options.seed))
    try:
        rows = judged(samples)
    except ValueError as error:
        print(f"agent: {error}")
        return 1
    _say_table(rows)
    for why in wrong:
        print(f"agent: {why}")
    if not any(row.why for row in rows) and not wrong:
        print(f"agent: flat over {len(samples)} rounds, and both laws exact in every status")
        return 0
    print("agent: NOT FLAT. These lines hold more than after warm-up:")
    print("\n".join(growth(samples)))
    print(f"again: python -m tests.soak agent --minutes {options.minutes:g} --seed {options.seed}")
    return 1


async def watch(minutes: float, seed: int) -> tuple[list[Sample], list[str]]:
    """Let one live for so long; what it held at the end of each round, and what was wrong."""
    with tempfile.TemporaryDirectory(prefix="ugw-soak-") as held:
        folder, port = Path(held), free_port()
        watched = (sys.executable, "-m", "tests.soak.watched", held)
        command = (*watched, "--", "run", "--config", "{config}")
        bench = ProcessBench(bench_options(seed, port, command))
        samples: list[Sample] = []
        async with life(bench, port) as lives:
            while bench.at_s < minutes * 60:
                await lives.round()
                samples.append(await _sample(lives, folder, samples))
                _say_progress(samples[-1], lives.rounds, minutes)
        return samples, [*_crashes(bench), *_wrong(lives.judge)]


def _wrong(judge: Judge) -> list[str]:
    """Return what the platform could see of broken promises."""
    judge.read()
    laws = [f"{name}: {one.why}" for name, found in judge.breaches.items() for one in found[:3]]
    return [*laws, *(f"lost without a word: {why}" for why in judge.missing_numbers())]


def _crashes(bench: ProcessBench) -> list[str]:
    return ["it has logged a traceback"] if "Traceback" in bench.gateway.log else []


# ------------------------------------------------------------------------------- what it holds
async def _sample(lives: Life, folder: Path, before: Sequence[Sample]) -> Sample:
    gateway = lives.bench.gateway
    path = account_path(folder, len(before) + 1)
    gateway.send_signal(signal.SIGUSR1)
    await lives.until(path.exists)
    account = msgspec.json.decode(path.read_bytes(), type=Account)
    proc = Path(f"/proc/{gateway.pid}")
    store, log = store_bytes(gateway.store)
    return Sample(
        at_s=lives.bench.at_s,
        lines=account.lines,
        libraries=account.libraries,
        descriptors=await _at_rest(proc, before[-1].descriptors if before else {}),
        threads=len(list((proc / "task").iterdir())),
        pss=_pss(proc),
        store=store,
        log=log,
    )


async def _at_rest(proc: Path, before: Mapping[str, int]) -> Mapping[str, int]:
    """Count its descriptors; where they are others than before, until it is nothing passing."""
    found = descriptors(proc)
    for _ in range(_LOOKS):
        if found == before:
            break
        await asyncio.sleep(_LOOK_S)
        found = descriptors(proc)
    return found


def descriptors(proc: Path) -> Mapping[str, int]:
    """Return how many descriptors of each kind a process has open."""
    found: Counter[str] = Counter()
    for link in (proc / "fd").iterdir():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # closed since
            continue
        found[_NUMBER.sub("N", target.rpartition("/")[2])] += 1
    return dict(found)


def _pss(proc: Path) -> int:
    lines = (proc / "smaps_rollup").read_text().splitlines()
    (pss,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
    return int(pss) * _KIB


# -------------------------------------------------------------------------------- what is said
def _say_progress(one: Sample, rounds: int, minutes: float) -> None:
    own, libraries = sum(one.lines.values()), sum(one.libraries.values())
    print(
        f"agent: round {rounds}, {one.at_s / 60:.1f} of {minutes:g} min: own {own / 1e3:,.0f} kB, "
        f"libraries {libraries / 1e3:,.0f} kB, PSS {one.pss / 1e6:.1f} MB, "
        f"{sum(one.descriptors.values())} descriptors, {one.threads} threads, "
        f"store {one.store / 1e6:.2f} MB, its log {one.log / 1e6:.2f} MB",
        flush=True,
    )


def _say_table(rows: Sequence[Row]) -> None:
    heads = Row("", "after warm-up", "at the end", "growth", "limit", "")
    for row in (heads, *rows):
        verdict = "NOT FLAT" if row.why else "flat"
        cells = f"{row.first:>14} {row.last:>14} {row.per_hour:>14} {row.limit:>12}"
        print(f"{row.name:26} {cells}  {verdict if row is not heads else ''}")
    for row in rows:
        if row.why:
            print(f"  {row.name}: {row.why}")
