"""Benches by their level; only the one that is wanted is imported."""

from gateway.sim.bench import Bench, BenchOptions, Level


def open_bench(level: Level, options: BenchOptions, *, beside: Bench | None = None) -> Bench:
    """Return a bench, to be entered. `beside` another one it shares that one's broker.

    Raises SimulatorError for what this level cannot do.
    """
    if level == "inside":
        from gateway.sim.inside.bench import InsideBench  # noqa: PLC0415

        return InsideBench(options, beside=beside)
    from gateway.sim.process.bench import ProcessBench  # noqa: PLC0415

    return ProcessBench(options, beside=beside)
