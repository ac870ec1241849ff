"""The budgets in DESIGN's order: which function measures each, and how long that takes.

A benchmark has a file of its own and a function `measure(*, quick)` that returns rows, run in a
process of its own. `quick` shortens it for a first look; its numbers are not for the record.
"""

from typing import Final, Protocol

import msgspec

from tests.benchmarks import (
    bench_admission,
    bench_disk,
    bench_drain,
    bench_drivers,
    bench_hot_path,
    bench_idle,
    bench_latency,
    bench_memory,
    bench_start,
    bench_strangers,
    bench_throughput,
    esp32,
    simulator,
    virtual_time,
    wear,
)
from tests.benchmarks.rows import Row


class Measure(Protocol):
    """What a benchmark's file offers; whatever it raises means that it cannot run."""

    def __call__(self, *, quick: bool) -> list[Row]:
        """Measure, and return one row per line of the budgets."""
        ...


class Benchmark(msgspec.Struct, frozen=True):
    """A benchmark, by the name `--only` knows it by."""

    name: str
    measure: Measure
    about_s: int  # in full; quick takes a third at most


BENCHMARKS: Final = (
    Benchmark("admission", bench_admission.measure, 70),
    Benchmark("hot-path", bench_hot_path.measure, 60),
    Benchmark("throughput", bench_throughput.measure, 25),
    Benchmark("drain", bench_drain.measure, 35),
    Benchmark("disk", bench_disk.measure, 65),
    Benchmark("wear", wear.measure, 30),
    Benchmark("latency", bench_latency.measure, 35),
    Benchmark("memory", bench_memory.measure, 55),
    Benchmark("strangers-own", bench_strangers.measure_own, 130),
    Benchmark("strangers-process", bench_strangers.measure_process, 115),
    Benchmark("strangers-lag", bench_strangers.measure_lag, 110),
    Benchmark("idle", bench_idle.measure, 65),
    Benchmark("start", bench_start.measure, 15),
    Benchmark("drivers", bench_drivers.measure, 40),
    Benchmark("esp32", esp32.measure, 200),
    Benchmark("simulator", simulator.measure, 30),
    Benchmark("virtual-time", virtual_time.measure, 60),
)
