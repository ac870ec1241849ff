"""Each benchmark in a fresh process, so that none finds what another left, or takes it along."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from gateway.sim import lifeline
from tests.benchmarks.budgets import BENCHMARKS, Benchmark
from tests.benchmarks.rows import Row, cannot_run

_HANG_TIMES: Final = 10  # as long as it should take: then it hangs


def run(benchmark: Benchmark, *, quick: bool) -> list[Row]:
    """Return its rows; when it fails or never ends, one row that says so."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(benchmark.name, quick, there))
    process.start()
    there.close()
    try:
        if here.poll(_HANG_TIMES * max(benchmark.about_s, 1)):
            return msgspec.json.decode(here.recv_bytes(), type=list[Row])
        return [cannot_run(benchmark.name, "it never ended")]
    except EOFError:
        return [cannot_run(benchmark.name, "it failed: its error stands above")]
    finally:
        process.kill()
        process.join()


def _work(name: str, quick: bool, answer: Connection) -> None:  # noqa: FBT001 - sent as it is
    lifeline.die_with_parent()
    measure = next(benchmark.measure for benchmark in BENCHMARKS if benchmark.name == name)
    answer.send_bytes(msgspec.json.encode(measure(quick=quick)))
